"""Which modules of the core and the firmware a board needs: what its entry file leads to.

A board's memory is small and its file system slow to fill, so it gets the modules that
something on it imports, and no others: no driver of a sensor that it has not, no port to
another runtime, no hub's half of the link.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from paebiru.deploy.lean import Constants, constants, lean, module_name
from paebiru.deploy.twin import sources
from paebiru.deploy.unused import without_unused
from paebiru.errors import UsageError

PACKAGES = ("sil", "paebiru_node")
ENTRIES = {"micropython": "main.py", "circuitpython": "code.py"}
"""What each runtime starts by itself."""
_DRIVERS = "paebiru_node.sensors"


@cache
def root(package: str) -> Path:
    """Return the folder of a package, which is found and not run.

    Raises:
        UsageError: this installation lacks it.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the package {package} is missing: install paebiru anew")
    return Path(spec.submodule_search_locations[0])


@cache
def known() -> Constants:
    """Return the constants of every module that may go onto a board."""
    return constants(path for package in PACKAGES for path in sources(root(package)))


def lean_source(path: Path) -> str:
    """Return the source of a module without what a board need not hold."""
    return _lean(path, path.stat().st_mtime_ns)


@cache
def _lean(path: Path, written: int) -> str:
    return lean(path.read_text(encoding="utf-8"), path, known())


def program(runtime: str, paths: list[Path]) -> dict[Path, str]:
    """Return the sources of a board's modules without what none of them asks for."""
    names = ("boot.py", ENTRIES[runtime])
    entries = [entry(name, runtime).read_text(encoding="utf-8") for name in names]
    texts = without_unused({path: lean_source(path) for path in paths}, entries)
    # Now imports are left that nothing needs any more.
    return {path: lean(text, path, known()) for path, text in texts.items()}


def place(path: Path) -> Path:
    """Return where a module lies below a board's /lib: sil/nn.py."""
    for package in PACKAGES:
        if path.is_relative_to(root(package)):
            return path.relative_to(root(package).parent)
    raise ValueError(path)


def entry(name: str, runtime: str) -> Path:
    """Return the source of a runtime's entry file: boot.py, and main.py or code.py."""
    return root("paebiru_node") / "_root" / runtime / name


def modules(runtime: str, drivers: tuple[str, ...]) -> list[Path]:
    """Return the modules that a board needs, sorted.

    Args:
        runtime: micropython or circuitpython.
        drivers: of its sensors, by name.

    Raises:
        UsageError: there is no such driver.
    """
    found: set[Path] = set()
    waiting = [*_imported(entry("boot.py", runtime)), *_imported(entry(ENTRIES[runtime], runtime))]
    for driver in drivers:
        name = f"{_DRIVERS}.{driver}"
        if _path(name) is None:
            raise UsageError(f"sensors: there is no driver {driver!r}: see paebiru deploy --help")
        waiting += _with_packages(name)
    while waiting:
        path = _path(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += _imported(path)
    return sorted(found)


def _path(name: str) -> Path | None:
    """Return where a module of ours lies; None if it is none."""
    package, *rest = name.split(".")
    if package not in PACKAGES:
        return None
    place = root(package).joinpath(*rest)
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules that running the lean source of `path` imports, and names that may be."""
    tree = ast.parse(lean_source(path))
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from _with_packages(base)
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])
