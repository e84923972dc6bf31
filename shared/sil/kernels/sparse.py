"""Kernels of an update: the k largest of a vector, coded, with what is left kept (SPEC.md section 5).

Vectors are int16 Q12; a code is a ByteSil, 0 where nothing is sent.
"""

from ..compat import ptr8, ptr16, ptr32


def kth(values: ptr16, n: int, k: int, bins: ptr32) -> int:
    """Return the k-th largest |value|, 1 <= k <= n: a radix select with 256 bins of scratch.

    Two rounds over the vector, the high 8 bits of |value| and then the low 7, so that
    the limit is exact and the same everywhere; nothing is sorted or moved.
    """
    high = 0
    digit = 0
    left = k
    while digit < 2:
        b = 0
        while b < 256:
            bins[b] = 0
            b += 1
        i = 0
        while i < n:
            v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
            if v < 0:
                v = -v
            if digit == 0:
                bins[v >> 7] = bins[v >> 7] + 1
            elif v >> 7 == high:
                bins[v & 127] = bins[v & 127] + 1
            i += 1
        b = 255
        while b > 0 and bins[b] < left:
            left -= bins[b]
            b -= 1
        if digit == 0:
            high = b
        digit += 1
    return (high << 7) + b


def take(
    values: ptr16, n: int, limit: int, k: int, limits: ptr32, table: ptr8, dec: ptr32, out: ptr8
) -> int:
    """Move the k largest values, whose least is `limit`, into codes; return how many.

    out[i] is the nearest code of a value taken, else 0; what the code does not hold stays
    in values[i].  Of equal ones at the limit the first win.
    """
    ties = k
    i = 0
    while i < n:
        v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
        if v > limit or v < -limit:
            ties -= 1
        i += 1
    taken = 0
    i = 0
    while i < n:
        v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
        size = v
        if v < 0:
            size = -v
        code = 0
        if size == limit and ties > 0 or size > limit:
            if size == limit:
                ties -= 1
            low = 0
            high = 120
            while low < high:
                middle = (low + high) >> 1
                if size << 2 >= limits[middle]:
                    low = middle + 1
                else:
                    high = middle
            if low > 0:
                code = table[low - 1] & 0xFF
                if v < 0:
                    code = code ^ 8
                d = ((dec[code] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
                values[i] = v - ((d + 2) >> 2)
                taken += 1
        out[i] = code
        i += 1
    return taken


def add(values: ptr16, n: int, codes: ptr8, dec: ptr32) -> int:
    """Add the decoded codes to int16 Q12 values, saturating at +-8."""
    i = 0
    while i < n:
        if codes[i]:
            v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
            d = ((dec[codes[i]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            v += (d + 2) >> 2
            if v > 32767:
                v = 32767
            if v < -32767:
                v = -32767
            values[i] = v
        i += 1
    return 0


def gain(total: ptr16, n: int, new: ptr16, old: ptr16) -> int:
    """Add new - old to the totals, all int16 Q12, saturating at +-8."""
    i = 0
    while i < n:
        v = ((total[i] & 0xFFFF) ^ 0x8000) - 0x8000
        v += ((new[i] & 0xFFFF) ^ 0x8000) - 0x8000
        v -= ((old[i] & 0xFFFF) ^ 0x8000) - 0x8000
        if v > 32767:
            v = 32767
        if v < -32767:
            v = -32767
        total[i] = v
        i += 1
    return 0
