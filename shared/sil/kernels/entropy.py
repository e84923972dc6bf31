"""The kernel of the entropy coder (SPEC.md section 4); its two ends are in kernels.spans.

One loop over binary decisions, both ways: what is known of the frame selects five adaptive
probabilities (*contexts*), a small mixer weighs them, a range coder writes or reads the
bit, and all that took part learns from it.  Encoder and decoder are one function because
every difference between them would be a wrong frame.

An element is a *symbol*: 0 for NULL; else, of a weight, the sign in bit 7 and below the
rank by magnitude, 1..127; of a state's byte the high bit of theta, then rho, then the
rest.  Its decisions: is it non-zero; the sign; four bits of rank (the bucket); the rest.

    words of `st` (int32)                      offsets in `tab` (uint16)
    0 place in the bytes, 1 where they end        0 logistic function, 257 points
    2 low end of the interval, or the word      257 its inverse at three scales of 256
    3 span of the interval, < 2**28            1025 learning rate by count, 128
    4 elements, 5 segments of a frame          1153 class of a density, 256
    6 columns of the widest segment            1409 symbol of a byte, 256
    7 distance to the frame before             1665 byte of a symbol, 256
    8 1 = symbols are against that frame
    9 1 = `side` counts    10 1 = decode       12..16 slots, 17..21 their logits
    11 density class << 4 | size class         22.. mixing weights (Q14), five a set
"""

from ..compat import const, ptr8, ptr16, ptr32

_SLOT = const(12)
_LOGIT = const(17)
_WEIGHT = const(22)
_INVERSE = const(257)
_RATE = const(1025)
_DENSITY = const(1153)
_SYMBOL = const(1409)
_BYTE = const(1665)

# Where the tables of probabilities of each decision begin in `prob` and `count`.
_SOME = const(0)
_SIGN = const(1096)
_BUCKET = const(1208)  # 16 nodes a context
_REST = const(2280)  # 8 nodes a context


