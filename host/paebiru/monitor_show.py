"""How `paebiru monitor` shows records: a table that changes, lines, or JSON."""

import json
from collections import deque
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from paebiru import console
from paebiru.monitor import Record
from sil import bytesil, layers

_LINES = 12  # of the log, below the table
_STEPS = 16  # of a full turn: theta


class Show(Protocol):
    """What records are given to."""

    def record(self, record: Record) -> None:
        """Show what a board says."""

    def say(self, text: str) -> None:
        """Show what happens to the line."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class JsonLines:
    """One JSON object a line, nothing else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def record(self, record: Record) -> None:
        """Print a record."""
        print(json.dumps(record, allow_nan=False), flush=True)

    def say(self, text: str) -> None:
        """Print an event of the line."""
        self.record({"event": "line", "text": text})


class Lines:
    """One line a record, for logs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def record(self, record: Record) -> None:
        """Print a record; of states, each."""
        for text in words(record):
            self.say(text)

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)


class Screen:
    """A terminal: each board's layers and how it is; below, what was said last."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}
        self._about: dict[str, Record] = {}
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._live = Live(console=console.out, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def record(self, record: Record) -> None:
        """Take a record in."""
        device = record["device"]
        self._about.setdefault(device, {}).update(
            {f"{record['event']}.{key}": value for key, value in record.items()}
        )
        if record["event"] == "states" and record["states"]:
            self._states[device] = bytes.fromhex(record["states"][-1])
        else:
            self._lines.extend(words(record))
        self._draw()

    def say(self, text: str) -> None:
        """Add a line."""
        self._lines.append(text)
        self._draw()

    def _draw(self) -> None:
        parts: list[Any] = [_table(name, state) for name, state in self._states.items()]
        parts += [Text(_summary(name, about), style="bold") for name, about in self._about.items()]
        parts += [Text(line, overflow="ellipsis", no_wrap=True) for line in self._lines]
        self._live.update(Group(*parts), refresh=True)


def words(record: Record) -> list[str]:
    """Return a record as lines of plain text."""
    event, head = record["event"], f"{record['device']} {record['event']}"
    if event == "states":
        first, period = record["at"], record["period"]
        lost = f", {record['lost']} lost before" if record["lost"] else ""
        return [
            f"{head} {first + i * period} ms {layer_text(bytes.fromhex(state))}{lost}"
            for i, state in enumerate(record["states"])
        ]
    if event == "stranger":
        why = "has another key" if record["known"] else "has no key here"
        return [f"{record['device']} {why}: paebiru enroll PORT"]
    fields = {k: v for k, v in record.items() if k not in ("event", "device", "clock")}
    return [" ".join([head, *(f"{key}={_text(value)}" for key, value in fields.items())])]


def layer_text(state: bytes) -> str:
    """Return the layers of a state that are not NULL: name, rho, theta in degrees."""
    parts = [f"{layers.NAMES[i]} {_polar(value)}" for i, value in enumerate(state) if value]
    return ", ".join(parts) or "nothing"


def _polar(value: int) -> str:
    return f"{bytesil.rho(value):+d}\u2220{bytesil.phase(value) * 360 / _STEPS:g}°"


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _table(name: str, state: bytes) -> Table:
    table = Table(title=name, box=None, pad_edge=False, title_justify="left")
    for heading in ("layer", "", "byte", "rho", "theta"):
        table.add_column(heading, justify="left" if heading in ("layer", "") else "right")
    for i, value in enumerate(state):
        if value:
            angle = f"{bytesil.phase(value) * 360 / _STEPS:g}°"
            rho = f"{bytesil.rho(value):+d}"
            table.add_row(f"L{i:X}", layers.NAMES[i], f"{value:02X}", rho, angle)
        else:
            table.add_row(f"L{i:X}", layers.NAMES[i], "00", "", "", style="dim")
    return table


def _summary(name: str, about: Record) -> str:
    known = (
        ("status.phase", "{}"), ("status.round", "round {}"), ("status.samples", "{} samples"),
        ("status.model", "model {}"), ("health.uptime", "up {} s"), ("health.free", "{} B free"),
        ("health.cause", "started by {}"),
    )  # fmt: skip
    parts = [form.format(about[key]) for key, form in known if key in about]
    return f"{name}: " + (", ".join(parts) or "there")
