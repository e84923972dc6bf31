"""`paebiru simulate`: a fleet of simulated boards learns together, every byte counted."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from paebiru.commands.inputs import units
from paebiru.errors import UsageError

if TYPE_CHECKING:
    from paebiru.sim.plan import SplitName

_boards = partial(typer.Option, rich_help_panel="The boards")
_learned = partial(typer.Option, rich_help_panel="What is learned")
_told = partial(typer.Option, rich_help_panel="The run")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(simulate)


def simulate(
    clients: Annotated[int, _boards(help="How many boards.")] = 10,
    split: Annotated[str, _boards(help="iid, dirichlet, or natural (by speaker, …).")] = "iid",
    alpha: Annotated[float, _boards(help="Of --split dirichlet: smaller, less alike.")] = 0.3,
    whole: Annotated[
        bool, _boards("--whole", help="Whole boards on lines in memory: every byte counts.")
    ] = False,
    dataset: Annotated[str, _learned(help="digits, vowel, air, wine or watch.")] = "digits",
    hidden: Annotated[str, _learned(help="Hidden units, as 32 or 64,32.")] = "32",
    share: Annotated[
        float | None, _learned(help="Share of the weights sent a round; 0.05, or 1 with --secure.")
    ] = None,
    secure: Annotated[
        bool, _learned("--secure", help="Masked sums: the hub sees no single update.")
    ] = False,
    local_epochs: Annotated[int, _learned(help="Epochs a board trains a round.")] = 1,
    proximal: Annotated[
        float, _learned(help="Draws boards back to the round's model (FedProx), as 0.01.")
    ] = 0.0,
    rate: Annotated[
        float | None, _learned(help="Hub's rate; by default 2 where sparse, else 1.")
    ] = None,
    start: Annotated[
        Path | None, _learned(help="A model.jsil to go on from; by default a fresh one.")
    ] = None,
    rounds: Annotated[int, _told(help="How many rounds.")] = 60,
    seed: Annotated[int, _told(help="The same seed gives the same model.")] = 0,
    workers: Annotated[int, _told(help="Processes; the result is the same.")] = 1,
    no_reference: Annotated[
        bool, _told("--no-reference", help="Leave float32 FedAvg's run out.")
    ] = False,
    out: Annotated[Path, _told(help="Where the model and the plot go.")] = Path("run"),
    json: Annotated[bool, _told("--json", help="One JSON object a line.")] = False,
) -> None:
    """Let a fleet of simulated boards learn from real measurements.

    Every board runs the integer core that a real one runs; bytes are whole payloads as sent.
    With --whole each is the firmware itself, linked to the hub: the same model, and bytes are all
    that its line carries.
    """
    from paebiru.commands import simulated
    from paebiru.sim.plan import Plan

    plan = Plan(
        dataset, clients, rounds, local_epochs, cast("SplitName", split), alpha,
        share if share is not None else 1.0 if secure else 0.05, seed, units(hidden), rate, start,
        proximal, secure,
    )  # fmt: skip
    if workers < 1:
        raise UsageError(f"--workers {workers} cannot work: give 1 or more")
    if whole and workers > 1:
        raise UsageError("--whole runs in one process: leave --workers out")
    simulated.run(plan, out, workers, whole, not no_reference, json)
