"""The body of a checkpoint: a `Learning` as bytes, and back (SPEC-node.md section 3)."""

from sil import nn
from sil import protocol as p
from sil.compat import const
from sil.errors import FormatError
from sil.link.fields import get16, get32, put16, put32

from .kinds import Buffer, Learning, Readable
from .slots import size_of

_HEAD = const(36)
_MASKED = const(2)  # a flag beside SIGNED
_MOST = const(1 << 20)  # bytes of a part in a masked sum: what the link carries


def parts(learning: "Learning") -> "list[Buffer]":
    """Return the buffers that make up the body, one after another."""
    task = learning.task
    head = bytearray(_HEAD + 2 * len(task.sizes))
    head[0] = learning.phase
    head[1] = learning.branch
    head[2] = (p.SIGNED if task.signed else 0) | (_MASKED if learning.is_masked else 0)
    head[3] = len(task.sizes)
    head[4] = task.lb
    head[5] = task.lrs
    put16(head, 6, task.share)
    put32(head, 8, learning.round)
    put32(head, 12, learning.seed)
    put16(head, 16, learning.epochs)
    put16(head, 18, learning.proximal)
    put16(head, 20, learning.trained)
    put16(head, 22, learning.right)
    put32(head, 24, learning.update_end)
    head[28:36] = learning.taken
    p.write_sizes(task.sizes, head, _HEAD)
    learner = learning.learner
    update = memoryview(learning.update)[: learning.update_end]
    return [head, learning.first, learner.base, learner.residual, update]


def read(source: "Readable", learning: "Learning") -> None:
    """Fill `learning` from the body that `source` (a `slots.Body`) gives.

    Raises:
        FormatError: the body is not what it should be.
    """
    head = bytearray(_HEAD)
    source.readinto(head)
    units = bytearray(2 * min(head[3], p.MAX_LAYERS))
    source.readinto(units)
    sizes = p.read_sizes(units, 0, head[3])
    task = p.Task(sizes, bool(head[2] & p.SIGNED), get16(head, 6), head[4], head[5])
    learning.make(task, -1, source)
    learner = learning.learner
    source.readinto(learner.base)
    source.readinto(learner.residual)
    learner.restore()
    length = get32(head, 24)
    learning.is_masked = bool(head[2] & _MASKED)
    if learning.is_masked and 0 < length <= _MOST:
        learning.update = bytearray(length)
    if not 0 <= length <= len(learning.update):
        raise FormatError("an update of %d bytes is longer than its model's can be" % length)
    source.readinto(memoryview(learning.update)[:length])
    learning.update_end = length
    learning.phase = head[0]
    learning.branch = head[1]
    learning.round = get32(head, 8)
    learning.seed = get32(head, 12)
    learning.epochs = get16(head, 16)
    learning.proximal = get16(head, 18)
    learning.trained = get16(head, 20)
    learning.right = get16(head, 22)
    learning.taken = bytes(head[28:36])


def first(task: p.Task, seed: int, source: "Readable") -> bytearray:
    """Return a task's first model: drawn from `seed`, or read from `source` where that is -1.

    Raises:
        ModelError: no network has such sizes.
        FormatError: `source` ends before the model does.
    """
    if seed >= 0:
        return nn.initial_codes(task.sizes, seed)
    codes = bytearray(nn.check_sizes(task.sizes))
    fill(source, codes)
    return codes


def fill(source: "Readable", buf: "Buffer") -> None:
    """Fill a buffer of bytes or int16 from `source` (with ``readinto``).

    Raises:
        FormatError: less is there.
    """
    if source.readinto(buf) != size_of(buf):
        raise FormatError("the model ends before its last weight")
