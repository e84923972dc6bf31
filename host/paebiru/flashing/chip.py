"""Write an image to the chip on a serial port, through esptool, and see that it is there.

The port is opened here, exclusively, since it is the opening that fails in as many ways as
there are words for it; everything behind it is esptool's: reset, sync, stub, write, MD5.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import serial

from paebiru.boards.model import Board
from paebiru.errors import UsageError
from paebiru.flashing.image import Image, flash_of

Progress = Callable[[int, int], None]
"""Called with the bytes that were sent and that there are to send."""

DEFAULT_BAUD = 460800
_ROM_BAUD = 115200
_MISSING = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_BUSY = (errno.EBUSY, errno.EAGAIN)
_ATTEMPTS = 3  # of resetting and calling the chip; one that answers at all does so soon
_HOLD = "hold BOOT, press and let go RESET (EN), let go BOOT"


@dataclass(frozen=True)
class Flashed:
    """What was done."""

    chip: str
    address: int
    size: int
    restarted: bool
    """False: over this line the chip cannot be reset; that is for its user to do."""


def flash(
    board: Board,
    port: str,
    image: Image,
    *,
    erase: bool = False,
    baud: int = DEFAULT_BAUD,
    progress: Progress | None = None,
) -> Flashed:
    """Write a board's image to the chip on a port, verify it, and restart the chip.

    Raises:
        UsageError: the port or the chip is not there, is another one, or does not answer;
            writing failed or what is in flash afterwards is not the image.  Says what to do.
    """
    address = flash_of(board).bootloader
    line = _open(port)
    talk = _Talk(port, line, _can_reset(line))
    with _quiet(progress), talk.told():
        esp = _meet(talk, board)
        talk.doing = "writing"
        esp = _loader(esp, baud)
        _fits(esp, image, board)
        _write(esp, address, image.data, erase, progress is not None)
        restarted = talk.can_reset and _restart(esp)
        return Flashed(esp.CHIP_NAME, address, len(image.data), restarted)


@dataclass
class _Talk:
    """A conversation over a port: knows what it is about when it breaks off."""

    port: str
    line: serial.SerialBase
    can_reset: bool
    doing: str = "looking for the chip"

    @contextmanager
    def told(self) -> Iterator[None]:
        """Close the port in the end; turn what esptool and the system raise into one line."""
        from esptool.util import FatalError

        try:
            yield
        except (serial.SerialException, OSError) as error:
            raise UsageError(self._gone(error)) from None
        except FatalError as error:
            if self._is_gone():
                raise UsageError(self._gone(error)) from None
            raise UsageError(self._failed(str(error))) from None
        finally:
            self.line.close()

    def _is_gone(self) -> bool:
        return os.path.isabs(self.port) and not os.path.exists(self.port)  # noqa: PTH110, PTH117

    def _gone(self, error: Exception) -> str:
        half = "; the board has half an image until then" if self.doing == "writing" else ""
        why = " ".join(str(error).split()) or type(error).__name__
        return (
            f"{self.port} went away while {self.doing} ({why}): plug the board in, and run the"
            f" command again{half}"
        )

    def _failed(self, text: str) -> str:
        why = text.strip().splitlines()[0].rstrip(".:")
        if self.doing == "looking for the chip":
            return f"{self.port}: no ESP32 answers ({why}): {_HOLD}, and run the command again"
        return (
            f"{self.port}: {self.doing} failed ({why}): run the command again, with --baud"
            f" {_ROM_BAUD} if it goes on failing"
        )


def _open(port: str) -> serial.SerialBase:
    """Open a port so that nobody else has it meanwhile.

    Raises:
        UsageError: it cannot be opened.
    """
    try:
        line = serial.serial_for_url(port, exclusive=True, do_not_open=True)
        # A board's DTR and RTS are its BOOT and RESET: left alone until esptool moves them.
        if os.name == "nt":
            line.rts = line.dtr = False
        line.open()
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise UsageError(_not_opened(port, error)) from None
    return line


def _can_reset(line: serial.SerialBase) -> bool:
    """Return whether the line has DTR and RTS: a pty and a socket have not."""
    try:
        line.rts = line.rts
    except OSError:
        return False
    return "://" not in str(line.port)


def _not_opened(port: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    text = str(error)
    if code in _MISSING or "FileNotFoundError" in text:
        return f"{port} is not there: plug the board in (with a data cable); {_ports()}"
    if code in _BUSY or "lock port" in text:
        return f"{port} is in use: close the monitor, REPL or IDE that has it, and try again"
    if code == errno.EACCES and os.name == "nt":
        return f"{port} is in use: close the monitor, REPL or IDE that has it, and try again"
    if code in (errno.EACCES, errno.EPERM):
        return (
            f"{port} may not be opened by you: sudo usermod -aG {_group(port)} $USER, log out"
            " and in again"
        )
    if "://" in port:
        return f"{port} cannot be reached ({text}): is what listens there running?"
    return f"{port} is no serial port ({text}): {_ports()}"


def _ports() -> str:
    from paebiru.transport.serial import discover

    found = ", ".join(entry.path for entry in discover())
    return f"boards are at {found}" if found else "no board is to be seen on any port"


def _group(port: str) -> str:
    """Return the group that may open a port: dialout on Debian, uucp on Arch."""
    from pathlib import Path

    try:
        name = Path(port).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"
    return "dialout" if name == "root" else name


def _meet(talk: _Talk, board: Board) -> Any:
    """Return esptool's object of the chip, which is the board's."""
    from esptool.cmds import detect_chip
    from esptool.targets import CHIP_DEFS

    # A port object, not its name: it is open, and it is locked.
    mode = "default-reset" if talk.can_reset else "no-reset"
    esp = detect_chip(talk.line, connect_mode=mode, connect_attempts=_ATTEMPTS)
    wanted = CHIP_DEFS[board.chip].CHIP_NAME
    if wanted != esp.CHIP_NAME:
        raise UsageError(
            f"the chip at {talk.port} is an {esp.CHIP_NAME}, and {board.name} has an {wanted}:"
            " give its own --board (paebiru boards lists them), or another --port"
        )
    return esp


def _loader(esp: Any, baud: int) -> Any:
    """Start esptool's stub, which writes faster than the ROM, and go on at another rate."""
    from esptool.cmds import attach_flash, run_stub

    esp = run_stub(esp)
    if baud != _ROM_BAUD:
        esp.change_baud(baud)
    attach_flash(esp)
    return esp


