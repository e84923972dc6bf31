"""The state of a federation between rounds, as bytes: what a round journal keeps of each model.

    0 "PBFS"   4 u8 version 2   5 u8 flags (1 signed inputs, 2 first model drawn from the seed)
    6 u8 layers of units   7 u8 lb   8 u8 lrs   9 u8 0   10 u16 share   12 u32 rate   16 u16 epochs
    18 u16 proximal, Q15   20 i64 seed   28 u32 round   32 the model before, 8 bytes
    40 this model, 8 bytes   48 u32 weights n   52 u32 length of the changes
    56 units, u16 each   first model, n codes   base, n int16 Q12   master, n int32 Q20   changes

Little-endian.  The store's hash covers it, so it has no check of its own.  Version 1 had a u32
of epochs, whose upper half was 0: it is read as this one.
"""

import struct
from dataclasses import dataclass

from sil.errors import FormatError
from sil.protocol import NAME_SIZE, Task

_HEAD = struct.Struct("<4sBBBBBxHIHHqI8s8sII")
_MAGIC = b"PBFS"
_VERSION = 2
_SIGNED = 1
_DRAWN = 2


@dataclass(frozen=True)
class Snapshot:
    """What a state holds; the names are those of `rounds.Federation`."""

    task: Task
    seed: int
    rate: int
    epochs: int
    proximal: int
    drawn: bool
    number: int
    before: bytes
    name: bytes
    first: bytes
    base: bytes
    master: bytes
    changes: bytes

    def pack(self) -> bytes:
        """Return it as bytes."""
        task = self.task
        flags = (_SIGNED if task.signed else 0) | (_DRAWN if self.drawn else 0)
        head = _HEAD.pack(
            _MAGIC, _VERSION, flags, len(task.sizes), task.lb, task.lrs, task.share, self.rate,
            self.epochs, self.proximal, self.seed, self.number,
            self.before.ljust(NAME_SIZE, b"\0"), self.name, len(self.first), len(self.changes),
        )  # fmt: skip
        sizes = struct.pack(f"<{len(task.sizes)}H", *task.sizes)
        return head + sizes + self.first + self.base + self.master + self.changes


def unpack(data: bytes) -> Snapshot:
    """Return what a state says.

    Raises:
        FormatError: it is none, of another version, or cut.
    """
    if len(data) < _HEAD.size or data[:4] != _MAGIC:
        raise FormatError("this is no state of a federation")
    if data[4] not in (1, _VERSION):
        raise FormatError(f"a state of version {data[4]}; this Paebiru reads up to {_VERSION}")
    (
        _, _, flags, layers, lb, lrs, share, rate, epochs, proximal, seed, number, before, name,
        n, changes,
    ) = _HEAD.unpack_from(data)  # fmt: skip
    if len(data) != _HEAD.size + 2 * layers + 7 * n + changes:
        raise FormatError(f"a state of {n} weights does not have {len(data)} bytes: it was cut")
    sizes = struct.unpack_from(f"<{layers}H", data, _HEAD.size)
    at = _HEAD.size + 2 * layers
    parts = []
    for length in (n, 2 * n, 4 * n, changes):
        parts.append(data[at : at + length])
        at += length
    task = Task(sizes, bool(flags & _SIGNED), share, lb, lrs)
    before = before if any(before) else b""
    drawn = bool(flags & _DRAWN)
    return Snapshot(task, seed, rate, epochs, proximal, drawn, number, before, name, *parts)
