"""``paebiru enroll`` and ``paebiru keys``: who may talk to this hub."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from paebiru.errors import UsageError
from paebiru.keys import Enrolled, KeyStore

Keys = Annotated[Path, typer.Option("--keys", help="the hub's key file")]
_KEYS = Path("hub") / "keys.sqlite"

keys = typer.Typer(no_args_is_help=True, help="The keys of the devices that this hub knows.")


def enroll(
    port: Annotated[str, typer.Argument(help="the board's serial port; 'auto' finds it")] = "auto",
    device: Annotated[str, typer.Option(help="a device id in hex, for boards without one")] = "",
    path: Keys = _KEYS,
) -> None:
    """Give the board on PORT a key of its own, by USB; a node that runs there starts anew."""
    from paebiru.deploy.repl import Repl
    from paebiru.enrollment import enroll as give_key

    given = _device(device) if device else b""
    with Repl(_find(port)) as repl, closing(KeyStore(path)) as store:
        name, key = give_key(repl, store, given)
        repl.reset()
    typer.echo(f"enrolled {name.hex()}, epoch {key.epoch}; keys in {path}")


@keys.command("list")
def show(path: Keys = _KEYS) -> None:
    """Show every device that was ever enrolled."""
    table = Table("device", "epoch", "state", "since")
    with closing(KeyStore(path)) as store:
        for entry in store.list():
            since = datetime.fromtimestamp(entry.since).isoformat(" ", "minutes")
            table.add_row(entry.name, str(entry.epoch), _state(entry), since)
    Console().print(table)


@keys.command()
def revoke(device: str, path: Keys = _KEYS) -> None:
    """Let a device in no more; a running hub hangs up on it."""
    with closing(KeyStore(path)) as store:
        store.revoke(_device(device))
    typer.echo(f"revoked {device}")


@keys.command()
def rotate(device: str, path: Keys = _KEYS) -> None:
    """Have a device's key changed the next time that it is there."""
    with closing(KeyStore(path)) as store:
        store.rotate(_device(device))
    typer.echo(f"{device} gets its next key when it calls; the present one is good until then")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(enroll)
    app.add_typer(keys, name="keys")


def _find(port: str) -> str:
    if port != "auto":
        return port
    from paebiru.transport.serial import discover

    found = discover()
    if len(found) != 1:
        names = ", ".join(entry.path for entry in found) or "none"
        raise UsageError(f"name the port: paebiru enroll PORT (boards found: {names})")
    return found[0].path


def _device(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no device id: hex digits, as `paebiru keys list` shows"
        ) from None


def _state(entry: Enrolled) -> str:
    if entry.is_revoked:
        return "revoked"
    return "changing" if entry.is_changing else "good"
