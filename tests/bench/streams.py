"""Frames as they really occur, to train the shipped priors on and to measure against.

Federations with the core's own trainer, selector and expectation; recordings of states,
from the data sets' raw samples.  Everything follows from its seed.
"""

from array import array
from dataclasses import dataclass, field

import numpy as np

from paebiru import datasets
from paebiru.federated import partition
from paebiru.federated.master import RATE_ONE, Master
from sil import bytesil, nn, train, update
from sil.kernels import sparse

WATCHED = (1, 2, 4, 7, 11, 16, 22, 29, 39, 49, 59)  # rounds whose frames are kept
DENSE = update.SHARE_ONE
BOARDS = 10

Sent = tuple[bytes, bytearray | None]
"""A frame, with the expectation that both ends had of it; dense ones have none."""


@dataclass
class Streams:
    """What a federation sent in the watched rounds, and the boards' model after each."""

    sizes: tuple[int, ...]
    up: list[Sent] = field(default_factory=list)
    down: list[Sent] = field(default_factory=list)
    models: list[bytes] = field(default_factory=list)


def federation(
    name: str, share: int, seed: int, split: str = "iid", hidden: tuple[int, ...] = (32,),
    rounds: int = 60,
) -> Streams:  # fmt: skip
    """Run a federation whose boards send `share` (parts of 10000) of their weights."""
    data = datasets.load(name).split(seed)
    sizes = (data.train_x.shape[1], *hidden, len(datasets.load(name).classes))
    codes = bytes(nn.initial_codes(sizes, seed))
    master = Master(codes, share, RATE_ONE if share == DENSE else 2 * RATE_ONE)
    trainer = train.Trainer(sizes, data.signed)
    selector = update.Selector(len(codes), share)
    expectation = update.Expectation(sizes, codes)
    parts = _parts(data, split, seed)
    residuals = [array("h", bytes(2 * len(codes))) for _ in parts]
    samples = np.array([len(rows) for rows in parts])
    streams = Streams(sizes)
    for number in range(rounds):
        side = None if share == DENSE else bytearray(expectation.look(master.base))
        frames = []
        for board, (rows, residual) in enumerate(zip(parts, residuals, strict=True)):
            x = np.ascontiguousarray(data.train_x[rows]).view(np.uint8).reshape(-1)
            y = np.ascontiguousarray(data.train_y[rows])
            trainer.masters[:] = master.base
            epoch_seed = (seed * 1000 + number) * 100 + board
            trainer.epoch(x, y, array("H", range(len(rows))), epoch_seed)
            sparse.gain(residual, len(codes), trainer.masters, master.base)
            frame = bytearray(len(codes))
            selector.take(residual, frame)
            frames.append(bytes(frame))
        master.absorb(np.frombuffer(b"".join(frames), np.uint8).reshape(len(frames), -1), samples)
        down = bytes(master.release())
        if number in WATCHED:
            for board in (number % len(parts), (number + 3) % len(parts)):
                streams.up.append((frames[board], side))
            streams.down.append((down, side))
            streams.models.append(master.codes())
    return streams


def _parts(data: datasets.Split, split: str, seed: int) -> list[partition.Indices]:
    if split == "iid":
        return partition.iid(len(data.train_y), BOARDS, seed)
    if split == "dirichlet":
        return partition.dirichlet(data.train_y, BOARDS, 0.3, seed)
    assert data.train_group is not None
    return partition.natural(data.train_group, min(BOARDS, len(np.unique(data.train_group))))


def watch_states(subject: int, step: int = 5) -> list[bytes]:
    """Return states at 10 Hz of one wearer: L4 is where the acceleration points, L8 the unrest.

    L5 is the hub's answer for the recording, less sure where there is little movement.
    """
    archive = datasets.load("watch").recordings
    assert archive is not None
    states: list[bytes] = []
    at = 0
    for length, label, who in zip(archive.lengths, archive.labels, archive.subjects, strict=True):
        samples = archive.samples[at : at + length].astype(np.int64)
        at += length
        if who != subject:
            continue
        windows = samples[: length // step * step].reshape(-1, step, 6).sum(1)
        windows -= windows.sum(0) // len(windows)
        unrest = 0
        for ax, ay, _, gx, gy, gz in windows.tolist():
            unrest += (abs(gx) + abs(gy) + abs(gz) - unrest) // 16
            state = bytearray(16)
            state[4] = bytesil.from_complex(4 * ax, 4 * ay)
            state[5] = bytesil.make(-1 if unrest > 20000 else -2, label)
            state[8] = bytesil.from_complex(unrest, 0)
            state[15] = bytesil.ONE
            states.append(bytes(state))
    return states


def air_states(first: int, last: int) -> list[bytes]:
    """Return hourly states of the air station: L2 gases, L4 climate, L5 and L7 the hub's."""
    data = datasets.load("air")
    raw = data.x.astype(np.int64)
    scaled = raw * bytesil.magnitude(bytesil.ONE) // np.maximum(np.abs(raw).sum(0) // len(raw), 1)
    states = []
    for row, label in zip(scaled[first:last].tolist(), data.y[first:last], strict=True):
        no, no2, pm10, co2, warm, damp = row
        state = bytearray(16)
        state[2] = bytesil.from_complex(no - pm10, no2 - co2)
        state[4] = bytesil.from_complex(warm, damp - 16384)
        state[5] = bytesil.make(-1, int(label))
        state[7] = bytesil.mix(state[2], state[4])
        states.append(bytes(state))
    return states


def digit_states(first: int, last: int) -> list[bytes]:
    """Return a state for each image: L0 is where its light lies, L5 the class."""
    data = datasets.load("digits")
    images = data.x[first:last].astype(np.int64)
    across = images @ (np.arange(64) % 8 * 2 - 7) * 64
    down = images @ (np.arange(64) // 8 * 2 - 7) * 64
    states = []
    for x, y, label in zip(across.tolist(), down.tolist(), data.y[first:last], strict=True):
        state = bytearray(16)
        state[0] = bytesil.from_complex(x, y)
        state[5] = bytesil.make(0, int(label))
        states.append(bytes(state))
    return states
