"""Sound to octaves: each half-band filter keeps the lower half for the next and measures the rest.

The filter has 11 taps, 3 0 -25 0 150 256 150 0 -25 0 3, over 512: the half-band filter that
is flattest at both ends (Deslauriers and Dubuc's interpolation of six points).
"""

from sil.compat import ptr8, ptr16, ptr32


def gather(src: ptr8, start: int, n: int, dst: ptr16, at: int) -> int:
    """Put `n` little-endian int16 samples src[start:] into int16 dst[at:]; return their end."""
    i = int(start)
    j = int(at)
    end = j + n
    while j < end:
        dst[j] = ((src[i] & 0xFF | (src[i + 1] & 0xFF) << 8) ^ 0x8000) - 0x8000
        i += 2
        j += 1
    return j


def split(src: ptr16, n: int, dst: ptr16, past: ptr16, start: int, energy: ptr32, band: int) -> int:
    """Halve the rate of `n` samples (even), and add up the energy of what is lost; return n // 2.

    The samples are int16 src[10:10 + n], what is kept of them goes to dst[10:10 + n // 2].
    int16 past[start:start + 10] are the ten samples before, and are then the last ten of
    these.  The sum of the squares of the upper half's n samples is added to int32
    energy[2 * band] in units of 2**14, with the rest in energy[2 * band + 1].
    """
    i = 0
    while i < 10:
        src[i] = ((past[start + i] & 0xFFFF) ^ 0x8000) - 0x8000
        i += 1
    high = energy[2 * band] & 0x3FFFFFFF
    low = energy[2 * band + 1] & 0x3FFFFFFF
    i = 0
    while i < n:
        middle = ((src[i + 5] & 0xFFFF) ^ 0x8000) - 0x8000
        outer = (((src[i] & 0xFFFF) ^ 0x8000) - 0x8000) + (
            ((src[i + 10] & 0xFFFF) ^ 0x8000) - 0x8000
        )
        inner = (((src[i + 2] & 0xFFFF) ^ 0x8000) - 0x8000) + (
            ((src[i + 8] & 0xFFFF) ^ 0x8000) - 0x8000
        )
        beside = (((src[i + 4] & 0xFFFF) ^ 0x8000) - 0x8000) + (
            ((src[i + 6] & 0xFFFF) ^ 0x8000) - 0x8000
        )
        y = (3 * outer - 25 * inner + 150 * beside + 256 * middle + 256) >> 9
        if y > 32767:
            y = 32767
        if y < -32767:
            y = -32767
        if i & 1 == 0:
            dst[10 + (i >> 1)] = y
        rest = middle - y
        if rest < 0:
            rest = -rest
        if rest > 32767:
            rest = 32767
        # rest * rest by halves of seven bits, as limbs of 14.
        upper = rest >> 7
        lower = rest & 127
        tail = upper * lower * 256 + lower * lower
        high += upper * upper + (tail >> 14)
        low += tail & 0x3FFF
        i += 1
    energy[2 * band] = high
    energy[2 * band + 1] = low
    i = 0
    while i < 10:
        past[start + i] = ((src[n + i] & 0xFFFF) ^ 0x8000) - 0x8000
        i += 1
    return n >> 1


def levels(energy: ptr32, bands: int, n: int, out: ptr32) -> int:
    """Write the root of each band's mean square, the lowest band first; return the loudest one.

    Band 0 of `energy` was summed over `n` samples (at most 4096), each next over half as many.
    What was summed is cleared.
    """
    loudest = 0
    most = -1
    band = 0
    count = int(n)
    while band < bands:
        high = energy[2 * band] & 0x3FFFFFFF
        low = energy[2 * band + 1] & 0x3FFFFFFF
        energy[2 * band] = 0
        energy[2 * band + 1] = 0
        square = ((high // count) << 14) + ((((high % count) << 14) + low) // count)
        root = 0
        bit = 1 << 28
        while bit > 0:
            if square >= root + bit:
                square -= root + bit
                root = (root >> 1) + bit
            else:
                root = root >> 1
            bit = bit >> 2
        at = bands - 1 - band
        out[at] = root
        if root >= most:
            most = root
            loudest = at
        band += 1
        count = count >> 1
    return loudest
