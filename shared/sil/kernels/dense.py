"""Kernels of a dense layer: forward, backward, update.  Formats are in SPEC.md section 6.

Shapes: a batch of `n` rows; weights [nout][nin] row-major, the nout biases right behind
them, from element `w0` on.  Activations are bytes, Q(fa); signed ones are int8.
"""

from ..compat import ptr8, ptr16, ptr32


def forward_codes(
    codes: ptr8, w0: int, dec: ptr32, x: ptr8, signed: int, n: int, nin: int, nout: int,
    fa: int, acc: ptr32,
) -> int:  # fmt: skip
    """Write acc[n][nout], Q(14 + fa), from ByteSil weights through the table `dec`.

    The loader has refused any row whose sum could reach 2**29 (`nn.check`).
    """
    flip = 0x80 if signed else 0
    i = 0
    while i < n:
        w = w0
        o = 0
        while o < nout:
            a = ((dec[codes[w0 + nin * nout + o]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            a = a << fa
            at = i * nin
            end = w + nin
            while w < end:
                d = ((dec[codes[w]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
                a += d * (((x[at] & 0xFF) ^ flip) - flip)
                at += 1
                w += 1
            acc[i * nout + o] = a
            o += 1
        i += 1
    return 0


def forward_weights(
    weights: ptr16, w0: int, x: ptr8, order: ptr16, first: int, signed: int, n: int, nin: int,
    nout: int, fa: int, acc: ptr32,
) -> int:  # fmt: skip
    """Write acc[n][nout], Q(12 + fa), from int16 Q12 weights; row i is x[order[first + i]].

    A sum saturates at +-2**29 after every 32 products (each is under 2**23), so that no
    weights can overflow 31 bits and every interpreter clips at the same place.
    """
    flip = 0x80 if signed else 0
    i = 0
    while i < n:
        w = w0
        o = 0
        while o < nout:
            a = ((weights[w0 + nin * nout + o] & 0xFFFF) ^ 0x8000) - 0x8000
            a = a << fa
            at = (order[first + i] & 0xFFFF) * nin
            end = w + nin
            while w < end:
                stop = w + 32
                if stop > end:
                    stop = end
                while w < stop:
                    m = ((weights[w] & 0xFFFF) ^ 0x8000) - 0x8000
                    a += m * (((x[at] & 0xFF) ^ flip) - flip)
                    at += 1
                    w += 1
                if a > 0x1FFFFFFF:
                    a = 0x1FFFFFFF
                if a < -0x1FFFFFFF:
                    a = -0x1FFFFFFF
            acc[i * nout + o] = a
            o += 1
        i += 1
    return 0


def relu(acc: ptr32, n: int, shift: int, out: ptr8) -> int:
    """Write out[i] = clamp(acc[i] / 2**shift rounded, 0, 255)."""
    half = 1 << (shift - 1)
    i = 0
    while i < n:
        a = ((acc[i] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        a = (a + half) >> shift
        if a < 0:
            a = 0
        if a > 255:
            a = 255
        out[i] = a
        i += 1
    return 0


def argmax(acc: ptr32, n: int, classes: int, out: ptr8) -> int:
    """Write out[i] = the first largest of row i of acc[n][classes]."""
    i = 0
    at = 0
    while i < n:
        best = 0
        top = ((acc[at] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        k = 1
        while k < classes:
            a = ((acc[at + k] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            if a > top:
                top = a
                best = k
            k += 1
        out[i] = best
        at += classes
        i += 1
    return 0


def softmax_error(
    acc: ptr32, n: int, classes: int, shift: int, y: ptr8, order: ptr16, first: int, expn: ptr16,
    err: ptr16,
) -> int:  # fmt: skip
    """Write err[n][classes] = softmax - onehot, Q12; return how many rows were classified right.

    Logits are acc >> shift, Q5; e**-x comes from `expn` (Q12, 256 steps of 1/32).
    """
    right = 0
    i = 0
    at = 0
    while i < n:
        best = 0
        top = ((acc[at] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        k = 1
        while k < classes:
            a = ((acc[at + k] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            if a > top:
                top = a
                best = k
            k += 1
        top = top >> shift
        total = 0
        k = 0
        while k < classes:
            a = ((acc[at + k] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            a = top - (a >> shift)
            if a > 255:
                a = 255
            e = expn[a]
            err[at + k] = e
            total += e
            k += 1
        label = y[order[first + i] & 0xFFFF] & 0xFF
        k = 0
        while k < classes:
            e = ((err[at + k] & 0xFFFF) << 12) // total
            if k == label:
                e -= 4096
            err[at + k] = e
            k += 1
        if best == label:
            right += 1
        at += classes
        i += 1
    return right


def backward(
    weights: ptr16, w0: int, err: ptr16, n: int, nin: int, nout: int, ps: int, h: ptr8,
    below: ptr16,
) -> int:  # fmt: skip
    """Write below[n][nin], Q12: the errors of the layer under this one, 0 where its ReLU was off.

    below = clamp((sum over outputs of (m >> 4) * (err >> ps)) >> (8 - ps), +-8128).  8128 is
    127 * 64: a floor by ps <= 6 does not widen it, so with nout <= 64 * 2**ps no sum
    reaches 2**30 (at +-8191, shifted, one could: 2**11 * 2**12 * 128).
    """
    i = 0
    while i < n:
        k = 0
        while k < nin:
            e = 0
            if h[i * nin + k]:
                w = w0 + k
                at = i * nout
                end = at + nout
                while at < end:
                    m = ((weights[w] & 0xFFFF) ^ 0x8000) - 0x8000
                    d = ((err[at] & 0xFFFF) ^ 0x8000) - 0x8000
                    e += (m >> 4) * (d >> ps)
                    w += nin
                    at += 1
                e = e >> (8 - ps)
                if e > 8128:
                    e = 8128
                if e < -8128:
                    e = -8128
            below[i * nin + k] = e
            k += 1
        i += 1
    return 0


def update(
    masters: ptr16, w0: int, err: ptr16, x: ptr8, order: ptr16, first: int, signed: int, n: int,
    nin: int, nout: int, fa: int, shift: int, dither: int,
) -> int:  # fmt: skip
    """Take one step: m -= (sum over the batch of err * x + dither) >> shift, stochastic rounding.

    The dither of element k is a 16-bit Weyl sequence from `dither`, scaled to `shift` bits
    (1..16); biases see the constant input 1.0, i.e. 2**fa.  Masters saturate at +-2**15.
    """
    flip = 0x80 if signed else 0
    down = 16 - shift
    o = 0
    w = w0
    while o < nout:
        k = 0
        while k <= nin:
            g = dither >> down
            i = 0
            at = o
            if k < nin:
                while i < n:
                    d = ((err[at] & 0xFFFF) ^ 0x8000) - 0x8000
                    row = (order[first + i] & 0xFFFF) * nin
                    g += d * (((x[row + k] & 0xFF) ^ flip) - flip)
                    at += nout
                    i += 1
            else:
                while i < n:
                    d = ((err[at] & 0xFFFF) ^ 0x8000) - 0x8000
                    g += d << fa
                    at += nout
                    i += 1
                w = w0 + nin * nout + o
            m = (((masters[w] & 0xFFFF) ^ 0x8000) - 0x8000) - (g >> shift)
            if m > 32767:
                m = 32767
            if m < -32767:
                m = -32767
            masters[w] = m
            dither = (dither + 40503) & 0xFFFF
            w += 1
            k += 1
        o += 1
        w = w0 + nin * o
    return 0


def pull(masters: ptr16, n: int, base: ptr16, mu: int, shift: int, dither: int) -> int:
    """Draw masters towards a base: m -= mu * (m - base), mu Q15 (0..2**15) less a rate of bits.

    `shift` is 7 + the rate's bits (7..15); stochastic rounding by a Weyl sequence, as in
    `update`.  A product of 17 and 16 bits does not fit: it is formed in two halves, Q7.  No
    master goes beyond its base, for mu <= 1.
    """
    down = 16 - shift
    i = 0
    while i < n:
        m = ((masters[i] & 0xFFFF) ^ 0x8000) - 0x8000
        d = m - (((base[i] & 0xFFFF) ^ 0x8000) - 0x8000)
        p = (d >> 8) * mu + (((d & 0xFF) * mu + 128) >> 8)
        masters[i] = m - ((p + (dither >> down)) >> shift)
        dither = (dither + 40503) & 0xFFFF
        i += 1
    return 0


def row_sum(codes: ptr8, first: int, n: int, dec: ptr32) -> int:
    """Return the sum of |weight| over n codes, Q14, capped at 2**22 (more is refused anyhow).

    The cap keeps 255 times the sum within 2**30.
    """
    total = 0
    i = 0
    while i < n:
        d = ((dec[codes[first + i]] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
        if d < 0:
            d = -d
        total += d
        if total > 0x400000:
            total = 0x400000
        i += 1
    return total
