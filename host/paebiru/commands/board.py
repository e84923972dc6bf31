"""``paebiru board``: a virtual board to work with as with a real one."""

import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paebiru.console import err, fail, say
from paebiru.errors import UsageError

if TYPE_CHECKING:
    from paebiru.vboard import VirtualBoard

_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}
_SMALLEST_HEAP = 32 * 1024
_SMALLEST_FLASH = 64 * 1024
_LOCAL = ("127.0.0.1", "localhost", "::1")


def board(
    vm: Annotated[bool, typer.Option("--vm", help="A virtual board: MicroPython's VM.")] = False,
    folder: Annotated[Path, typer.Option("--dir", help="Its flash, NVS and identity.")] = Path(
        "board"
    ),
    tcp: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="A TCP port; port 0 chooses one.")
    ] = "",
    pty: Annotated[bool, typer.Option("--pty", help="A pseudo-terminal (the default).")] = False,
    link: Annotated[
        Path | None, typer.Option(help="A name for the pseudo-terminal that stays the same.")
    ] = None,
    heap: Annotated[str, typer.Option(help="Memory that a program finds free.")] = "320k",
    world: Annotated[
        Path | None, typer.Option(help="What the sensors have recorded (WORLD.md).")
    ] = None,
    size: Annotated[str, typer.Option(help="Of a new board's flash; 2M if left out.")] = "",
) -> None:
    """Run a virtual board until Ctrl-C: mpremote and paebiru deploy take it for a real one."""
    if not vm:
        raise UsageError(
            "paebiru board runs virtual boards only: add --vm; "
            "a real one needs no command, name its port to paebiru enroll or mpremote"
        )
    if tcp and (pty or link):
        raise UsageError("--tcp goes without --pty and --link: a board has one line")
    heap_bytes = _bytes("--heap", heap, _SMALLEST_HEAP)
    flash_bytes = _bytes("--size", size, _SMALLEST_FLASH) if size else 0
    if flash_bytes % 4096:
        raise UsageError(f"--size {size}: flash comes in blocks of 4k")

    from paebiru.vboard import BoardError, VirtualBoard

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    virtual = VirtualBoard(
        folder, tcp=tcp, link=link, heap=heap_bytes, world=world, size=flash_bytes
    )
    try:
        is_open = bool(tcp) and tcp.rpartition(":")[0].strip("[]") not in _LOCAL
        _run(virtual, str(link or ""), is_open, ended)
    except BoardError as error:
        fail(str(error), code=1)


def _run(virtual: "VirtualBoard", where: str, is_open: bool, ended: threading.Event) -> None:
    with virtual:
        if is_open:
            err.print("[yellow]Anyone who reaches this port runs programs as you.[/]")
        say(
            f"virtual board {virtual.id} on {where or virtual.port} "
            f"(state in {virtual.folder}); Ctrl-C ends it"
        )
        while not ended.wait(0.2):
            virtual.check()


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(board)


def _bytes(option: str, text: str, least: int) -> int:
    found = re.fullmatch(r"(\d{1,9})([km]?)", text.strip().lower())
    if found is None:
        raise UsageError(f"{option} {text}: bytes are needed, as 320k or 2M")
    count = int(found[1]) * _UNITS[found[2]]
    if not least <= count < 1 << 30:
        raise UsageError(f"{option} {text}: {least // 1024}k at least, and less than 1024M")
    return count
