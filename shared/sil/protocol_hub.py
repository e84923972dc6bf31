"""The hub's half of SPEC-node.md: what only it writes and reads.  No board loads this."""

from . import protocol as p
from .compat import Buf
from .errors import FormatError
from .link.fields import get16, get32, put16, put32


def write_model_head(task: p.Task, flags: int, round_number: int, seed: int) -> bytearray:
    """Return the head of a MODEL object."""
    head = bytearray(p.MODEL_HEAD + 2 * len(task.sizes))
    head[0] = p.VERSION
    head[1] = flags | (p.SIGNED if task.signed else 0)
    head[2] = len(task.sizes)
    head[3] = task.lb
    head[4] = task.lrs
    put16(head, 6, task.share)
    put32(head, 8, round_number)
    put32(head, 12, seed)
    p.write_sizes(task.sizes, head, p.MODEL_HEAD)
    return head


def write_order_head(
    buf: bytearray, round_number: int, seed: int, counted: int, epochs: int, flags: int,
    proximal: int = 0,
) -> None:  # fmt: skip
    """Write the head of an ORDER object to the front of `buf`; `proximal` is Q15."""
    put32(buf, 0, round_number)
    put32(buf, 4, seed)
    put32(buf, 8, counted)
    buf[12] = epochs
    buf[13] = flags
    put16(buf, 14, proximal)


def read_period(body: Buf, at: int) -> int:
    """Return BATCH's period in ms."""
    value = get16(body, at)
    return (value - p.SECONDS) * 1000 if value & p.SECONDS else value


class Status:
    """A board's STATUS, read."""

    def __init__(self, body: Buf) -> None:
        if len(body) < p.STATUS_SIZE or body[0] != p.VERSION:
            raise FormatError("no status of version %d: deploy the firmware again" % p.VERSION)
        self.phase = body[1]
        self.branch = body[2]
        self.is_safe = bool(body[3] & p.SAFE)
        self.round = get32(body, 4)
        self.generation = get32(body, 8)
        self.samples = get16(body, 12)
        self.inputs = get16(body, 14)
        self.model = bytes(body[16:24])
        self.layers = get16(body, 24)


class Health:
    """A board's HEALTH, read."""

    def __init__(self, body: Buf) -> None:
        if len(body) < p.HEALTH_HEAD:
            raise FormatError("health has %d bytes or more, not %d" % (p.HEALTH_HEAD, len(body)))
        self.uptime = get32(body, 0)
        self.free = get32(body, 4)
        self.boots = get32(body, 8)
        self.cause = body[12]
        self.crashes = body[13]
        self.lost = get16(body, 14)
        self.silent = get16(body, 16)
        self.failed = get16(body, 18)
        self.false_frames = get16(body, 20)
        self.text = bytes(body[p.HEALTH_HEAD :])  # UTF-8, maybe cut within a character
