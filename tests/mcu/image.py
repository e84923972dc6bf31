"""Makes a board's disk: core, firmware and tests as .mpy, vectors as they are, in LittleFS.

The files are compiled here, as a deployment does, and the file system is written by
MicroPython itself, on the same kind of block device as the board's `_boot.py`.  Copying
them through the UART takes minutes; `tests/host/test_mcu.py` does it for a few.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from targets import INTERP, ROOT, SPECIMENS, SUITES, micropython, placed

HERE = Path(__file__).parent
WRITER = HERE / "image_writer.py"
BLOCK, BLOCKS = 4096, 1024
"""As in boards/PAEBIRU_COMMON/modules/_boot.py."""


def packages() -> list[Path]:
    """Return the packages that the tests import: the core, and the firmware where it is there."""
    folders = [path for top in ("shared", "firmware") for path in sorted((ROOT / top).iterdir())]
    return [folder for folder in folders if (folder / "__init__.py").exists()]


def tests() -> list[tuple[Path, str]]:
    """Return each file of the tests: where it is here, and its path on the board."""
    found = [
        (INTERP / "boot.py", "lib/boot.py"),
        (INTERP / "upylib" / "unittest.py", "lib/unittest.py"),
    ]
    for folder in (*SUITES, SPECIMENS):
        found += [
            (path, f"tests/{folder.name}/{path.relative_to(folder)}")
            for path in sorted(folder.rglob("*.py"))
        ]
    for kind in ("vectors", "firmware/traces"):
        data = sorted((ROOT / "tests" / kind).glob("*.json"))
        found += [(path, f"tests/{kind}/{path.name}") for path in data]
    return found


def stage(out: Path, march: str, viper: bool) -> None:
    """Put the files of the disk into `out`: kernels as machine code for `march`, or as bytecode."""
    from paebiru.deploy import twin

    for package in packages():
        twin.stage(out / "lib", march, package)
        for path in twin.sources(package):
            if twin.is_kernel(path) and not viper:
                target = (out / "lib" / path.relative_to(package.parent)).with_suffix(".mpy")
                twin.compile_source(path.read_text(encoding="utf-8"), path, target, march, "-O3")
    for path, name in tests():
        target = out / name
        if path.suffix == ".py":
            source = path.read_text(encoding="utf-8")
            twin.compile_source(source, path, target.with_suffix(".mpy"), march)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def image(march: str, viper: bool) -> Path:
    """Return the disk's image, made from the sources as they are; a second call costs nothing."""
    from paebiru.deploy import lean, twin

    made_by = (Path(twin.__file__), Path(lean.__file__), Path(__file__), WRITER)
    read = (path for package in packages() for path in twin.sources(package))
    seen = hashlib.sha256()
    for path in (*made_by, *read, *(path for path, _ in tests())):
        seen.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    kind = "viper" if viper else "bytecode"
    file = ROOT / "build" / "mcu" / "disk" / f"{march}-{kind}-{seen.hexdigest()[:16]}.img"

    def make(partial: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            stage(Path(folder), march, viper)
            write(Path(folder), partial)

    return placed(file, make)


def write(folder: Path, out: Path) -> None:
    """Write `out`, the image of a file system that holds `folder`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    vm = micropython() or "micropython"
    command = [
        vm,
        "-X",
        "heapsize=32M",
        str(WRITER),
        str(folder),
        str(out),
        str(BLOCK),
        str(BLOCKS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"the disk's image cannot be written:\n{done.stdout}{done.stderr}")
