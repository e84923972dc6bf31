"""Kernels of masked sums: clipping, adding streams to words of 16 bits, shares over GF(2**8)."""

from ..compat import ptr8, ptr16, ptr32


def squares(changes: ptr16, n: int, limit: int, sums: ptr32) -> int:
    """Add the squares of n changes, each cut to +-limit, to sums: low 24 bits, and the rest.

    n up to 2**20 keeps both below 2**27.
    """
    low = sums[0]
    high = sums[1]
    i = 0
    while i < n:
        v = ((changes[i] & 0xFFFF) ^ 0x8000) - 0x8000
        if v < 0:
            v = -v
        if v > limit:
            v = limit
        v = v * v
        low += v & 0xFFFFFF
        high += (v >> 24) + (low >> 24)
        low = low & 0xFFFFFF
        i += 1
    sums[0] = low
    sums[1] = high
    return 0


def take(changes: ptr16, n: int, limit: int, factor: int, out: ptr8, at: int) -> int:
    """Move n changes, cut to +-limit and times factor / 2**14, to words in out[at:].

    Words have 16 bits, little-endian, two's complement.  factor is at most 2**14; it rounds
    towards zero.  What is not taken stays.
    """
    i = 0
    j = at
    while i < n:
        v = ((changes[i] & 0xFFFF) ^ 0x8000) - 0x8000
        size = v
        if v < 0:
            size = -v
        if size > limit:
            size = limit
        size = (size * factor) >> 14
        if v < 0:
            size = -size
        v -= size
        if v < -32767:
            v = -32767
        changes[i] = v
        out[j] = size & 0xFF
        out[j + 1] = (size >> 8) & 0xFF
        i += 1
        j += 2
    return j


def give(words: ptr8, at: int, n: int, changes: ptr16) -> int:
    """Add n words, two's complement, to changes, saturating at +-32767."""
    i = 0
    while i < n:
        v = ((words[at] | (words[at + 1] << 8)) ^ 0x8000) - 0x8000
        v += ((changes[i] & 0xFFFF) ^ 0x8000) - 0x8000
        if v > 32767:
            v = 32767
        if v < -32767:
            v = -32767
        changes[i] = v
        i += 1
        at += 2
    return 0


def add(out: ptr8, at: int, end: int, stream: ptr8, sign: int) -> int:
    """Add (sign 1) or subtract (-1) a stream's words to those in out[at:end], modulo 2**16."""
    i = 0
    while at < end:
        v = out[at] | (out[at + 1] << 8)
        m = stream[i] | (stream[i + 1] << 8)
        v = (v + sign * m) & 0xFFFF
        out[at] = v & 0xFF
        out[at + 1] = v >> 8
        i += 2
        at += 2
    return at


def share(rows: ptr8, count: int, size: int, x: int, out: ptr8, at: int) -> int:
    """Write the value at x of `size` polynomials over GF(2**8) to out[at:].

    rows[k * size + i] is coefficient k < count of polynomial i.  The field is that of AES,
    x**8 + x**4 + x**3 + x + 1.
    """
    i = 0
    while i < size:
        value = 0
        k = count - 1
        while k >= 0:
            a = value
            y = x
            value = rows[k * size + i] & 0xFF
            while y > 0:
                if y & 1:
                    value = value ^ a
                a = a << 1
                if a & 0x100:
                    a = a ^ 0x11B
                y = y >> 1
            k -= 1
        out[at + i] = value
        i += 1
    return at + size
