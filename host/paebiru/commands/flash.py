"""``paebiru flash``: MicroPython or CircuitPython onto a board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paebiru.console import bytes_bar, say, size
from paebiru.errors import UsageError

if TYPE_CHECKING:
    from paebiru.boards.model import Board


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(flash)


def flash(
    board: Annotated[str, typer.Option(help="A name, or your own TOML file.")],
    port: Annotated[str, typer.Option(help="Its serial port; 'auto' finds it.")] = "auto",
    image: Annotated[Path | None, typer.Option(help="The .bin; without: where to get it.")] = None,
    erase: Annotated[bool, typer.Option("--erase", help="Erase all of the flash first.")] = False,
    baud: Annotated[
        int | None, typer.Option(help="Bits a second; by default as fast as most lines can.")
    ] = None,
) -> None:
    """Write a runtime's image to a board, verify it, and restart the board.

    Refuses an image or a chip that is not the board's.  Files on the board are kept where
    the new image has them in the same place; --erase removes everything.
    """
    from paebiru import boards, flashing
    from paebiru.flashing.chip import DEFAULT_BAUD
    from paebiru.flashing.image import flash_of

    found = boards.load(board)
    baud = DEFAULT_BAUD if baud is None else baud
    flash_of(found)
    if image is None:
        raise UsageError(f"give --image: the newest .bin for {found.name} is at {found.firmware}")
    if not 9600 <= baud <= 4_000_000:
        raise UsageError(f"--baud {baud} cannot be: give 9600..4000000, as 115200")
    firmware = flashing.inspect(image, found)
    place = _find(found) if port == "auto" else port
    with bytes_bar() as shown:
        task = shown.add_task(f"{firmware.title} to {found.name} on {place}", total=None)
        done = flashing.flash(
            found, place, firmware, erase=erase, baud=baud,
            progress=lambda now, all_: shown.update(task, completed=now, total=all_),
        )  # fmt: skip
    files = f"; its files are at {firmware.files:#x}" if firmware.files else ""
    restarted = "restarted" if done.restarted else "press RESET (EN) to start it"
    say(
        f"{found.name} ({done.chip}): {firmware.title}, {size(done.size)} at {done.address:#x},"
        f" written and verified, {restarted}{files}"
    )


def _find(board: "Board") -> str:
    """Return the one port whose USB ids are the board's."""
    from serial.tools import list_ports

    found = [
        port.device
        for port in list_ports.comports()
        if port.vid is not None and f"{port.vid:04x}:{port.pid:04x}" in board.usb.ids
    ]
    if len(found) != 1:
        names = ", ".join(sorted(found)) or "none"
        raise UsageError(f"name the port with --port (ports that may be {board.name}: {names})")
    return found[0]
