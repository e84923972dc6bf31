"""The command `paebiru`: one verb a file in `paebiru.commands`."""

import sys

import typer

from paebiru import __version__
from paebiru.commands import enroll, jsil, simulate
from paebiru.console import fail
from paebiru.errors import UsageError
from sil.errors import SilError

app = typer.Typer(
    name="paebiru",
    help="Federated learning and sensor perception for microcontrollers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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
jsil.register(app)
enroll.register(app)


def main() -> None:
    """Run the command line: exit code 2 and one line for a wrong input, 130 for Ctrl-C."""
    try:
        app()
    except (UsageError, SilError) as error:
        fail(str(error))
    except BrokenPipeError:
        sys.exit(0)  # `paebiru … | head`
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
