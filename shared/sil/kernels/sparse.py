"""Kernels of an update: the k largest of a vector, coded, what is left kept (SPEC.md section 5).

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
                if v > 32767:  # -32768 counts as -32767: it is over the last bin
                    v = 32767
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


def mean(values: ptr16, n: int, limit: int) -> int:
    """Return the mean |value| of those with |value| >= limit, floor; 0 if there is none.

    The sum has up to 35 bits: it is kept as high * 2**15 + low and divided bit by bit.
    """
    low = 0
    high = 0
    count = 0
    i = 0
    while i < n:
        v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
        if v < 0:
            v = -v
        if v >= limit:
            low += v
            high += low >> 15
            low = low & 0x7FFF
            count += 1
        i += 1
    quotient = 0
    i = 14
    while i >= 0 and count:
        high = (high << 1) + ((low >> i) & 1)
        quotient = quotient << 1
        if high >= count:
            high -= count
            quotient += 1
        i -= 1
    return quotient


def take(
    values: ptr16, n: int, limit: int, k: int, same: int, limits: ptr32, table: ptr8, dec: ptr32,
    out: ptr8,
) -> int:  # fmt: skip
    """Move the k largest values, whose least is `limit`, into codes; return how many.

    out[i] is the code nearest to `same` (with the value's sign), or to the value itself if
    `same` is 0; and 0 where nothing is taken. What a code does not hold stays in values[i].
    Of equal values at the limit the first win; zeros are never taken.
    """
    ties = k
    i = 0
    while i < n:
        v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
        if v > limit or (v < -limit and limit < 32767):
            ties -= 1
        i += 1
    taken = 0
    i = 0
    while i < n:
        v = ((values[i] & 0xFFFF) ^ 0x8000) - 0x8000
        size = v
        if v < 0:
            size = -v
            if size > 32767:
                size = 32767
        code = 0
        if size and (size > limit or (size == limit and ties > 0)):
            if size == limit:
                ties -= 1
            if same:
                size = same
            low = 0
            high = 120
            while low < high:
                middle = (low + high) >> 1
                if size << 2 >= limits[middle]:
                    low = middle + 1
                else:
                    high = middle
            code = table[low - 1] & 0xFF
            if v < 0:
                code = code ^ 8
            d = ((dec[code] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            v -= (d + 2) >> 2
            if v > 32767:
                v = 32767
            if v < -32767:
                v = -32767
            values[i] = v
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


def copy(to: ptr16, n: int, values: ptr16) -> int:
    """Copy n int16 elements."""
    i = 0
    while i < n:
        to[i] = values[i]
        i += 1
    return 0


def activity(
    base: ptr16, first: ptr8, w0: int, nin: int, nout: int, dec: ptr32, rows: ptr32, cols: ptr32
) -> int:
    """Measure how much a layer has moved since the first model, by row and by column.

    rows[o] and cols[k] (k = nin is the biases' column) become 2*lg of the mean |movement| in
    Q14, lg counting half octaves: 2*bits + the bit below the top one. Returns their sum over
    the layer's elements, so that a caller can form the mean over a model.
    """
    k = 0
    while k <= nin:
        cols[k] = 0
        k += 1
    total = 0
    o = 0
    while o < nout:
        across = 0
        k = 0
        while k <= nin:
            w = w0 + o * nin + k
            if k == nin:
                w = w0 + nout * nin + o
            d = ((dec[first[w]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            d = ((((base[w] & 0xFFFF) ^ 0x8000) - 0x8000) << 2) - d
            if d < 0:
                d = -d
            if d > 0xFFFF:
                d = 0xFFFF
            across += d
            cols[k] = cols[k] + d
            k += 1
        rows[o] = across // (nin + 1)
        o += 1
    i = 0
    while i <= nin + nout:
        if i < nout:
            d = rows[i]
        else:
            d = cols[i - nout] // nout
        x = 0
        while d >> x:
            x += 1
        y = 2 * x
        if x > 1:
            y += (d >> (x - 2)) & 1
        if i < nout:
            rows[i] = 2 * y
            total += 2 * y * (nin + 1)
        else:
            cols[i - nout] = 2 * y
            total += 2 * y * nout
        i += 1
    return total


def expect(
    base: ptr16, first: ptr8, w0: int, nin: int, nout: int, dec: ptr32, rows: ptr32, cols: ptr32,
    bias: int, out: ptr8,
) -> int:  # fmt: skip
    """Write out[w] = what both ends expect of element w of the next update.

    High nibble: how likely it is sent, twice as likely every second step; low nibble: the
    sign it would have (bit 0: negative) and how sure that is (3 bits), from its movement.
    """
    o = 0
    while o < nout:
        k = 0
        while k <= nin:
            w = w0 + o * nin + k
            if k == nin:
                w = w0 + nout * nin + o
            d = ((dec[first[w]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            d = ((((base[w] & 0xFFFF) ^ 0x8000) - 0x8000) << 2) - d
            sign = 0
            if d < 0:
                d = -d
                sign = 1
            sure = 0
            if d:
                sure = 1
            x = 128
            while x <= 4096:
                if d >= x:
                    sure += 1
                x = x << 1
            likely = (rows[o] + cols[k] + bias) >> 3
            if likely < 0:
                likely = 0
            if likely > 15:
                likely = 15
            out[w] = (likely << 4) | (sure << 1) | sign
            k += 1
        o += 1
    return 0
