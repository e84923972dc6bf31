"""All verbs together."""

import typer

from paebiru import __version__
from paebiru.commands import (
    board,
    boards,
    deploy,
    doctor,
    enroll,
    flash,
    hub,
    jsil,
    monitor,
    simulate,
    store,
)

app = typer.Typer(
    name="paebiru",
    help="Federated learning and sensor perception for microcontrollers.",
    no_args_is_help=True,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"paebiru {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    pass


simulate.register(app)
hub.register(app)
store.register(app)
jsil.register(app)
enroll.register(app)
boards.register(app)
flash.register(app)
board.register(app)
deploy.register(app)
monitor.register(app)
doctor.register(app)