def code(
    data: ptr8, out: ptr8, symbols: ptr8, raw: ptr8, side: ptr8, prob: ptr16, count: ptr8,
    st: ptr32, tab: ptr16, column: ptr16, segment: ptr16,
) -> int:  # fmt: skip
    """Code `symbols` to `out`, or decode them and their bytes from `data`; return the place.

    Encoding returns -1 where the room did not suffice.  `raw` is the frame before, then
    the block (all of it known when encoding); `segment` has (width, rows, class) for
    each part of a frame; `column` has two numbers for each column of the widest: its
    density, and that of the row of the same number, since a hidden unit that changes
    does so on both of its sides.
    """
    at = st[0] & 0x3FFFFFFF
    end = st[1] & 0x3FFFFFFF
    low = st[2] & 0x3FFFFFFF
    span = st[3] & 0x3FFFFFFF
    n = st[4] & 0x3FFFFFFF
    wide = st[6] & 0xFFFF
    before = st[7] & 0x3FFFFFFF
    delta = st[8] & 1
    beside = st[9] & 1
    decode = st[10] & 1
    density = (st[11] >> 4) & 15
    half = density >> 1
    size = ((st[11] & 15) << 3) + 4
    share = 65535
    k = 0
    while k < density:
        share = (share * 11585) >> 14
        k += 1
    i = part = width = rows = kind = row = col = phase = node = mix = bit = 0
    here = symbol = base = group = left = left2 = above = crowd = lean = last = units = 0
    while i < n:
        # ---- contexts: five slots for the next decision
        if phase == 0:
            if col == 0:
                if row == 0:
                    if part == st[5] & 0xFFFF:
                        part = 0
                    width = segment[part * 3] & 0xFFFF
                    rows = segment[part * 3 + 1] & 0xFFFF
                    kind = segment[part * 3 + 2] & 0xFFFF
                    part += 1
                    k = 0
                    while k < width and k < wide:
                        column[k] = share
                        if width == units:
                            column[k] = column[wide + k] & 0xFFFF
                        k += 1
                    if rows > 1:
                        units = rows
                left = left2 = 0
                lean = 128
                crowd = share
            base = symbol = here = above = 0
            if delta:
                base = tab[_SYMBOL + (raw[i] & 0xFF)] & 0xFF
            if decode == 0:
                symbol = symbols[i] & 0xFF
            if beside:
                here = side[i] & 0xFF
            group = col & 15 if kind == 16 else kind
            k = (1 if left else 0) + (2 if left2 else 0)
            if row:
                above = symbols[i - width] & 0xFF
                k += 4 if above else 0
                if col and symbols[i - width - 1] & 0xFF:
                    k += 16
                if col + 1 < width and symbols[i - width + 1] & 0xFF:
                    k += 32
                if row > 1 and symbols[i - 2 * width] & 0xFF:
                    k += 8
            x = tab[_DENSITY + ((column[col] & 0xFFFF) >> 8)] & 15
            y = tab[_DENSITY + (crowd >> 8)] & 15
            st[_SLOT] = _SOME + density * 16 + group
            st[_SLOT + 1] = _SOME + 256 + x * 8 + half
            st[_SLOT + 2] = _SOME + 384 + y * 8 + half
            st[_SLOT + 3] = _SOME + 512 + k * 2 + (density >> 2)
            if density > 7:
                st[_SLOT + 3] = _SOME + 640 + x * 16 + y
            mix = _WEIGHT + (density >> 2) * 5
            if beside:
                st[_SLOT + 4] = _SOME + 968 + (here >> 4) * 8 + half
                mix += 20
            else:
                y = 1 + ((base & 127) >> 3) if base & 127 else 0
                st[_SLOT + 4] = _SOME + 896 + y * 4 + (k & 1) + ((k >> 1) & 2)
            node = 0
        elif phase == 1:
            k = 1 + (left >> 7) if left else 0
            k += 3 + 3 * (left2 >> 7) if left2 else 0
            k += 9 + 9 * (above >> 7) if above else 0
            y = 1 + (base >> 7) * 15 + (((base & 127) * 14) >> 7) if base else 0
            st[_SLOT] = _SIGN + group
            st[_SLOT + 1] = _SIGN + 16 + k
            st[_SLOT + 2] = _SIGN + 48 + (lean >> 4)
            st[_SLOT + 3] = _SIGN + 64 + y
            st[_SLOT + 4] = _SIGN + 96 + (here & 15)
            mix = _WEIGHT + 40 + 15 * beside
        elif phase == 2:
            y = 1 + ((base & 127) >> 3) if base & 127 else 0
            st[_SLOT] = _BUCKET + group * 16
            x = (last & 127) if kind == 16 else size
            st[_SLOT + 1] = _BUCKET + 256 + (x >> 3) * 16
            st[_SLOT + 2] = _BUCKET + 512 + (((above & 127) + 7) >> 3) * 16
            st[_SLOT + 3] = _BUCKET + 784 + y * 16
            st[_SLOT + 4] = _BUCKET + 1056
            mix = _WEIGHT + 45
            node = 1
        elif phase == 6:
            y = node & 15
            st[_SLOT] = _REST + y * 8
            x = 1 + (last & 7) if (last & 127) >> 3 == y else 0
            st[_SLOT + 1] = _REST + 128 + x * 8
            x = 1 + (above & 7) if above and (above & 127) >> 3 == y else 0
            st[_SLOT + 2] = _REST + 200 + x * 8
            st[_SLOT + 3] = _REST + 272 + (base & 7) * 8
            st[_SLOT + 4] = _REST + 336 + group * 8
            mix = _WEIGHT + 50
            node = 1
        # ---- one probability from five
        y = k = 0
        while k < 5:
            p = prob[(st[_SLOT + k] & 0xFFFF) + node] & 0xFFFF
            x = 65536 - p if p > 32768 else p
            if x >= 4096:
                x = tab[_INVERSE + (x >> 8)] & 0xFFFF
            elif x >= 256:
                x = tab[_INVERSE + 256 + (x >> 4)] & 0xFFFF
            else:
                x = tab[_INVERSE + 512 + x] & 0xFFFF
            x = x if p > 32768 else -x
            st[_LOGIT + k] = x
            y += x * (((st[mix + k] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000)
            k += 1
        x = ((y + 8192) >> 14) + 2048
        x = 4095 if x > 4095 else x
        x = 1 if x < 1 else x
        p = tab[x >> 4] & 0xFFFF
        p += (((tab[(x >> 4) + 1] & 0xFFFF) - p) * (x & 15)) >> 4
        # ---- the range coder; a 1 takes the lower part
        y = (span >> 14) * ((p >> 2) + 1)
        if decode:
            bit = 1 if low < y else 0
        elif phase == 0:
            bit = 1 if symbol else 0
        else:
            bit = (symbol >> (8 - phase)) & 1
        if bit:
            span = y
        else:
            span -= y
            if decode:
                low -= y
            else:
                low += y
        while span < 0x100000:
            span = span << 8
            if decode:
                x = 0
                if at < end:
                    x = (data[at] & 15) << 4
                at += 1
                if at < end:
                    x |= (data[at] & 0xFF) >> 4
                low = (low << 8) | x
            else:
                if low >> 28:
                    k = at - 1
                    while out[k] & 0xFF == 255:
                        out[k] = 0
                        k -= 1
                    out[k] = ((out[k] & 0xFF) + 1) & 0xFF
                if at >= end:
                    return -1
                out[at] = (low >> 20) & 0xFF
                at += 1
                low = (low & 0xFFFFF) << 8
        # ---- learn
        y = (bit << 16) - p
        k = 0
        while k < 5:
            x = ((st[mix + k] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            p = ((st[_LOGIT + k] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
            x += (p * y) >> (17 + (density >> 3))
            x = 65535 if x > 65535 else x
            x = -65535 if x < -65535 else x
            st[mix + k] = x
            x = (st[_SLOT + k] & 0xFFFF) + node
            p = prob[x] & 0xFFFF
            if bit:
                p += ((65535 - p) * (tab[_RATE + (count[x] & 0xFF)] & 0xFFFF)) >> 14
            else:
                p -= (p * (tab[_RATE + (count[x] & 0xFF)] & 0xFFFF)) >> 14
            p = 16 if p < 16 else p
            p = 65519 if p > 65519 else p
            prob[x] = p
            count[x] = (count[x] & 0xFF) + (1 if count[x] & 0xFF < 127 else 0)
            k += 1
        # ---- the next decision, or the next element
        if phase == 0:
            if bit:
                phase = 1
                continue
        else:
            if decode:
                symbol |= bit << (8 - phase)
            if phase > 1:
                node = node * 2 + bit
            phase += 1
            if phase < 9:
                continue
            phase = 0
        if decode:
            symbols[i] = symbol
            raw[before + i] = tab[_BYTE + (symbol ^ base)] & 0xFF
        k = col + 4 if col < 26 else 30
        p = tab[_RATE + k] & 0xFFFF
        y = 0
        if symbol:
            y = 65535
            size += ((symbol & 127) - size + 2) >> 2
            last = symbol
            lean += ((symbol >> 7) * 255 - lean) >> 2
        crowd += ((y - crowd) * p) >> 14
        if rows > 1:
            k = row + 3 if row < 27 else 30
            x = column[col] & 0xFFFF
            column[col] = x + (((y - x) * (tab[_RATE + k] & 0xFFFF)) >> 14)
        left2 = left
        left = symbol
        i += 1
        col += 1
        if col == width:
            col = 0
            if rows > 1 and row < wide:
                column[wide + row] = crowd
            row += 1
            if row == rows:
                row = 0
    st[0] = at
    st[2] = low
    st[3] = span
    return at
