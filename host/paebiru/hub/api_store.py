"""The HTTP API's routes of what is stored: rounds, checkpoints, models, bytes, of all times.

What is long to read is read in a thread: boards are served meanwhile.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from paebiru import models
from paebiru.errors import UsageError
from paebiru.hub.api_forms import DEVICE, Page, digits
from paebiru.hub.api_guard import Refusal
from paebiru.hub.api_handlers import Handlers, stream
from paebiru.hub.api_views import View
from paebiru.store import CheckpointRow, RoundRow, State, StoreError, UpdateRow
from paebiru.store.notes import Notes, Sums

MODEL = "^([0-9a-f]{16}|head|best|final)$"
_TRIES = 5
T = TypeVar("T")


class OfBranch(Page):
    """Which part of the history."""

    branch: Annotated[int, Field(ge=0, le=15), BeforeValidator(digits)] | None = Field(
        None, description="of this branch only"
    )


class LedgerEntry(View):
    """Bytes of a board on one kind of line."""

    device: str = Field(pattern=DEVICE)
    link: str = Field(description="tcp, udp, serial or memory")
    up: int
    down: int


class Ledger(View):
    """Bytes by board and kind of line, since the federation began."""

    up: int
    down: int
    entries: list[LedgerEntry]


class RoundView(BaseModel):
    """What came of a round; more figures follow where the hub measures more."""

    model_config = ConfigDict(extra="allow")

    round: int
    branch: int
    model: str = Field(description="its name, as boards say it")
    opened: float = Field(description="unix time")
    closed: float | None = Field(description="unix time")
    updates: int
    asked: int | None = Field(None, description="null: nobody had counted when it was closed")
    missing: list[str] | None = Field(None, description="boards that were asked and did not answer")
    bytes_up: int = Field(description="of updates, without their heads")
    bytes_down: int | None = Field(None, description="of changes, to the boards that were there")
    accuracy: float | None = Field(None, description="of the model on the test part, 0 to 1")
    settings: dict[str, Any] = Field(description="how it was held and closed")


class Part(View):
    """A board's part in a round."""

    device: str = Field(pattern=DEVICE)
    samples: int
    right: int = Field(description="of them, classified right in the last epoch")
    bytes: int = Field(description="of the update")
    time: float = Field(description="when it was durable, unix time")


class RoundDetail(RoundView):
    """A round, with who took part, and the bytes on boards' lines."""

    parts: list[Part]
    ledger: list[LedgerEntry]


class Rounds(View):
    """A part of the list of rounds, the newest first."""

    total: int
    rounds: list[RoundView]


class Named(View):
    """What a branch calls a checkpoint."""

    branch: int
    name: Literal["head", "best", "final"]


class Checkpoint(View):
    """A model of the history."""

    checkpoint: int
    kind: Literal["first", "round", "fork", "merge"]
    branch: int
    round: int | None
    model: str
    accuracy: float | None
    parent: int | None = Field(description="the checkpoint that it follows from")
    second: int | None = Field(description="the other one, of a merge")
    names: list[Named]
    is_kept: bool = Field(description="GET /v1/models has it")
    time: float = Field(description="unix time")


class History(View):
    """A part of the checkpoints, the newest first."""

    total: int
    branch: int = Field(description="the one that this hub holds")
    checkpoints: list[Checkpoint]


async def rounds(handlers: Handlers, request: web.Request, query: Page, body: Any) -> Rounds:
    """The rounds that are closed, of all branches and starts of the hub, the newest first."""
    store = handlers.durable.store
    total, rows = await _read(lambda: store.published(query.limit, query.offset))
    return Rounds(total=total, rounds=[_round(RoundView, row) for row in rows])


async def one_round(handlers: Handlers, request: web.Request, query: Any, body: Any) -> RoundDetail:
    """What came of one round, who took part, and the bytes on boards' lines."""
    store, number = handlers.durable.store, int(request.match_info["number"])

    def read() -> tuple[RoundRow, list[UpdateRow]]:
        return store.round(number), store.updates_of(number)

    try:
        row, updates = await _read(read)
    except UsageError as error:
        raise Refusal(404, str(error), "see GET /v1/rounds") from None
    if row.state != State.PUBLISHED:
        raise Refusal(404, f"round {number} is {row.state}: nothing has come of it", "later, maybe")
    counted = set(row.devices())  # not whose masked sum came to nothing
    parts = [
        Part(device=u.device.hex(), samples=u.samples, right=u.right, bytes=u.size,
             time=round(u.time, 3))
        for u in updates if u.device in counted
    ]  # fmt: skip
    entries = _entries(await _sums(store.notes, number))
    return _round(RoundDetail, row, parts=parts, ledger=entries)


