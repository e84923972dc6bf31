"""What a node and its hub say to each other over the link (SPEC-node.md): kinds and layouts.

What only the hub writes and reads is in `protocol_hub`, so that boards need not hold it.
"""

from .compat import Buf
from .errors import FormatError
from .link.fields import get16, put16, put32

VERSION = 2

# -- posts of a board
STATUS = 16
BATCH = 17
HEALTH = 18
ANSWER = 19
# -- posts of the hub
CONTEXT = 24
LABEL = 25
CONTROL = 26

# -- what CONTROL asks for
PIN = 1
ROLLBACK = 2
FORK = 3
PERIOD = 4
RESTART = 5
TELL_HEALTH = 6

# -- kinds of objects
MODEL = 1
ORDER = 2
UPDATE = 3
MASKED = 4  # SPEC-secure.md has these three
UNMASK = 5
SHARES = 6

# -- phases of a board's learning
EMPTY = 0
IDLE = 1
TRAINING = 2
REPORTING = 3
WAITING = 4  # for word of the masked sum that has its part
PHASES = ("no model", "idle", "training", "reporting", "waiting")

# -- flags
SAFE = 1  # of STATUS
SIGNED = 1  # of MODEL
SEEDED = 2
WHOLE = 4
CHANGES = 1  # of ORDER
TRAIN = 2
SUM = 4

STATUS_SIZE = 26
BATCH_HEAD = 8
HEALTH_HEAD = 22
ANSWER_SIZE = 10
CONTEXT_SIZE = 18
MODEL_HEAD = 16
ORDER_HEAD = 16
SUM_SIZE = 16  # of what ORDER says of a masked sum: group, ticket, clip
ORDER_MOST = ORDER_HEAD + SUM_SIZE  # without changes
MAX_UNMASK = 16 + 15 * 264  # of a group of 16
UPDATE_HEAD = 8
NAME_SIZE = 8  # of a model: the head of its SHA-256
MAX_LAYERS = 8
PROXIMAL_ONE = 1 << 15  # of ORDER: 1.0, and the most
PAUSE = 30  # s before what there was no room for is offered again, unless REFUSE says more
PAUSE_MOST = 3600  # and after being doubled each time
PERIOD_LEAST = 10  # ms from state to state
PERIOD_MOST = 1 << 24
SECONDS = 1 << 15  # of BATCH's period: the other 15 bits are seconds, not ms


def is_period(ms: int) -> bool:
    """Tell whether states can be so many ms apart: BATCH can say so, and a clock counts it."""
    return PERIOD_LEAST <= ms <= PERIOD_MOST and (ms < SECONDS or ms % 1000 == 0)


def write_period(buf: bytearray, at: int, ms: int) -> None:
    """Write BATCH's period: ms, or from 32768 ms on seconds."""
    put16(buf, at, ms if ms < SECONDS else SECONDS | ms // 1000)


class Task:
    """What is to be learned, and how: sizes, signed inputs, share of weights sent, step sizes."""

    def __init__(
        self, sizes: "tuple[int, ...]", signed: bool, share: int, lb: int = 3, lrs: int = 3
    ) -> None:
        self.sizes = sizes
        self.signed = signed
        self.share = share
        self.lb = lb
        self.lrs = lrs


def write_sizes(sizes: "tuple[int, ...]", buf: bytearray, at: int) -> int:
    """Write the units of each layer to `buf` from `at` on; return where they end."""
    for units in sizes:
        put16(buf, at, units)
        at += 2
    return at


def read_sizes(buf: Buf, at: int, count: int) -> "tuple[int, ...]":
    """Return `count` layers' units from `buf`, from `at` on.

    Raises:
        FormatError: too few or too many layers, or the buffer ends before they do.
    """
    if not 2 <= count <= MAX_LAYERS or at + 2 * count > len(buf):
        raise FormatError("a model has 2 to %d layers of units, not %d" % (MAX_LAYERS, count))
    return tuple([get16(buf, at + 2 * i) for i in range(count)])


def read_model_head(head: Buf) -> Task:
    """Return the task of a MODEL object whose first bytes, sizes included, are `head`.

    Raises:
        FormatError: it is none, or of another version.
    """
    if len(head) < MODEL_HEAD or head[0] != VERSION:
        raise FormatError("not a model of version %d" % VERSION)
    sizes = read_sizes(head, MODEL_HEAD, head[2])
    return Task(sizes, bool(head[1] & SIGNED), get16(head, 6), head[3], head[4])


def write_update_head(buf: bytearray, round_number: int, samples: int, right: int) -> None:
    """Write the head of an UPDATE object to the front of `buf`."""
    put32(buf, 0, round_number)
    put16(buf, 4, samples)
    put16(buf, 6, right)


def write_status(
    buf: bytearray, phase: int, branch: int, flags: int, round_number: int, generation: int
) -> None:
    """Write what STATUS says of the learning."""
    buf[0] = VERSION
    buf[1] = phase
    buf[2] = branch
    buf[3] = flags
    put32(buf, 4, round_number)
    put32(buf, 8, generation)


def write_status_data(buf: bytearray, samples: int, inputs: int, model: bytes, layers: int) -> None:
    """Write what STATUS says of samples, model and senses."""
    put16(buf, 12, min(samples, 0xFFFF))
    put16(buf, 14, inputs)
    buf[16:24] = model
    put16(buf, 24, layers)
