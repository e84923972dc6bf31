"""How a simulation is shown: to a person, a line a round; to a script, a JSON object a line."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from paebiru import console
from paebiru.sim.federation import Round
from paebiru.sim.plan import Plan, World

TAIL = 5  # the accuracy of a run is the mean of its last rounds'


@dataclass(frozen=True)
class Outcome:
    """What a run gave: accuracies 0..1 over the last five rounds, bytes a board and round.

    `float32_bytes` is what float32 weights would take one way: 4 bytes a weight.
    """

    accuracy: float
    float32_accuracy: float | None
    bytes_up: float
    bytes_down: float
    float32_bytes: int
    rounds: int
    seconds: float
    model_sha256: str


class Show(Protocol):
    """What a run tells of itself as it goes."""

    def start(self, world: World) -> None:
        """Tell what is about to run."""

    def round(self, done: Round, float32: float | None) -> None:
        """Tell of one round, and of the reference's accuracy in it."""

    def done(self, outcome: Outcome, out: Path) -> None:
        """Tell what the whole gave and where its files are."""


class JsonLines:
    """One JSON object a line on standard output, flushed, nothing else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, world: World) -> None:
        """Print the plan."""
        _emit(
            "start",
            weights=world.weights,
            sizes=world.sizes,
            server_rate=world.plan.server_rate / 256,
            **_jsonable(world.plan),
        )

    def round(self, done: Round, float32: float | None) -> None:
        """Print one round."""
        values = asdict(done)
        number = values.pop("number")
        _emit("round", round=number, **values, float32_accuracy=float32)

    def done(self, outcome: Outcome, out: Path) -> None:
        """Print the outcome."""
        _emit("done", **asdict(outcome))


def _jsonable(plan: Plan) -> dict[str, object]:
    values = asdict(plan)
    return {**values, "start": None if plan.start is None else str(plan.start)}


def _emit(event: str, **values: object) -> None:
    print(json.dumps({"event": event, **values}, allow_nan=False), flush=True)


class Terminal:
    """Lines for a person, under them a bar with the time left."""

    def __init__(self, world: World):
        self._world = world
        self._bar = Progress(
            TextColumn("[dim]round {task.completed:.0f} of {task.total:.0f}"),
            BarColumn(bar_width=None),
            TimeRemainingColumn(),
            console=console.out,
            transient=True,
        )
        self._task = self._bar.add_task("rounds", total=world.plan.rounds)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, world: World) -> None:
        """Print what learns what."""
        plan = world.plan
        shape = "-".join(map(str, world.sizes))
        self._line(
            f"[bold]{plan.clients} boards[/] learn [bold]{plan.dataset}[/]: a {shape} network,"
            f" {world.weights} weights of one byte, {len(world.split.train_y)} samples that stay"
            f" on the boards, {len(world.split.test_y)} to test with"
        )

    def round(self, done: Round, float32: float | None) -> None:
        """Print one round and move the bar."""
        there = "" if float32 is None else f"   float32 {float32:6.2%}"
        self._line(
            f"round {done.number:>4}   [bold]{done.accuracy:6.2%}[/]{there}   a board sent"
            f" {console.size(done.bytes_up):>7}, got {console.size(done.bytes_down):>7}"
            f" [dim](float32 {console.size(4 * self._world.weights)} each)"
            f"   {done.seconds * 1000:6.0f} ms"
        )
        self._bar.advance(self._task)

    def done(self, outcome: Outcome, out: Path) -> None:
        """Print the table of the whole, and where the files are."""
        self._bar.stop()
        wide = outcome.float32_bytes
        table = Table(title=f"after {outcome.rounds} rounds, {outcome.seconds:.1f} s")
        for heading in (
            "",
            f"accuracy (last {min(TAIL, outcome.rounds)})",
            "up a round",
            "down a round",
            "whole run",
        ):
            table.add_column(heading, justify="left" if not heading else "right")
        table.add_row(
            "Paebiru",
            f"{outcome.accuracy:.2%}",
            *_sizes(outcome.bytes_up, outcome.bytes_down, outcome),
        )
        there = outcome.float32_accuracy
        table.add_row(
            "float32 FedAvg",
            "not run" if there is None else f"{there:.2%}",
            *_sizes(wide, wide, outcome),
        )
        console.out.print(table)
        console.out.print(
            f"model  {out / 'model.jsil'}   sha256 {outcome.model_sha256}", soft_wrap=True
        )
        console.out.print(f"plot   {out / 'accuracy.png'}")

    def _line(self, text: str) -> None:
        self._bar.console.print(text, soft_wrap=True)


def _sizes(up: float, down: float, outcome: Outcome) -> tuple[str, str, str]:
    return console.size(up), console.size(down), console.size((up + down) * outcome.rounds)
