"""``paebiru enroll`` and ``paebiru keys``: who may talk to this hub."""

from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from paebiru.errors import UsageError
from paebiru.keys import Enrolled, KeyStore

if TYPE_CHECKING:
    from paebiru.deploy.repl import Repl

Keys = Annotated[Path, typer.Option("--keys", help="The hub's key file.")]
_KEYS = Path("hub") / "keys.sqlite"

keys = typer.Typer(no_args_is_help=True, help="The keys of the devices that this hub knows.")


def enroll(
    port: Annotated[str, typer.Argument(help="The board's serial port; 'auto' finds it.")] = "auto",
    device: Annotated[str, typer.Option(help="A device id in hex, for boards without one.")] = "",
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


@keys.command()
def group(
    ports: Annotated[
        list[str], typer.Argument(help="The boards' serial ports; one port: each in its turn.")
    ],
    size: Annotated[int, typer.Option(help="Boards, if they come to one port in turn.")] = 0,
    threshold: Annotated[
        int | None, typer.Option(help="Boards that unmask a sum; two thirds and one if left out.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="A device id in hex, for boards without one; for each.")
    ] = None,
    path: Keys = _KEYS,
) -> None:
    """Make boards a group that learns under masks (paebiru hub --secure), by USB.

    Each gets a secret with each other one; no copy is kept.  They send no update in the clear
    from then on.
    """
    from paebiru.memberships import Memberships, deal

    count = size or len(ports)
    if size and len(ports) > 1:
        raise UsageError("--size is for boards that come to one port in turn: give one port")
    given = [_device(text) for text in device or ()]
    if given and len(given) != count:
        raise UsageError(f"give --device for each of the {count} boards, or for none")
    with ExitStack() as stack:
        store = stack.enter_context(closing(Memberships(path)))
        turns = Turns(ports, count)
        stack.callback(turns.close)
        made = deal([turns.next] * count, store, threshold, given)
    typer.echo(
        f"group {made.name.hex()}: {len(made.devices)} boards, of which {made.threshold} unmask a"
        f" sum; their secrets are on them alone, their places in {path}"
    )


@keys.command()
def ungroup(
    port: Annotated[str, typer.Argument(help="The board's serial port; 'auto' finds it.")] = "auto",
    device: Annotated[str, typer.Option(help="A device id in hex, for boards without one.")] = "",
    path: Keys = _KEYS,
) -> None:
    """Take the board on PORT out of its group, by USB: it sends updates in the clear again."""
    from paebiru.deploy.repl import Repl
    from paebiru.enrollment import identify
    from paebiru.memberships import Memberships, leave

    with Repl(_find(port)) as repl, closing(Memberships(path)) as store:
        name = _device(device) if device else identify(repl)
        if not name:
            raise UsageError("this board has no id of its own; name it: --device HEX")
        was_in = leave(repl, store, name)
        repl.reset()
    typer.echo(f"{name.hex()} is in no group any more")
    if not was_in:
        typer.echo(f"note: {path} had it in none; another key file may still name it")


@keys.command()
def groups(path: Keys = _KEYS) -> None:
    """Show the groups that learn under masks."""
    from paebiru.memberships import Memberships

    table = Table("group", "to unmask", "sums", "dealt", "boards")
    with closing(Memberships(path)) as store:
        for entry in store.all():
            since = datetime.fromtimestamp(entry.since).isoformat(" ", "minutes")
            names = [device.hex() or "(left)" for device in entry.group.devices]
            of = f"{entry.group.threshold} of {len(names)}"
            row = entry.group.name.hex(), of, str(entry.ticket), since, " ".join(names)
            table.add_row(*row)
    Console().print(table)


class Turns:
    """Boards that come one after another: each at its port, or all at one, changed by hand."""

    def __init__(self, ports: list[str], count: int) -> None:
        self._ports = ports if len(ports) == count else ports * count
        self._by_hand = len(ports) < count
        self._number = 0
        self._open: Repl | None = None

    def next(self) -> "Repl":
        """Let go of the board at hand, which starts anew, and open the next one."""
        from paebiru.deploy.repl import Repl

        self.close()
        self._number += 1
        if self._by_hand:
            typer.prompt(f"board {self._number} of {len(self._ports)}: plug it in, then Enter",
                         default="", show_default=False)  # fmt: skip
        self._open = Repl(_find(self._ports[self._number - 1]))
        return self._open.__enter__()

    def close(self) -> None:
        """Let go of the board at hand."""
        if self._open is not None:
            self._open.reset()
            self._open.__exit__(None, None, None)
            self._open = None


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
