"""`paebiru store`: what a hub's folder holds, and the way back, beside and together of models."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paebiru.console import say
from paebiru.errors import UsageError

if TYPE_CHECKING:
    from paebiru.federated.durable import Durable
    from paebiru.store import CheckpointRow, Store

app = typer.Typer(
    no_args_is_help=True,
    help="What a hub has stored: history, ledger, models; go back, fork, merge.",
)

Dir = Annotated[Path, typer.Option(help="The hub's folder; no hub may run on it.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Drop = Annotated[
    bool, typer.Option("--drop", help="Give up the round that is open, with its updates.")
]
Checkpoint = Annotated[
    str,
    typer.Argument(help="A number or a model of the history, or head, best, final."),
]
_DIR = Path("hub")


def register(parent: typer.Typer) -> None:
    """Add the commands to `parent`."""
    parent.add_typer(app, name="store")


@app.command()
def history(
    dir: Dir = _DIR,
    branch: Annotated[int | None, typer.Option(help="Of this branch only.")] = None,
    json: Json = False,
) -> None:
    """Show every checkpoint, parents above what follows from them."""
    from paebiru.commands import store_show as show

    with _open(dir) as store:
        refs = store.history.refs()
        if branch not in {None, *(ref.branch for ref in refs)}:
            raise UsageError(f"{dir} has no branch {branch}; without --branch, all are shown")
        rows = store.history.all()
    (show.history_json if json else show.history)(rows, refs, branch)


@app.command()
def rollback(
    checkpoint: Checkpoint,
    dir: Dir = _DIR,
    branch: Annotated[int, typer.Option(help="Which branch goes back.")] = 0,
    drop: Drop = False,
) -> None:
    """Let a branch go on from a checkpoint; what came after it stays in the history."""
    from paebiru.federated import branches

    with _open(dir) as store:
        target = store.history.find(checkpoint, branch)
        store.history.state(target)  # what was let go is said before a round is dropped
        federation = _at_rest(store, branch, drop)
        branches.rollback(federation, target.id)
        say(f"branch {branch} goes on from {_about(target)}")
        say(_run(store, dir, branch))


@app.command()
def fork(
    checkpoint: Checkpoint = "head",
    dir: Dir = _DIR,
    branch: Annotated[int, typer.Option(help="Whose head, best or final is meant.")] = 0,
) -> None:
    """Begin another branch at a checkpoint, and say its number."""
    from paebiru.federated import branches
    from paebiru.federated.durable import at_head

    with _open(dir) as store:
        parent = store.history.find(checkpoint, branch)
        number = branches.free(store)
        branches.fork(at_head(store, branch), number, parent.id)
        say(f"branch {number} begins at {_about(parent)}")
        say(_run(store, dir, number))


@app.command()
def merge(
    source: Annotated[int, typer.Option("--from", help="The branch that stays as it is.")],
    into: Annotated[int, typer.Option("--into", help="The branch that goes on with the mean.")],
    dir: Dir = _DIR,
    weights: Annotated[str, typer.Option(help="FROM:INTO, how much each counts.")] = "1:1",
    drop: Drop = False,
) -> None:
    """Join two branches: the weighted mean of their models is the next one of the second."""
    from paebiru.federated import branches
    from paebiru.federated.durable import at_head

    one, other = _weights(weights)
    if source == into:
        raise UsageError(f"branch {into} cannot be merged with itself: give another --from")
    with _open(dir) as store:
        # what cannot be merged is said before a round is dropped
        branches.merged(at_head(store, into), at_head(store, source), other, one)
        merged = _at_rest(store, into, drop)
        branches.merge(merged, _at_rest(store, source, drop), other, one)
        say(f"branch {into} goes on from {_about(merged.head)}")
        say(_run(store, dir, into))


@app.command()
def model(
    checkpoint: Checkpoint = "head",
    dir: Dir = _DIR,
    branch: Annotated[int, typer.Option(help="Whose head, best or final is meant.")] = 0,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("model.jsil"),
) -> None:
    """Write the model of a checkpoint into a file."""
    from paebiru import accel, files, models

    accel.install()
    with _open(dir) as store:
        row = store.history.find(checkpoint, branch)
        data = models.of_state(store.history.state(row))
    files.write(out, data)
    say(f"{out}: {_about(row)}, {len(data)} bytes, sha256 {models.sha256(data)}")


@app.command()
def ledger(
    dir: Dir = _DIR,
    round: Annotated[int | None, typer.Option(help="By board and line, of this round.")] = None,
    json: Json = False,
) -> None:
    """Show the bytes that went over boards' lines: by round and by board."""
    from paebiru.commands import store_show as show

    with _open(dir) as store:
        if round is not None and round != 0:  # 0: what came before the first round
            store.round(round)
        entries = store.notes.ledger()
    if round is not None:
        entries = [entry for entry in entries if entry[3] == round]
    if json:
        show.ledger_json(entries)
    elif round is None:
        show.ledger(entries)
    else:
        show.ledger_of_round(entries)


@contextmanager
def _open(folder: Path) -> Iterator["Store"]:
    """Have the store of a folder for oneself.

    Raises:
        UsageError: there is none, or a hub has it.
    """
    from paebiru.store import Store
    from paebiru.store.store import FILE

    if not (folder / FILE).is_file():
        raise UsageError(f"{folder} is no folder of a hub: give the --dir that paebiru hub had")
    with closing(Store(folder)) as store:
        yield store


def _at_rest(store: "Store", branch: int, drop: bool) -> "Durable":
    """Return the federation of a branch that no round is open in.

    Raises:
        UsageError: one is, and is not to be dropped; or there is no such branch.
    """
    from paebiru.federated import branches
    from paebiru.federated.durable import at_head

    federation = at_head(store, branch)
    row = store.unfinished(branch)
    if row is not None and not drop:
        updates = len(store.updates_of(row.number))
        raise UsageError(
            f"round {row.number} of branch {branch} is open (updates: {updates}): let"
            f" {_command(store.folder, branch, row.number)} end it, or --drop it"
        )
    dropped = branches.drop(federation)
    if dropped is not None:
        say(f"round {dropped.number} of branch {branch} is dropped")
    return federation


def _about(row: "CheckpointRow") -> str:
    """Return a checkpoint in words."""
    of = f"round {row.round}" if row.kind == "round" else row.kind
    accuracy = "" if row.accuracy is None else f", {row.accuracy:.2%}"
    return f"checkpoint {row.id} ({of}, model {row.name.hex()}{accuracy})"


def _run(store: "Store", folder: Path, branch: int) -> str:
    """Return the command that holds the next rounds; they are numbered over all branches."""
    return f"go on with: {_command(folder, branch, store.last_number() + 60)}"


def _command(folder: Path, branch: int, rounds: int) -> str:
    which = f" --branch {branch}" if branch else ""
    return f"paebiru hub --dir {folder} --resume{which} --rounds {rounds}"


def _weights(text: str) -> tuple[int, int]:
    one, colon, other = text.partition(":")
    if not colon or not one.isdecimal() or not other.isdecimal():
        raise UsageError(f"--weights {text}: give two whole numbers, FROM:INTO, as 1:1")
    return int(one), int(other)
