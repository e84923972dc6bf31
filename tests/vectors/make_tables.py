"""Write shared/sil/tables.py: every frozen table of the core, from 50-digit arithmetic.

Run by ``make vectors``; `tests/host/test_tables.py` fails if the file differs from
what this prints, so the bytes on a board are the ones that the formulas give.
"""

from pathlib import Path

from mpmath import cos, exp, floor, log, mp, mpf, pi

mp.dps = 50
OUT = Path(__file__).parents[2] / "shared" / "sil" / "tables.py"

HEAD = '''"""Frozen tables of the core.  Written by tests/vectors/make_tables.py: do not edit.

Each is little-endian integers in one bytes literal (flash when frozen, a third of the
RAM of a tuple).  A table is unpacked into an array when it is first asked for, and kept.
"""

from array import array
'''

TAIL = '''
_made: "dict[str, array[int]]" = {}


def _get(key: str, typecode: str, raw: bytes) -> "array[int]":
    table = _made.get(key)
    if table is None:
        table = _made[key] = array(typecode, raw)
    return table


def levels() -> "array[int]":
    """Return the 120 positive weight values, ascending, Q14, int32."""
    return _get("levels", "i", _LEVELS)


def level_codes() -> bytes:
    """Return the code of each value of `levels`; bit 3 flipped is its negative."""
    return _LEVEL_CODES


def thresholds() -> "array[int]":
    """Return the 120 rounding limits of `encode`: |v| >= limit i means level i or above, Q14."""
    table = _made.get("thresholds")
    if table is None:
        level = array("i", _LEVELS)  # not kept: once is enough
        table = array("i", level)
        below = 0
        for i in range(len(level)):
            table[i] = (below + level[i] + 1) >> 1
            below = level[i]
        _made["thresholds"] = table
    return table


def dec() -> "array[int]":
    """Return DEC: the weight of each of the 256 codes, Q14, int32."""
    table = _made.get("dec")
    if table is None:
        table = array("i", bytes(1024))
        level = array("i", _LEVELS)  # not kept: once is enough
        for i in range(len(level)):
            table[_LEVEL_CODES[i]] = level[i]
            table[_LEVEL_CODES[i] ^ 8] = -level[i]
        _made["dec"] = table
    return table


def expn() -> "array[int]":
    """Return e**(-i/32) for i = 0..255, Q12, int16."""
    return _get("expn", "h", _EXPN)


def magnitudes() -> "array[int]":
    """Return e**(i-8) for i = 0..15, Q14, int32."""
    return _get("magnitudes", "i", _MAGNITUDES)


def cosines() -> "array[int]":
    """Return cos(i*pi/8) for i = 0..15, Q14, int16; sin(i*pi/8) is entry (i + 12) & 15."""
    return _get("cosines", "h", _COSINES)


def log2_fractions() -> "array[int]":
    """Return log2(1 + i/64) for i = 0..64, Q10, int16."""
    return _get("log2", "h", _LOG2)


def rho_limits() -> "array[int]":
    """Return e**(i - 7.5) for i = 0..14, Q14, int32: where |z| rounds up to rho = i - 7."""
    return _get("rho_limits", "i", _RHO_LIMITS)
'''


def half_away(value: mpf) -> int:
    """Round half away from zero."""
    return int(floor(abs(value) + mpf(1) / 2)) * (1 if value >= 0 else -1)


def decode(code: int) -> int:
    """w = e**rho * cos(theta*pi/8 - 3*pi/64), Q14; 0x0t is zero."""
    rho, theta = (code >> 4) - 8, code & 15
    if rho == -8:
        return 0
    return half_away(exp(rho) * cos(theta * pi / 8 - 3 * pi / 64) * 2**14)


def literal(name: str, comment: str, raw: bytes) -> str:
    """Return `raw` as an assignment of adjacent hex literals, 24 bytes a line."""
    rows = [raw[i : i + 24] for i in range(0, len(raw), 24)]
    lines = ['    b"' + "".join(f"\\x{b:02x}" for b in row) + '"' for row in rows]
    return f"# {comment}\n{name} = (\n" + "\n".join(lines) + "\n)\n"


def packed(values: list[int], size: int) -> bytes:
    """Return `values` as little-endian signed integers of `size` bytes."""
    return b"".join(v.to_bytes(size, "little", signed=True) for v in values)


def rounded(values: list[mpf], size: int) -> bytes:
    """Return `values`, rounded, as `packed` does."""
    return packed([half_away(v) for v in values], size)


def text() -> str:
    """Return the whole module."""
    positive = sorted((decode(c), c) for c in range(256) if decode(c) > 0)
    assert len(positive) == 120 == len({v for v, _ in positive})
    assert all(decode(c ^ 8) == -decode(c) for c in range(256))
    expn = [exp(mpf(-i) / 32) * 2**12 for i in range(256)]
    magnitudes = [exp(i - 8) * 2**14 for i in range(16)]
    cosines = [cos(i * pi / 8) * 2**14 for i in range(16)]
    log2 = [log(1 + mpf(i) / 64, 2) * 2**10 for i in range(65)]
    rho_limits = [exp(mpf(2 * i - 15) / 2) * 2**14 for i in range(15)]
    tables = [
        literal("_LEVELS", "120 x int32", packed([v for v, _ in positive], 4)),
        literal("_LEVEL_CODES", "120 codes", bytes(c for _, c in positive)),
        literal("_EXPN", "256 x int16", rounded(expn, 2)),
        literal("_MAGNITUDES", "16 x int32", rounded(magnitudes, 4)),
        literal("_COSINES", "16 x int16", rounded(cosines, 2)),
        literal("_LOG2", "65 x int16", rounded(log2, 2)),
        literal("_RHO_LIMITS", "15 x int32", rounded(rho_limits, 4)),
    ]
    return HEAD + "\n" + "\n".join(tables) + TAIL


if __name__ == "__main__":
    OUT.write_text(text())
    print(f"wrote {OUT.name}")
