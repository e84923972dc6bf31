"""What `paebiru simulate` runs: round by round, float32 beside it, and what is left in files."""

import time
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from statistics import mean

from paebiru import accel, files, models
from paebiru.commands.show import TAIL, JsonLines, Outcome, Show, Terminal
from paebiru.errors import UsageError
from paebiru.sim import federation
from paebiru.sim.plan import Plan, World, prepare
from paebiru.sim.whole import WholeFederation
from sil.errors import ModelError


def run(plan: Plan, out: Path, workers: int, whole: bool, compare: bool, json: bool) -> None:
    """Run a plan; its model and its plot go to `out`.

    Raises:
        UsageError: it cannot be run, or its weights grew too large: what was done is kept.
    """
    accel.install()
    world = prepare(plan)
    out = files.folder(out)
    show = JsonLines() if json else Terminal(world)
    made = WholeFederation(world) if whole else federation.Federation(world, workers)
    with show, closing(made) as going:
        _run(going, show, compare, out)


def _run(run: federation.Federation, show: Show, compare: bool, out: Path) -> None:
    """Run round by round, the reference in step; however it ends, the rounds done are kept."""
    begun = time.perf_counter()
    floats = federation.floats(run.world) if compare else None
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
