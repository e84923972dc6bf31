"""Kernels of rho_sil: counting a vector of ByteSil, and the three terms from the counts.

The counts are kept in one int32 buffer: element b < 256 is how often byte b occurred.
"""

from ..compat import ptr8, ptr16, ptr32


def count(
    buf: ptr8, start: int, end: int, last: int, magnitudes: ptr32, gap: int, counts: ptr32
) -> int:
    """Count buf[start:end] into `counts`; return how many neighbours' |z| differ by over `gap`.

    `last` is the byte before buf[start], or -1 where there is none.
    """
    changes = 0
    i = start
    m = 0
    if last >= 0:
        m = magnitudes[last >> 4]
        if last == 0:
            m = 0
    while i < end:
        b = buf[i] & 0xFF
        counts[b] = counts[b] + 1
        k = magnitudes[b >> 4]
        if b == 0:
            k = 0
        d = k - m
        if d < 0:
            d = -d
        if d > gap and last >= 0:
            changes += 1
        m = k
        last = b
        i += 1
    return changes


def entropy_sum(counts: ptr32, log2: ptr16, down: int) -> int:
    """Return the sum of c * log2(c) over the counts c <= 2**20, in Q(10 - down), down <= 10.

    `log2` is the table of log2(1 + i/64), Q10, interpolated as `intmath.log2` does.
    """
    total = 0
    b = 0
    while b < 256:
        c = counts[b]
        if c > 1:
            exponent = 0
            while c >> exponent > 1:
                exponent += 1
            if exponent > 12:
                fraction = (c >> (exponent - 12)) & 4095
            else:
                fraction = (c << (12 - exponent)) & 4095
            k = fraction >> 6
            low = log2[k]
            up = log2[k + 1] - low
            bits = (exponent << 10) + low + ((up * (fraction & 63) + 32) >> 6)
            # In two halves: a product of 20 and 15 bits would not fit.
            total += (((c >> 10) * bits) << (10 - down)) + (((c & 1023) * bits) >> down)
        b += 1
    return total


def variance(counts: ptr32, magnitudes: ptr32, n: int) -> int:
    """Return min(variance of |z|, 1) of the n counted bytes, Q15, from 17 groups of equal |z|.

    Two rounds, the mean and then the squares; each adds floor(value * c / n) by long
    division, since the product has up to 50 bits.
    """
    mean = 0
    total = 0
    square = 0
    while square < 2:
        g = 0
        while g < 17:
            c = counts[0]
            m = 0
            if g < 16:
                m = magnitudes[g]
                c = 0
                if g == 0:
                    c = -counts[0]
                b = g << 4
                while b < (g << 4) + 16:
                    c += counts[b]
                    b += 1
            shift = 0
            if square:
                m -= mean
                if m < 0:
                    m = -m
                while m >> shift >= 16384:
                    shift += 1
                m = (m >> shift) * (m >> shift)
            quotient = 0
            rest = 0
            bit = 1 << 28
            while bit:
                quotient = quotient << 1
                rest = rest << 1
                if m & bit:
                    rest += c
                while rest >= n:
                    rest -= n
                    quotient += 1
                bit = bit >> 1
            if square:
                # Q(28 - 2*shift): one or more is the cap of the whole.
                if quotient >= 1 << (28 - 2 * shift):
                    return 32768
                if 2 * shift < 13:
                    total += quotient >> (13 - 2 * shift)
                else:
                    total += quotient << (2 * shift - 13)
            else:
                mean += quotient
            g += 1
        square += 1
    if total > 32768:
        total = 32768
    return total
