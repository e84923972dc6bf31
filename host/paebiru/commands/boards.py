"""``paebiru boards``: the boards that Paebiru knows, and what is on each."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from paebiru.console import out, say

if TYPE_CHECKING:
    from paebiru.boards.model import Board

STATUS = {
    "hardware": "run on hardware",
    "emulated": "run in an emulator",
    "vm": "run as a process",
    "compiled": "compiled, not run on hardware",
    "typed": "type-checked, not run on hardware",
}

app = typer.Typer(invoke_without_command=True, help="The boards that Paebiru knows.")


def register(parent: typer.Typer) -> None:
    """Add the commands to the command line."""
    parent.add_typer(app, name="boards")


@app.callback()
def every(context: typer.Context) -> None:
    """List the boards: name, chip, runtime, and how far each was tried."""
    from paebiru import boards as known

    if context.invoked_subcommand:
        return
    table = Table("board", "chip", "runtime", "status", box=None, pad_edge=False)
    for name in known.names():
        board = known.load(name)
        table.add_row(name, board.chip, board.runtime, STATUS[board.checked])
    out.print(table)
    say("paebiru boards show NAME tells the pins; boards/README.md how to add one")


@app.command()
def show(
    board: Annotated[str, typer.Argument(help="A board's name, or your own TOML file.")],
) -> None:
    """Show what a board has: pins by role, links, memory, flash."""
    from paebiru import boards as known

    found = known.load(board)
    say(f"{found.name}: {found.description}")
    table = Table(show_header=False, box=None, pad_edge=False)
    for label, text in _facts(found):
        table.add_row(label, text)
    out.print(table)
    table = Table("role", "what", "pins and settings", box=None, pad_edge=False)
    for role, kind, values in _parts(found):
        table.add_row(role, kind, values)
    out.print(table)


def _facts(board: "Board") -> list[tuple[str, str]]:
    memory, flash = board.memory, board.flash
    psram = f", {_size(memory.psram)} of PSRAM" if memory.psram else ""
    radios = [name for name, has in board.radio.model_dump().items() if has]
    facts = [
        ("chip", board.chip),
        ("runtime", f"{board.runtime}, {board.arch or 'source files only'}"),
        ("status", STATUS[board.checked]),
        ("memory", f"{_size(memory.ram)}{psram}"),
        ("radio", ", ".join(radios) or "none"),
        ("watchdog", f"{board.watchdog_ms} ms" if board.watchdog_ms else "none"),
    ]
    if flash:
        application, files = flash.application, flash.filesystem
        facts.append(("flash", f"{_size(flash.size)}, bootloader at {flash.bootloader:#x}"))
        facts.append(("", f"application at {application.offset:#x}, to {application.end:#x}"))
        facts.append(("", f"files at {files.offset:#x}, to {files.end:#x}"))
    if board.usb.ids:
        facts.append(("USB", ", ".join(board.usb.ids)))
    if board.firmware:
        facts.append(("firmware", board.firmware))
    for sensor in board.sensors:
        facts.append(("sensor", f"{sensor.driver}, layer {sensor.layer}, at {sensor.role}"))
    return facts


def _size(count: int) -> str:
    """Return bytes of memory as datasheets say them: 520 KiB, 4 MiB."""
    return f"{count >> 20} MiB" if count % (1 << 20) == 0 else f"{count >> 10} KiB"


def _parts(board: "Board") -> list[tuple[str, str, str]]:
    groups = (
        ("i2c", board.buses),
        ("analog", board.analog),
        ("stream", board.streams),
        ("output", board.outputs),
        ("link", board.links),
    )
    rows = []
    for kind, parts in groups:
        for role, part in parts.items():
            values = part.model_dump(exclude_none=True)
            what = f"{kind}, {values.pop('kind')}" if "kind" in values else kind
            rows.append((role, what, ", ".join(f"{key} {value}" for key, value in values.items())))
    return rows