def _fits(esp: Any, image: Image, board: Board) -> None:
    from esptool.cmds import detect_flash_size
    from esptool.util import flash_size_bytes

    size = flash_size_bytes(detect_flash_size(esp))
    if size is not None and size < image.needs:
        raise UsageError(
            f"this {board.name} has {size >> 10} KiB of flash, and the image needs"
            f" {image.needs >> 10}: take one for its flash"
        )


def _write(esp: Any, address: int, data: bytes, erase: bool, shown: bool) -> None:
    from esptool.cmds import verify_flash, write_flash

    write_flash(esp, [(address, data)], erase_all=erase, no_progress=not shown)
    # esptool compares MD5 sums too, but leaves it out where the chip lacks the command.
    verify_flash(esp, [(address, data)])


def _restart(esp: Any) -> bool:
    """Reset the chip; whether that went well changes nothing about what was written.

    A chip whose USB is its own takes the port with it when it restarts.
    """
    from esptool.cmds import reset_chip
    from esptool.util import FatalError

    try:
        reset_chip(esp)
    except (serial.SerialException, OSError, FatalError):
        return False
    return True


@contextmanager
def _quiet(progress: Progress | None) -> Iterator[None]:
    """Have esptool say nothing but how far it is."""
    from esp_pylib.logger import EspLog
    from esptool.logger import TemplateLogger, log

    class Quiet(TemplateLogger):  # type: ignore[misc]
        def print(self, *args: Any, **kwargs: Any) -> None: ...
        def note(self, message: str) -> None: ...
        def warning(self, message: str) -> None: ...
        def error(self, message: str) -> None: ...
        def stage(self, finish: bool = False) -> None: ...
        def set_verbosity(self, verbosity: str) -> None: ...

        def progress_bar(self, cur_iter: int, total_iters: int, *_: Any, **__: Any) -> None:
            if progress is not None:
                progress(cur_iter, total_iters)

    before = EspLog.instance
    log.set_logger(Quiet())
    try:
        yield
    finally:
        EspLog.instance = before
