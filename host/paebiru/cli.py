"""The command `paebiru`: what a wrong input, Ctrl-C or a closed pipe look like to a shell."""

import sys

from paebiru.errors import UsageError
from sil.errors import SilError


def main() -> None:
    """Run the command line: exit code 2 and one line for a wrong input, 130 for Ctrl-C."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> None:
    # Here, so that Ctrl-C while they load is as clean as later.
    import typer
    from typer.main import get_command

    from paebiru.commands.app import app
    from paebiru.console import fail
    from paebiru.sim.workers import WorkerError

    try:
        # Not standalone: typer would frame its errors in five lines of its own.
        sys.exit(get_command(app)(standalone_mode=False) or 0)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except typer.Abort:
        sys.exit(130)
    except (UsageError, SilError) as error:
        fail(str(error))
    except WorkerError as error:
        fail(str(error), code=1)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        if not error.format_message():
            sys.exit(2)  # no verb: the help has been shown instead
        fail(f"{error.format_message()} (paebiru --help shows what there is)")


if __name__ == "__main__":
    main()