async def history(handlers: Handlers, request: web.Request, query: OfBranch, body: Any) -> History:
    """The checkpoints with their parents, the newest first."""
    federation = handlers.durable
    found = federation.store.history
    (total, rows), refs = await _read(
        lambda: (found.page(query.branch, query.limit, query.offset), found.refs())
    )
    names: dict[int, list[Named]] = {}
    for ref in refs:
        named = Named.model_validate({"branch": ref.branch, "name": ref.name})
        names.setdefault(ref.checkpoint, []).append(named)
    shown = [_checkpoint(row, names.get(row.id, [])) for row in rows]
    return History(total=total, branch=federation.branch, checkpoints=shown)


async def one_model(
    handlers: Handlers, request: web.Request, query: Any, body: Any
) -> web.StreamResponse:
    """A model by its name, or this branch's head, best or final, while it is kept; as /v1/model."""
    federation, which = handlers.durable, request.match_info["model"]
    found = federation.store.history

    def read() -> tuple[CheckpointRow, bytes]:
        row = found.find(which, federation.branch)
        return row, found.state(row)

    try:
        row, state = await _read(read)
    except UsageError as error:
        raise Refusal(404, str(error), "GET /v1/history tells what is kept") from None
    name = row.name
    if name not in handlers.models:  # here: a coder's tables are not for two threads
        handlers.remember(name, models.of_state(state))
    return stream(request, *handlers.models[name])


async def ledger(handlers: Handlers, request: web.Request, query: Any, body: Any) -> Ledger:
    """Bytes by board and kind of line, since the federation began."""
    entries = _entries(await _sums(handlers.durable.store.notes))
    up, down = sum(entry.up for entry in entries), sum(entry.down for entry in entries)
    return Ledger(up=up, down=down, entries=entries)


async def _read(read: Callable[[], T]) -> T:
    """Return what a reader of the store finds, without holding up the hub.

    Raises:
        Refusal: the store is damaged.
        UsageError: what is asked for is not there.
    """
    try:
        return await asyncio.to_thread(read)
    except StoreError as error:
        raise Refusal(500, str(error), "stop the hub, and put back a copy of its folder") from None


async def _sums(notes: Notes, number: int | None = None) -> Sums:
    """Return all bytes of a round, or of all: those in the file, and those still to be written."""
    for _ in range(_TRIES):
        writes = notes.writes
        found = await _read(lambda: notes.kept(number))
        if notes.writes == writes:  # else some may be in neither, or in both
            break
    for key, size in notes.waiting(number).items():
        found[key] = found.get(key, 0) + size
    return found


def _entries(sums: Sums) -> list[LedgerEntry]:
    lines = sorted({(device, link) for device, link, _ in sums})
    return [
        LedgerEntry(
            device=device.hex(), link=link,
            up=sums.get((device, link, "up"), 0), down=sums.get((device, link, "down"), 0),
        )
        for device, link in lines
    ]  # fmt: skip


R = TypeVar("R", bound=RoundView)


def _round(form: type[R], row: RoundRow, **more: Any) -> R:
    return form.model_validate(
        {
            **json.loads(row.figures or "{}"),
            "round": row.number, "branch": row.branch, "model": (row.name or b"").hex(),
            "opened": round(row.opened, 3), "closed": row.closed and round(row.closed, 3),
            "settings": json.loads(row.settings), **more,
        }
    )  # fmt: skip


def _checkpoint(row: CheckpointRow, names: list[Named]) -> Checkpoint:
    return Checkpoint.model_validate(
        {
            "checkpoint": row.id, "kind": row.kind, "branch": row.branch,
            "round": row.round if row.kind == "round" else None, "model": row.name.hex(),
            "accuracy": row.accuracy, "parent": row.parent, "second": row.second,
            "names": names, "is_kept": row.blob is not None, "time": round(row.time, 3),
        }
    )  # fmt: skip
