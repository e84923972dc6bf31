"""The entropy coder of frames: a model, and one kernel call a block (SPEC.md section 4).

Memory: 3 bytes a probability and 4 a mixing weight (`MODEL_BYTES`), 4 bytes a column of
the widest matrix, one byte an element; 4 KB of tables once for all coders.
"""

from array import array

from . import coder_tables
from .compat import Buf, Ints, const
from .errors import RangeError
from .kernels import entropy, spans

SLOTS = 2744
MODEL_BYTES = 3 * SLOTS + 4 * 60

MAX_WIDTH = 1024  # of a matrix, so that the memory for its columns is bounded

_WEIGHT = const(22)  # where the mixing weights begin in the kernels' state
_SPAN = const(0xFFFFFFF)
_LOOSE = const(256)  # elements a row where nothing is known of rows
_UNKNOWN = const(8)  # class of an element; 0..7 are for the layers of a network
_BY_COLUMN = const(16)
_ENDLESS = const(65535)


def segments(size: int, group: int, rows: "tuple[int, ...]") -> "list[int]":
    """Return (width, rows, class) for each part of a frame of `size` elements.

    `rows` are the units of a network's layers, the input first: the frame is then for each
    layer the weights [out][in] and the biases.  Without them a frame of one of many in a
    block is a row of its own, and any other is taken as loose rows.

    Raises:
        RangeError: `rows` do not make `size` elements, or a layer is wider than MAX_WIDTH.
    """
    if rows:
        total = 0
        parts: "list[int]" = []
        for k in range(len(rows) - 1):
            wide, high = rows[k], rows[k + 1]
            if not (0 < wide <= MAX_WIDTH and 0 < high <= MAX_WIDTH):
                raise RangeError("a layer has 1..%d units, not %d" % (MAX_WIDTH, wide))
            parts += [wide, high, min(2 * k, 6), high, 1, min(2 * k + 1, 7)]
            total += (wide + 1) * high
        if total != size:
            raise RangeError("layers of %s make %d elements, not %d" % (rows, total, size))
        return parts
    if (group > 1 and size <= _LOOSE) or size <= 16:
        return [size, _ENDLESS, _BY_COLUMN if size <= 16 else _UNKNOWN]
    return [_LOOSE, 1, _UNKNOWN]


class Model:
    """What a coder learns, `MODEL_BYTES`, and the kernel's words; a table if it is to be shared."""

    def __init__(self, shared: bool = False) -> None:
        self.table = coder_tables.plain() if shared else None
        self._shown = -1  # what bytes the symbols of the table are for
        self.prob = array("H", bytes(2 * SLOTS))
        self.count = bytearray(SLOTS)
        self.st = array("i", bytes(4 * (_WEIGHT + len(coder_tables.weights()))))

    def show(self, states: bool) -> None:
        """Let the table's symbols be those of states, or else of weights."""
        if self.table is not None and self._shown != states:
            coder_tables.show(self.table, states)
            self._shown = states


class Coder:
    """Codes blocks of `group` frames of `size` bytes; the model learns from one to the next.

    `symbols` is a buffer of size * group elements to work in, from who has one to spare.
    `model`, made as ``Model(True)``, may be shared by coders that are `reset` before each block,
    and never at work at the same time.

    Raises:
        RangeError: see `segments`.
    """

    def __init__(
        self, size: int, group: int = 1, rows: "tuple[int, ...]" = (),
        symbols: "Ints | bytearray | None" = None, model: "Model | None" = None,
    ) -> None:  # fmt: skip
        parts = segments(size, group, rows)
        self._segments = array("H", parts)
        wide = max(rows) if rows else parts[0]
        self._column = array("H", bytes(4 * wide))
        self._symbols = bytearray(size * group) if symbols is None else symbols
        self._states = parts[2] == _BY_COLUMN
        self._weights = coder_tables.weights()
        model = model or Model()
        self._model = model
        self._table = model.table or coder_tables.table(self._states)
        self._prob = model.prob
        self._count = model.count
        self._st = model.st
        self._parts = len(parts) // 3
        self._wide = wide
        self._nothing = bytearray(1)
        self.reset()

    def reset(self) -> None:
        """Forget all that was learned: back to the shipped priors."""
        self._model.show(self._states)
        spans.start(coder_tables.PRIORS, SLOTS, self._prob, self._count, self._table)
        spans.weigh(self._weights, len(self._weights), self._st)

    def copy(self, other: "Coder") -> None:
        """Take over what `other`, of the same shape, has learned."""
        spans.same(other._prob, other._count, SLOTS, other._st, len(self._weights),
                   self._prob, self._count, self._st)  # fmt: skip

    def encode(
        self, raw: bytearray, before: int, n: int, delta: int,
        side: "bytearray | None", out: bytearray, at: int, end: int,
    ) -> int:  # fmt: skip
        """Code raw[before:before + n] to out[at:end]; return where it ended, or -1 if it is full.

        With `delta` the elements are taken against those `before` places earlier; `side` is
        a byte an element that the reader will have too.
        """
        st = self._st
        spans.turn(raw, before, n, delta, self._table, self._symbols, st)
        if at >= end:
            return -1
        out[at] = st[11]
        self._aim(at + 1, end, n, before, delta, side, 0)
        beside = side if side is not None else self._nothing
        done = entropy.code(
            out, out, self._symbols, raw, beside, self._prob, self._count, st, self._table,
            self._column, self._segments,
        )  # fmt: skip
        return done if done < 0 else spans.finish(out, at + 1, st)

    def decode(
        self, data: Buf, at: int, end: int,
        raw: bytearray, before: int, n: int, delta: int, side: "bytearray | None",
    ) -> None:  # fmt: skip
        """Undo `encode`: data[at:end] back to raw[before:before + n], whatever the bytes are."""
        st = self._st
        st[11] = data[at]
        self._aim(at + 1, end, n, before, delta, side, 1)
        spans.begin(data, st)
        beside = side if side is not None else self._nothing
        entropy.code(
            data, self._nothing, self._symbols, raw, beside, self._prob, self._count, st,
            self._table, self._column, self._segments,
        )  # fmt: skip

    def _aim(self, at: int, end: int, n: int, before: int, delta: int,
             side: "bytearray | None", decode: int) -> None:  # fmt: skip
        st = self._st
        st[0] = at
        st[1] = end
        st[2] = 0
        st[3] = _SPAN
        st[4] = n
        st[5] = self._parts
        st[6] = self._wide
        st[7] = before
        st[8] = delta
        st[9] = 1 if side is not None else 0
        st[10] = decode
