"""``paebiru deploy``: the firmware and its settings onto a board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paebiru.console import bytes_bar, say, size
from paebiru.errors import UsageError

if TYPE_CHECKING:
    from paebiru.boards import Board
    from paebiru.deploy.transfer import Result


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(deploy)


def deploy(
    board: Annotated[str, typer.Option(help="A name (paebiru boards), or your own TOML file.")],
    port: Annotated[str, typer.Option(help="Its serial port, or socket://HOST:PORT.")] = "",
    drive: Annotated[
        Path | None, typer.Option(help="CircuitPython: the folder of the drive CIRCUITPY.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="TOML: name, links, sensors, learn, …")
    ] = None,
    recording: Annotated[
        list[Path] | None, typer.Option(help="A .jsil file that a sensor replays; repeat it.")
    ] = None,
    no_twin: Annotated[
        bool, typer.Option("--no-twin", help="Kernels as bytecode, not as machine code.")
    ] = False,
) -> None:
    """Put the firmware onto a board: only files that differ, verified there; then start it.

    A node that runs is interrupted first.  What learns with a scaler of its own is described in
    boards/README.md; without --settings a board does what its description says.
    """
    from paebiru import boards
    from paebiru.deploy import settings as given
    from paebiru.deploy.copy import copy
    from paebiru.deploy.drive import onto_drive
    from paebiru.deploy.onto import prepare

    found = boards.load(board)
    _check_way(found, port, drive)
    wanted, recordings = given.load(settings) if settings else (given.Settings(), {})
    recordings |= given.recordings(recording or [])
    bundle = prepare(found, wanted, recordings, not no_twin)
    where = str(drive or port)
    with bytes_bar() as bar:
        task = bar.add_task(f"{found.name} on {where}", total=None)

        def told(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        result = onto_drive(drive, bundle, told) if drive else copy(port, bundle, told)
    say(_told(found, where, result))


def _check_way(board: "Board", port: str, drive: Path | None) -> None:
    if bool(port) == bool(drive):
        raise UsageError(
            "give --port (MicroPython) or --drive (CircuitPython), one of them; paebiru doctor"
            " lists the ports"
        )
    if board.runtime == "circuitpython" and not drive:
        raise UsageError(
            f"{board.name} runs CircuitPython: give --drive, the folder where CIRCUITPY is mounted"
        )
    if board.runtime == "micropython" and drive:
        raise UsageError(f"{board.name} runs MicroPython, which has no drive: give --port")


def _told(board: "Board", where: str, result: "Result") -> str:
    sent, removed = len(result.sent), len(result.removed)
    device = f" ({result.device})" if result.device else ""
    return (
        f"{board.name}{device} on {where}: {sent} files sent, {result.unchanged} unchanged,"
        f" {removed} removed, {size(result.size)} in {result.seconds:.1f} s, verified and started"
    )
