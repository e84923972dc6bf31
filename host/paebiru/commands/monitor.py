"""``paebiru monitor``: what a board says to its hub, live."""

import asyncio
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paebiru.console import out

if TYPE_CHECKING:
    from paebiru.keys import KeyStore
    from paebiru.monitor_show import Show

_KEYS = Path("hub") / "keys.sqlite"
_SILENCE = 15.0  # s without a word, after which there is something to say


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(monitor)


def monitor(
    port: Annotated[
        str, typer.Argument(help="A serial port, socket://HOST:PORT, or tcp://HOST:PORT to listen.")
    ],
    keys: Annotated[Path, typer.Option(help="The hub's key file.")] = _KEYS,
    console: Annotated[
        bool, typer.Option("--console", help="PORT is a CircuitPython board's USB.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Answer boards as their hub and show what they say, until Ctrl-C.

    States, health, answers and log lines.  With tcp:// boards call this machine, as they call
    the hub that their settings name.
    """
    from paebiru import monitor_show
    from paebiru.monitor import key_store

    show: Show
    if json:
        show = monitor_show.JsonLines()
    else:
        show = monitor_show.Screen() if out.is_terminal else monitor_show.Lines()
    with closing(key_store(keys)) as store, suppress(KeyboardInterrupt), show:
        asyncio.run(_run(port, store, show, console))


async def _run(port: str, store: "KeyStore", show: "Show", is_console: bool) -> None:
    from paebiru.monitor import Listener, Record
    from paebiru.monitor_line import answer

    loop = asyncio.get_running_loop()

    def complain() -> None:
        show.say(
            f"nothing heard on {port} for {_SILENCE:.0f} s: is the board deployed and enrolled?"
            " (paebiru deploy, paebiru enroll)"
        )

    alarm = loop.call_later(_SILENCE, complain)

    def heard(record: Record) -> None:
        alarm.cancel()
        show.record(record)

    await answer(port, Listener(store, heard), show.say, is_console)
