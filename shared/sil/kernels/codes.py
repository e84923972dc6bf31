"""Kernels between integers and ByteSil codes: whole vectors of weights (SPEC.md section 1.3)."""

from ..compat import ptr8, ptr16, ptr32


def encode16(values: ptr16, n: int, limits: ptr32, table: ptr8, out: ptr8) -> int:
    """Write out[i] = the code nearest to values[i], int16 Q12.

    `limits` are the 120 rounding limits in Q14, `table` the codes of the levels.
    """
    i = 0
    while i < n:
        v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
        size = v << 2
        if v < 0:
            size = -size
        low = 0
        high = 120
        while low < high:
            middle = (low + high) >> 1
            if size >= ((limits[middle] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000:
                low = middle + 1
            else:
                high = middle
        code = 0
        if low > 0:
            code = table[low - 1] & 0xFF
            if v < 0:
                code = code ^ 8
        out[i] = code
        i += 1
    return 0


def decode16(codes: ptr8, n: int, dec: ptr32, out: ptr16) -> int:
    """Write out[i] = the weight of codes[i], rounded half up to int16 Q12, saturating at +-8."""
    i = 0
    while i < n:
        v = ((dec[codes[i]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        v = (v + 2) >> 2
        if v > 32767:
            v = 32767
        if v < -32767:
            v = -32767
        out[i] = v
        i += 1
    return 0
