"""A tiny federation for the store's tests: real payloads of a small network, drawn by seed."""

from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.rounds import Federation
from paebiru.rng import Rng
from paebiru.store import Store, StoreError
from sil import protocol as p
from sil.payload import Payload
from sil.protocol import Task

SIZES = (4, 3, 2)
DEVICES = tuple(b"device%02d" % number for number in range(4))


def federation() -> Federation:
    return Federation(Task(SIZES, False, 10_000), seed=3, rate=256)


def new(folder: Path) -> Durable:
    return begin(Store(folder), federation())


def update(fed: Federation, device: bytes, changes: int | None = None) -> bytes:
    """Return the UPDATE object of a board: weights moved as its id and the round say.

    All of them, unless so many are asked for: such a payload is not coded, which saves the
    crash tests two thirds of their time.
    """
    base = fed.master.base.tobytes()
    return _update(fed.number, fed.branch, device, changes, fed.first, base)


@cache
def _update(
    number: int, branch: int, device: bytes, changes: int | None, first: bytes, base: bytes
) -> bytes:
    rng = Rng("update", number, device.hex(), branch)
    frame = bytearray(rng.below(256) for _ in first) if changes is None else bytearray(len(first))
    for _ in range(changes or 0):
        frame[rng.below(len(frame))] = (rng.below(6) + 5 << 4) | (8 if rng.below(2) else 0)
    payload = Payload(SIZES, first)
    payload.expect(array("h", base))
    out = bytearray(payload.limit)
    size = payload.encode(frame, out)
    head = bytearray(p.UPDATE_HEAD)
    p.write_update_head(head, number, 10 + rng.below(50), rng.below(10))
    return bytes(head + out[:size])


def play(fed: Federation, rounds: int = 1, devices: tuple[bytes, ...] = DEVICES) -> None:
    """Hold rounds in which all boards answer."""
    for _ in range(rounds):
        fed.open()
        for device in devices:
            fed.take(device, update(fed, device), lambda code: None)
        fed.close()


@cache
def undisturbed(rounds: int) -> bytes:
    """Return the state after rounds in memory, without a store."""
    fed = federation()
    play(fed, rounds)
    return fed.state()


def prepare() -> None:
    """Have what each life needs in memory."""
    undisturbed(ROUNDS)


ROUNDS = 2
Told = Callable[[str, int, bytes], None]
"""Is called with acked or refused, a round and a device; or with published and a round."""


def silent(word: str, number: int, device: bytes) -> None:
    pass


def one_model(fed: Durable) -> None:
    fed.keep = 1  # so that a round lets go the one before


def live(folder: Path, told: Told = silent, on_error: Callable[[], None] | None = None) -> bytes:
    """Live as a hub, from whatever is in the folder, until all rounds are held; return the state.

    Updates are committed two at a time.  After an error of the store it goes on if `on_error`
    says so by not raising.
    """
    store = Store(folder)
    if store.history.ref(0, "head"):
        fed = resume(store, 0, one_model)
    else:
        fed = begin(store, federation(), one_model)
    while fed.number < ROUNDS or fed.is_open:
        if not fed.is_open:
            _again(fed.open, on_error)
        store.notes.seen(DEVICES[0], status={"round": fed.number})
        while set(fed.updates) != set(DEVICES):
            _collect(fed, told, on_error)
        _again(fed.close, on_error)
        told("published", fed.number, b"")
    state = fed.state()
    _again(store.close, on_error)
    return state


def _again(step: Callable[[], None], on_error: Callable[[], None] | None) -> None:
    try:
        step()
    except StoreError:
        if on_error is None:
            raise
        on_error()
        step()


def _collect(fed: Durable, told: Told, on_error: Callable[[], None] | None) -> None:
    jobs: list[Any] = []
    errors: list[StoreError] = []
    fed.store.updates.run = jobs.append
    fed.failed = errors.append
    missing = [device for device in DEVICES if device not in fed.updates]
    for i, device in enumerate(missing):
        number = fed.number

        def done(code: int, device: bytes = device, number: int = number) -> None:
            told("refused" if code else "acked", number, device)

        fed.store.notes.count(device, "usb", "up", fed.number, 100)
        fed.take(device, update(fed, device), done)
        if i % 2 or i == len(missing) - 1:
            while jobs:
                jobs.pop(0)()()
        if errors and on_error is None:
            raise errors[0]
    if errors and on_error:
        on_error()
