"""An emulated board: QEMU, MicroPython, a disk, and a UART that mpremote talks to.

    python tests/mcu/emulator.py ARCH --core viper|bytecode MODULE    # one portable test file

The UART is a TCP port of this machine; `Board.mpremote` runs the unmodified tool on it.
Every run is a power-up of its own.
"""

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = HERE / "build.sh"
TIMEOUT_S = 840
"""Within the harness's own, so that a board that hangs is switched off by who switched it on."""


@dataclass(frozen=True)
class Arch:
    """A kind of emulated board."""

    march: str
    qemu: tuple[str, ...]
    disk: int
    """Address of the disk, as in boards/PAEBIRU_COMMON/modules/_boot.py."""


ARCHES = {
    "arm": Arch("armv7m", ("qemu-system-arm", "-machine", "mps2-an385"), 0x21000000),
    "rv32": Arch(
        "rv32imc", ("qemu-system-riscv32", "-machine", "virt", "-bios", "none"), 0x84000000
    ),
}


@cache
def built() -> Path:
    """Return the folder that build.sh fills."""
    done = subprocess.run([str(BUILD), "--where"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def firmware(arch: str) -> Path:
    """Return where the firmware of `arch` is, once built."""
    return built() / f"firmware-{arch}.elf"


def missing(arch: str) -> str:
    """Return why `arch` cannot run here, or an empty string."""
    for command in (ARCHES[arch].qemu[0], "setpriv"):
        if not shutil.which(command):
            return f"no {command}: make test-mcu installs it as root on Debian"
    return "" if firmware(arch).exists() else "its MicroPython is not built: make test-mcu"


class Board:
    """A board that is switched on."""

    def __init__(self, port: int) -> None:
        self.device = f"socket://127.0.0.1:{port}"

    def mpremote(
        self, *commands: str, timeout: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run mpremote with `commands`; return what it printed, both streams as one.

        Raises:
            subprocess.TimeoutExpired: no end after `timeout` seconds.
        """
        return subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", self.device, *commands],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )


@contextlib.contextmanager
def powered(arch: str, disk: Path | None = None, options: tuple[str, ...] = ()) -> Iterator[Board]:
    """Switch a board on, with a disk image or an empty disk; switch it off at the end.

    Args:
        arch: key of `ARCHES`.
        disk: image that QEMU loads; changes to it are not kept.
        options: further ones of QEMU.
    """
    kind = ARCHES[arch]
    # QEMU takes the listening socket over: the port is ours from the start, and nobody else's.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        uart = f"socket,id=uart,fd={listener.fileno()},server=on,wait=off,nodelay=on"
        command = [
            # Whatever becomes of us, no emulator stays behind.
            *("setpriv", "--pdeathsig", "KILL", *kind.qemu, "-nographic", "-monitor", "none"),
            "-semihosting",  # the ARM port asks for it when it starts
            *("-chardev", uart, "-serial", "chardev:uart", "-kernel", str(firmware(arch))),
            *options,
        ]
        if disk:
            command += ["-device", f"loader,file={disk},addr={kind.disk:#x},force-raw=on"]
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(listener.fileno(),))
        port = listener.getsockname()[1]
    try:
        yield Board(port)
    finally:
        qemu.kill()
        qemu.wait(timeout=10)


def run_module(arch: str, viper: bool, module: str) -> int:
    """Run a portable test module on `arch`; print what the board printed."""
    import image

    script = (
        "import sys\n"
        "sys.path[:0] = ['/tests/portable', '/tests/alloc', '/tests/specimens']\n"
        "import boot\n"
        f"if boot.main({module!r}): raise RuntimeError('tests failed')\n"
    )
    with powered(arch, image.image(ARCHES[arch].march, viper)) as board:
        done = board.mpremote("exec", script)
    print(done.stdout.replace("\r\n", "\n"))
    return done.returncode


def main() -> int:
    """Parse the command line and run one test module; return the exit code."""
    sys.path[:0] = [str(HERE.parent / "interp"), str(ROOT / "shared"), str(ROOT / "host")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arch", choices=ARCHES)
    parser.add_argument("--core", choices=("viper", "bytecode"), default="viper")
    parser.add_argument("module")
    options = parser.parse_args()
    try:
        return run_module(options.arch, options.core == "viper", options.module)
    except subprocess.TimeoutExpired:
        print(f"the board did not answer within {TIMEOUT_S} s", file=sys.stderr)
        return 1


if __name__ == "__main__":
    os.environ.pop("MPREMOTE_OPTS", None)
    sys.exit(main())
