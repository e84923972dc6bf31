"""SilState: 16 ByteSil, one per layer, 16 bytes (SPEC.md section 2).

A state is a value: every operation returns a new one.  Loops over streams of states work
on plain buffers instead (`sil.rho`, `sil.jsil`).
"""

from . import bytesil, layers
from .errors import FormatError, RangeError

SIZE = 16


class SilState:
    """One state.  Immutable: equal bytes are equal states with equal hashes."""

    def __init__(self, raw: bytes = bytes(SIZE)):
        if len(raw) != SIZE:
            raise FormatError("a state has 16 bytes, not %d" % len(raw))
        self._raw = bytes(raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SilState) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return "SilState(%s)" % " ".join("%02X" % b for b in self._raw)

    def to_bytes(self) -> bytes:
        """Return the 16 bytes, L0 first."""
        return self._raw

    def get_layer(self, layer: int) -> int:
        """Return the ByteSil of one layer, 0..15."""
        return self._raw[layers.check(layer)]

    def with_layer(self, layer: int, value: int) -> "SilState":
        """Return this state with one layer set to the ByteSil `value`.

        Raises:
            RangeError: no such layer, or `value` is no byte.
        """
        if not 0 <= value <= 255:
            raise RangeError("a ByteSil is 0..255, not %d" % value)
        raw = bytearray(self._raw)
        raw[layers.check(layer)] = value
        return SilState(bytes(raw))

    def project(self, mask: int) -> "SilState":
        """Return the layers of `mask` (bit i for layer i); the others become NULL."""
        return SilState(bytes([self._raw[i] if mask >> i & 1 else 0 for i in range(SIZE)]))

    def merge(self, other: "SilState", mask: int) -> "SilState":
        """Return this state with the layers of `mask` taken from `other`."""
        mine = self._raw
        return SilState(bytes([other._raw[i] if mask >> i & 1 else mine[i] for i in range(SIZE)]))

    def perception(self) -> bytes:
        """Return L0-L4."""
        return self._raw[0:5]

    def processing(self) -> bytes:
        """Return L5-L7."""
        return self._raw[5:8]

    def interaction(self) -> bytes:
        """Return L8-LA."""
        return self._raw[8:11]

    def emergence(self) -> bytes:
        """Return LB-LC."""
        return self._raw[11:13]

    def protocol(self) -> bytes:
        """Return LD-LF."""
        return self._raw[13:16]

    def tensor(self, other: "SilState") -> "SilState":
        """Return the layer-wise product."""
        return self._with(other, bytesil.mul)

    def xor(self, other: "SilState") -> "SilState":
        """Return the layer-wise XOR: what differs.  x.xor(x) is vacuum."""
        return self._with(other, bytesil.xor)

    def _with(self, other: "SilState", op: "object") -> "SilState":
        return SilState(bytes([op(self._raw[i], other._raw[i]) for i in range(SIZE)]))  # type: ignore[operator]

    def collapse(self, how: str = "xor") -> int:
        """Return one ByteSil of all 16 layers: their xor, complex sum, the first or the last.

        Raises:
            RangeError: `how` is not xor, sum, first or last.
        """
        if how == "xor":
            return _xor(self._raw)
        if how == "sum":
            return _sum(self._raw)
        if how == "first":
            return self._raw[0]
        if how == "last":
            return self._raw[SIZE - 1]
        raise RangeError("collapse %r is unknown: take xor, sum, first or last" % how)


def _xor(raw: bytes) -> int:
    value = 0
    for b in raw:
        value ^= b
    return value


def _sum(raw: bytes) -> int:
    """Return the byte nearest to the complex sum; 16 * 17967238 stays under 2**29."""
    re = 0
    im = 0
    for b in raw:
        re += bytesil.real(b)
        im += bytesil.imag(b)
    return bytesil.from_complex(re, im)


def from_bytes(raw: bytes) -> SilState:
    """Return the state of 16 bytes.

    Raises:
        FormatError: not 16 bytes.
    """
    return SilState(raw)


def vacuum() -> SilState:
    """Return the state in which every layer is NULL."""
    return SilState(bytes(SIZE))


def neutral() -> SilState:
    """Return the state in which every layer is ONE: the unit of `tensor`."""
    return SilState(bytes([bytesil.ONE] * SIZE))


def maximum() -> SilState:
    """Return the state in which every layer is MAX."""
    return SilState(bytes([bytesil.MAX] * SIZE))
