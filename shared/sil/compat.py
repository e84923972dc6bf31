"""The one module that knows how the interpreters differ.

Everything else under ``sil`` is written in the common subset of CPython,
MicroPython and CircuitPython and imports its differences from here.
"""

try:
    from micropython import const
except ImportError:

    def const(value: int) -> int:
        """Mark a compile-time integer; MicroPython's compiler folds it in."""
        return value


try:
    from hashlib import sha256
except ImportError:  # CircuitPython names the hash by a string
    from hashlib import new as _new_hash

    def sha256(data=b""):
        """Start a SHA-256 over ``data``."""
        return _new_hash("sha256", data)


try:
    from cryptolib import aes as _aes

    def aes(key):
        """Return AES under ``key`` in ECB mode, with ``encrypt(block, out)``."""
        return _aes(key, 1)
except ImportError:
    aes = None  # the host has its own: paebiru.transport.aes; others go without


# Names of viper's pointer types.  Viper reads them at compile time and
# MicroPython's bytecode compiler ignores annotations, but CPython evaluates
# them when a kernel is defined, so they must exist.
ptr8 = object
ptr16 = object
ptr32 = object

# Names of argument types, for checkers (compat.pyi says what they are).
Buf = object
Ints = object
Frames = object
Unpacked = object
Blocks = object
About = object

_TICKS_PERIOD = const(1 << 29)
_TICKS_HALF = const(1 << 28)


def ticks_add(ticks: int, delta: int) -> int:
    """Return ``ticks + delta`` on the 29-bit clock (milliseconds)."""
    return (ticks + delta) % _TICKS_PERIOD


def ticks_diff(later: int, earlier: int) -> int:
    """Return ``later - earlier`` in ms, signed; right while they are < 2**28 ms (74 h) apart."""
    return ((later - earlier + _TICKS_HALF) % _TICKS_PERIOD) - _TICKS_HALF
