"""Hold the boards' code to the stubs of MicroPython's ESP32 port and of CircuitPython.

    python tests/stubs/check.py            # fetch them if need be, then check everything
    python tests/stubs/check.py --fetch    # fetch them only

Exit code 0: all holds; 1: mypy found something; 75: the stubs cannot be fetched here.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PINS = HERE / "requirements.txt"
FLAVOURS = ("mp", "cp")
SOURCES = ("shared/sil", "firmware/paebiru_node")

# The board whose pins `import board` has, as boards/qtpy_esp32s3.toml describes it.
CP_BOARD = "adafruit_qtpy_esp32s3_4mbflash_2mbpsram"
MANIFEST_TOOL = Path("stubber/tools/manifestfile.py")
_UNREACHABLE = 75


class FetchError(Exception):
    """The stubs are not here and cannot be fetched; says why."""


def folder() -> Path:
    """Return where the stubs are, or shall be: named by their pins, so never stale."""
    pins = hashlib.sha256(PINS.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    return ROOT / "build" / "stubs" / pins


def fetch() -> Path:
    """Return the folder of the stubs, fetched once.

    Raises:
        FetchError: PyPI cannot be reached.
    """
    place = folder()
    if place.exists():
        return place
    partial = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _install(partial / "pip")
        _arrange(partial)
        try:
            partial.rename(place)
        except OSError:  # another process was first
            if not place.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return place


def _install(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--target", str(target), "-r", str(PINS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise FetchError("pip fetched no stubs within 5 minutes") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise FetchError(f"pip cannot fetch the stubs: {last}")


def _arrange(place: Path) -> None:
    """Split what pip laid into one folder: mypy looks for ``x-stubs`` beside packages only."""
    (place / "cp").mkdir()
    (place / "mp").mkdir()
    (place / "pip" / MANIFEST_TOOL).rename(place / "manifestfile.py")
    shutil.rmtree(place / "pip" / "stubber")
    shutil.rmtree(place / "pip" / "bin", ignore_errors=True)
    for path in (place / "pip").iterdir():
        if path.name.endswith("-stubs"):
            path.rename(place / "cp" / path.name.removesuffix("-stubs"))
        elif path.name in ("circuitpython_typing", "board_definitions"):
            path.rename(place / "cp" / path.name)
        elif path.suffix != ".dist-info":
            path.rename(place / "mp" / path.name)
    shutil.rmtree(place / "cp" / "board")
    shutil.copytree(place / "cp" / "board_definitions" / CP_BOARD, place / "cp" / "board")
    shutil.rmtree(place / "pip")


def check(flavour: str, paths: list[Path], sources: Path = ROOT) -> str:
    """Return what mypy finds in `paths` with the stubs of `flavour`; empty when all holds."""
    place = fetch()
    command = [sys.executable, "-m", "mypy", "--config-file", str(HERE / f"{flavour}.ini")]
    command += ["--cache-dir", str(place / f"cache-{flavour}"), "--no-error-summary"]
    done = subprocess.run(
        command + [str(path) for path in paths],
        cwd=sources,
        env={**os.environ, "STUBS": str(place), "SOURCES": str(sources)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout + done.stderr


def everything(flavour: str, sources: Path = ROOT) -> list[Path]:
    """Return what is checked with the stubs of `flavour`."""
    holds = HERE / flavour / "holds.py"
    return [*(sources / name for name in SOURCES), holds]


def main() -> int:
    """Parse the command line and check; return the exit code."""
    parser = argparse.ArgumentParser(description="Hold the boards' code to the boards' stubs.")
    parser.add_argument("--fetch", action="store_true", help="fetch the stubs only")
    options = parser.parse_args()
    try:
        fetch()
    except FetchError as error:
        print(error, file=sys.stderr)
        return _UNREACHABLE
    found = "" if options.fetch else "".join(check(name, everything(name)) for name in FLAVOURS)
    print(found, end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
