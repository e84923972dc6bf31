"""From measured values to a network's inputs: scaling of columns, features of windows."""

from sil.compat import ptr8, ptr16, ptr32


def scale(x: ptr32, table: ptr32, out: ptr8, rows: int, cols: int, low: int, high: int) -> int:
    """Scale `rows` x `cols` raw values into bytes; return how many were clamped.

    `table` holds offset, multiplier, shift of each column: out = (x * multiplier + offset)
    >> shift, clamped to low..high and stored in two's complement.
    """
    clamped = 0
    i = 0
    row = 0
    while row < rows:
        t = 0
        col = 0
        while col < cols:
            v = ((x[i] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            # The raw value is held to 16 bits and a sign, so that the product stays
            # below 2**28 whatever a faulty sensor says.
            if v > 65535:
                v = 65535
            if v < -65535:
                v = -65535
            offset = ((table[t] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            y = (v * (table[t + 1] & 0xFFF) + offset) >> (table[t + 2] & 31)
            if y < low:
                y = low
                clamped += 1
            if y > high:
                y = high
                clamped += 1
            out[i] = y & 0xFF
            i += 1
            t += 3
            col += 1
        row += 1
    return clamped


def push(samples: ptr16, start: int, frames: int, channels: int, state: ptr32, filled: int) -> int:
    """Take `frames` frames of int16 samples, from index `start`, into a window's sums.

    `filled` frames of the window were taken before; returns how many it has now.
    `state` holds seven words a channel: sum, sum of squares in two limbs (units of 2**14,
    and the rest), least, greatest, sum of absolute differences, previous sample.
    """
    i = start
    end = start + frames * channels
    while i < end:
        s = 0
        channel = 0
        while channel < channels:
            v = ((samples[i] & 0xFFFF) ^ 0x8000) - 0x8000
            if filled == 0:
                state[s] = 0
                state[s + 1] = 0
                state[s + 2] = 0
                state[s + 3] = v
                state[s + 4] = v
                state[s + 5] = 0
            else:
                previous = ((state[s + 6] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
                delta = v - previous
                if delta < 0:
                    delta = -delta
                state[s + 5] = (state[s + 5] & 0x3FFFFFFF) + delta
                least = ((state[s + 3] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
                if v < least:
                    state[s + 3] = v
                greatest = ((state[s + 4] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
                if v > greatest:
                    state[s + 4] = v
            state[s] = (((state[s] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000) + v
            # v * v may be 2**30, one more than a small int: square it by halves.
            magnitude = v
            if v < 0:
                magnitude = -v
            upper = magnitude >> 7
            lower = magnitude & 127
            rest = upper * lower * 256 + lower * lower
            state[s + 1] = (state[s + 1] & 0x3FFFFFFF) + upper * upper + (rest >> 14)
            state[s + 2] = (state[s + 2] & 0x3FFFFFFF) + (rest & 0x3FFF)
            state[s + 6] = v
            i += 1
            s += 7
            channel += 1
        filled += 1
    return filled


def finish(state: ptr32, channels: int, n: int, out: ptr32) -> int:
    """Write mean, sd, least, greatest, mean |difference| of each channel; return their count.

    `n` is the number of frames taken, 2..1024.  The mean is rounded half up; the sd is the
    floor of the square root of the floor of the mean square about that mean.
    """
    s = 0
    o = 0
    channel = 0
    while channel < channels:
        total = ((state[s] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        mean = (2 * total + n) // (2 * n)
        left = total - n * mean
        # The sum of (v - mean)**2 is the sum of v**2, less n * mean**2, less 2 * mean * left:
        # exact, in limbs of 2**14, without a product above 2**27.
        magnitude = mean
        if mean < 0:
            magnitude = -mean
        upper = magnitude >> 7
        lower = magnitude & 127
        rest = upper * lower * 256 + lower * lower
        high = (state[s + 1] & 0x3FFFFFFF) - n * (upper * upper + (rest >> 14))
        low = (state[s + 2] & 0x3FFFFFFF) - n * (rest & 0x3FFF) - 2 * mean * left
        high += low >> 14
        low = low & 0x3FFF
        square = ((high // n) << 14) + ((((high % n) << 14) + low) // n)
        root = 0
        bit = 1 << 28
        while bit > 0:
            if square >= root + bit:
                square -= root + bit
                root = (root >> 1) + bit
            else:
                root = root >> 1
            bit = bit >> 2
        out[o] = mean
        out[o + 1] = root
        out[o + 2] = ((state[s + 3] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        out[o + 3] = ((state[s + 4] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        out[o + 4] = (state[s + 5] & 0x3FFFFFFF) // (n - 1)
        s += 7
        o += 5
        channel += 1
    return o
