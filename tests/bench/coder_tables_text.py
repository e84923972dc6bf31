"""The text of shared/sil/coder_tables.py, from a trained prior and the logistic function."""

from collections.abc import Sequence

from mpmath import exp, floor, mp, mpf

mp.dps = 50

HEAD = '''"""Frozen tables of the entropy coder, by tests/bench/train_priors.py: do not edit.

`PRIORS` holds a byte for each probability of the model: its logit in 5 bits, in halves
from -7.75 to 7.75, and in 3 bits c how sure it is: as if it had learned from 2**c - 1 bits.
`table` is what the kernels read; it is made once, from integers only.
"""

from array import array

from . import tables
'''

TAIL = '''
_made: "dict[bool, array[int]]" = {}


def weights() -> "array[int]":
    """Return the mixer's weights at the start, Q14, int16, six a set."""
    return array("h", _WEIGHTS)


def table(states: bool) -> "array[int]":
    """Return the table of kernels.entropy (its head says what is where), made at first use.

    Its symbols are for bytes that are `states`, or else weights.
    """
    made = _made.get(states)
    if made is None:
        made = _made[states] = plain()
        show(made, states)
    return made


def plain() -> "array[int]":
    """Return a new table that has no symbols yet: `show` puts them in."""
    made = array("H", bytes(2 * 1921))
    _logistic(made)
    _inverse(made)
    for i in range(128):
        made[1025 + i] = 32768 // (2 * i + 3)  # 1 / (i + 1.5), Q14
    _density(made)
    return made


def show(made: "array[int]", states: bool) -> None:
    """Put the symbols of one kind of bytes into a table: of `states`, or else weights."""
    if states:
        _nibbles(made)
    else:
        _ranks(made)


def _logistic(made: "array[int]") -> None:
    half = array("H", _LOGISTIC)
    for i in range(128):
        made[i] = half[i]
        made[256 - i] = 65536 - half[i]
    made[128] = 32768


def _inverse(made: "array[int]") -> None:
    """Fill in how far below 1/2 a probability is, in 1/256 of its logit: p >> 8, p >> 4 and p."""
    x = 0  # 2047 - x is the logit's distance from 0; it falls as p grows
    for scale in range(3):
        shift = 8 - 4 * scale
        x = 0
        for i in range(256):
            p = (i << shift) + (1 << shift >> 1)
            if p > 32768:
                p = 32768
            while x < 2047:
                at = (x + 1) >> 4
                low = made[at]
                if low + ((made[at + 1] - low) * ((x + 1) & 15) >> 4) >= p:
                    break
                x += 1
            made[257 + 256 * scale + i] = 2047 - x


def _density(made: "array[int]") -> None:
    """Fill in the class of a density in 1/256: 2 log2(1 / density), 15 at most."""
    for i in range(256):
        k = 0
        x = (i * 16 + 11) * 181 >> 7
        while k < 15 and x <= 4096:
            x = x * 181 >> 7
            k += 1
        made[1153 + i] = k


def _nibbles(made: "array[int]") -> None:
    """Fill in the symbol of each byte and back: theta's high bit, rho, theta's other bits."""
    for code in range(256):
        symbol = (code & 8) << 4 | (code & 0xF0) >> 1 | (code & 7)
        made[1409 + code] = symbol
        made[1665 + symbol] = code


def _ranks(made: "array[int]") -> None:
    """Fill in the symbol of each byte and back: rank by weight, sign in bit 7.

    The codes 0x01..0x0F, which decode to zero as NULL does, come last.
    """
    codes = tables.level_codes()
    for i in range(128):
        if i == 0:
            code = 0
        elif i <= len(codes):
            code = codes[i - 1]
        else:
            code = i - len(codes)
        made[1409 + code] = i
        made[1409 + (code ^ 8)] = i | 128
        made[1665 + i] = code
        made[1665 + (i | 128)] = code ^ 8
'''


def logistic() -> list[int]:
    """Return round(65536 / (1 + e**-x)) for the 129 x from -8 to 0 in steps of 1/16."""
    return [int(floor(65536 / (1 + exp(mpf(128 - i) / 16)) + mpf("0.5"))) for i in range(129)]


def _literal(name: str, raw: bytes, note: str) -> str:
    lines = [f"\n# {note}", f"{name} = ("]
    for at in range(0, len(raw), 24):
        lines.append('    b"' + "".join(f"\\x{b:02x}" for b in raw[at : at + 24]) + '"')
    return "\n".join([*lines, ")\n"])


def _int16(values: Sequence[int]) -> bytes:
    return b"".join((v & 0xFFFF).to_bytes(2, "little") for v in values)


def text(priors: bytes, weights: Sequence[int]) -> str:
    """Return the module's source for these priors and starting weights."""
    return (
        HEAD
        + _literal("PRIORS", priors, f"{len(priors)} probabilities")
        + _literal("_WEIGHTS", _int16(weights), f"{len(weights) // 6} sets of 6 x int16")
        + _literal("_LOGISTIC", _int16(logistic()), "129 x uint16")
        + TAIL
    )
