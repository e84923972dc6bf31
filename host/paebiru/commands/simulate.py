"""`paebiru simulate`: a fleet of simulated boards learns together, every byte counted."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from statistics import mean
from typing import Annotated, cast

import typer

from paebiru import accel, files, models
from paebiru.commands.show import TAIL, JsonLines, Outcome, Show, Terminal
from paebiru.errors import UsageError
from paebiru.federated import reference
from paebiru.sim import federation
from paebiru.sim.plan import Plan, SplitName, World, prepare
from paebiru.sim.whole import WholeFederation
from sil.errors import ModelError


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(simulate)


def simulate(
    dataset: Annotated[str, typer.Option(help="digits, vowel, air, wine or watch.")] = "digits",
    clients: Annotated[int, typer.Option(help="How many boards.")] = 10,
    rounds: Annotated[int, typer.Option(help="How many rounds.")] = 60,
    local_epochs: Annotated[int, typer.Option(help="Epochs a board trains a round.")] = 1,
    split: Annotated[str, typer.Option(help="iid, dirichlet, or natural (by speaker, …).")] = "iid",
    alpha: Annotated[float, typer.Option(help="Of --split dirichlet: smaller, less alike.")] = 0.3,
    share: Annotated[float, typer.Option(help="Share of the weights sent a round, 0..1.")] = 0.05,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    hidden: Annotated[str, typer.Option(help="Hidden units, as 32 or 64,32.")] = "32",
    rate: Annotated[
        float | None, typer.Option(help="Hub's rate; by default 2 where sparse, else 1.")
    ] = None,
    proximal: Annotated[
        float, typer.Option(help="Draws boards back to the round's model (FedProx), as 0.01.")
    ] = 0.0,
    start: Annotated[
        Path | None, typer.Option(help="A model.jsil to go on from; by default a fresh one.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; the result is the same.")] = 1,
    whole: Annotated[
        bool, typer.Option("--whole", help="Whole boards on lines in memory: every byte counts.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where the model and the plot go.")] = Path("run"),
    no_reference: Annotated[
        bool, typer.Option("--no-reference", help="Leave float32 FedAvg's run out.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Let a fleet of simulated boards learn from real measurements.

    Every board runs the integer core that a real one runs; bytes are whole payloads as sent.
    With --whole each is the firmware itself, linked to the hub: the same model, and bytes are all
    that its line carries.
    """
    plan = Plan(
        dataset, clients, rounds, local_epochs, cast(SplitName, split), alpha, share, seed,
        _units(hidden), rate, start, proximal,
    )  # fmt: skip
    if workers < 1:
        raise UsageError(f"--workers {workers} cannot work: give 1 or more")
    if whole and workers > 1:
        raise UsageError("--whole runs in one process: leave --workers out")
    accel.install()
    world = prepare(plan)
    out = files.folder(out)
    show = JsonLines() if json else Terminal(world)
    made = WholeFederation(world) if whole else federation.Federation(world, workers)
    with show, closing(made) as run:
        _run(run, show, not no_reference, out)


def _run(run: federation.Federation, show: Show, compare: bool, out: Path) -> None:
    """Run round by round, the reference in step; however it ends, the rounds done are kept."""
    begun = time.perf_counter()
    floats = _reference(run.world) if compare else None
    ours: list[federation.Round] = []
    theirs: list[float] = []
    ended: BaseException | None = None
    codes = run.world.codes
    try:
        show.start(run.world)
        for done in run.rounds():
            there = None if floats is None else next(floats)
            # Together: what is saved and told is of the same round, wherever Ctrl-C falls.
            codes, ours, theirs = run.model(), [*ours, done], [*theirs, there or 0.0]
            show.round(done, there)
    except (KeyboardInterrupt, ModelError) as error:
        if not ours:
            raise
        ended = error
    model = models.stream(codes, run.world.sizes)
    files.write(out / "model.jsil", model)
    theirs = theirs if compare else []
    outcome = _outcome(run.world, ours, theirs, model, time.perf_counter() - begun)
    from paebiru import plot  # matplotlib takes a second to load: not before the first round

    plot.save(out / "accuracy.png", *_curves(run.world, ours, theirs), _title(run.world.plan))
    show.done(outcome, out)
    if isinstance(ended, ModelError):
        raise UsageError(
            f"ended after round {len(ours)}, which is saved, since the weights grew too large:"
            " take a smaller --rate, a larger --share, or fewer --rounds"
        )
    if ended is not None:
        raise ended


def _outcome(
    world: World, ours: list[federation.Round], theirs: list[float], model: bytes, seconds: float
) -> Outcome:
    return Outcome(
        accuracy=mean(r.accuracy for r in ours[-TAIL:]),
        float32_accuracy=mean(theirs[-TAIL:]) if theirs else None,
        bytes_up=mean(r.bytes_up for r in ours),
        bytes_down=mean(r.bytes_down for r in ours),
        float32_bytes=4 * world.weights,
        rounds=len(ours),
        seconds=seconds,
        model_sha256=models.sha256(model),
    )


def _reference(world: World) -> Iterator[float]:
    """Return float32 FedAvg's accuracies: same data, boards, first model, batches and rate."""
    plan = world.plan
    settings = reference.Settings(plan.rounds, plan.local_epochs, seed=plan.seed)
    first = reference.decode(world.codes)
    return reference.fedavg(world.split, world.parts, world.sizes, first, settings)


def _curves(
    world: World, ours: list[federation.Round], theirs: list[float]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]] | None]:
    """Return (bytes a board sent and got so far, accuracy) of us and of float32."""
    spent = accumulate(r.bytes_up + r.bytes_down for r in ours)
    mine = [(total, r.accuracy) for total, r in zip(spent, ours, strict=True)]
    both_ways = 8 * world.weights
    return mine, [(both_ways * (i + 1), a) for i, a in enumerate(theirs)] or None


def _title(plan: Plan) -> str:
    dealt = f"dirichlet {plan.alpha:g}" if plan.split == "dirichlet" else plan.split
    return f"{plan.dataset}, {plan.clients} boards, {dealt}, {plan.share:.3g} of the weights sent"


def _units(text: str) -> tuple[int, ...]:
    """Return hidden layers' units from `32` or `64,32`; an empty text is a linear model."""
    try:
        units = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--hidden {text} is no list of units: give them as 32 or 64,32") from None
    if any(not 1 <= n <= 1024 for n in units):
        raise UsageError(f"--hidden {text} is out of range: a layer has 1..1024 units")
    return units
