"""A tiny federation for the store's tests: real payloads of a small network, drawn by seed."""

from functools import cache
from pathlib import Path

from paebiru.federated.durable import Durable, begin
from paebiru.federated.rounds import Federation
from paebiru.rng import Rng
from paebiru.store import Store
from sil import protocol as p
from sil.payload import Payload
from sil.protocol import Task

SIZES = (4, 3, 2)
DEVICES = tuple(b"device%02d" % number for number in range(4))


def federation() -> Federation:
    return Federation(Task(SIZES, False, 10_000), seed=3, rate=256)


def new(folder: Path) -> Durable:
    return begin(Store(folder), federation())


def update(fed: Federation, device: bytes, changes: int = 6) -> bytes:
    """Return the UPDATE object of a board: some weights moved, as its id and the round say."""
    rng = Rng("update", fed.number, device.hex(), fed.branch)
    frame = bytearray(len(fed.first))
    for _ in range(changes):
        frame[rng.below(len(frame))] = (rng.below(6) + 5 << 4) | (8 if rng.below(2) else 0)
    payload = Payload(SIZES, fed.first)
    payload.expect(fed.master.base)
    out = bytearray(payload.limit)
    size = payload.encode(frame, out)
    head = bytearray(p.UPDATE_HEAD)
    p.write_update_head(head, fed.number, 10 + rng.below(50), rng.below(10))
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
