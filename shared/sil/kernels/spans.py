"""Kernels around the entropy coder: symbols, the model's start, the coder's two ends, CRC-16.

The words of `st` and the offsets in `tab` are those of kernels.entropy.
"""

from ..compat import const, ptr8, ptr16, ptr32

_SYMBOL = const(1409)
_WEIGHT = const(22)
_LAST = const(0xFFFFFFE)  # of the interval that a coder starts from


def turn(raw: ptr8, before: int, n: int, delta: int, tab: ptr16, out: ptr8, st: ptr32) -> int:
    """Turn raw[before:before + n] into symbols, XORed with those of raw[0:n] if `delta`.

    Leaves in st[11] what the coder starts from: density class << 4 | size class.  The first
    is 2 log2(elements / non-zero) rounded down, the second an eighth of the mean rank.
    """
    some = 0
    total = 0
    ranked = 0
    i = 0
    while i < n:
        x = tab[_SYMBOL + (raw[before + i] & 0xFF)] & 0xFF
        if delta:
            x ^= tab[_SYMBOL + (raw[i] & 0xFF)] & 0xFF
        out[i] = x
        if x:
            some += 1
            if ranked < 0xFFFF:
                total += x & 127
                ranked += 1
        i += 1
    x = n
    while x > 8191:
        x = x >> 1
        some = some >> 1
    x = x << 8
    density = 0
    if some == 0:
        density = 15
    some = (some << 8) * 181 >> 7
    while density < 15 and some <= x:
        some = some * 181 >> 7
        density += 1
    size = 0
    while size < 15 and (size + 1) * 8 * ranked <= total and ranked:
        size += 1
    st[11] = density * 16 + size
    return density


def start(prior: ptr8, n: int, prob: ptr16, count: ptr8, tab: ptr16) -> int:
    """Set n probabilities and counts from prior bytes: logit in 5 bits, confidence in 3."""
    i = 0
    while i < n:
        x = prior[i] & 0xFF
        prob[i] = tab[(x >> 3) * 8 + 4] & 0xFFFF
        count[i] = ((1 << (x & 7)) - 1) & 0xFF
        i += 1
    return n


def weigh(weights: ptr16, n: int, st: ptr32) -> int:
    """Set the n mixing weights of a state from int16."""
    i = 0
    while i < n:
        st[_WEIGHT + i] = ((weights[i] & 0xFFFF) ^ 0x8000) - 0x8000
        i += 1
    return n


def same(
    prob: ptr16, count: ptr8, n: int, st: ptr32, sets: int, prob2: ptr16, count2: ptr8, st2: ptr32
) -> int:
    """Copy a model of n probabilities and its mixing weights to another."""
    i = 0
    while i < n:
        prob2[i] = prob[i] & 0xFFFF
        count2[i] = count[i] & 0xFF
        i += 1
    i = _WEIGHT
    while i < _WEIGHT + sets:
        st2[i] = st[i]
        i += 1
    return n


def begin(io: ptr8, st: ptr32) -> int:
    """Take the decoder's first 28 bits; zeros follow the end, here and in `entropy.code`."""
    at = st[0] & 0x3FFFFFFF
    word = 0
    k = 0
    while k < 4:
        x = 0
        if at + k < st[1] & 0x3FFFFFFF:
            x = io[at + k] & 0xFF
        if k < 3:
            word = (word << 8) | x
        else:
            word = (word << 4) | (x >> 4)
        k += 1
    if word > _LAST:  # beyond the interval, which no encoder is: it would never come back
        word = _LAST
    st[0] = at + 3
    st[2] = word
    return word


def finish(io: ptr8, start: int, st: ptr32) -> int:
    """Write the shortest tail that names a number of the last interval; return the end, or -1.

    Zeros at the end need not be written, since the decoder reads them there anyway.
    """
    at = st[0] & 0x3FFFFFFF
    low = st[2] & 0x3FFFFFFF
    span = st[3] & 0x3FFFFFFF
    k = 0
    p = low
    while k < 4:
        x = (1 << (28 - 8 * k)) - 1
        p = (low + x) & (0x3FFFFFFF ^ x)
        if p < low + span:
            break
        p = low
        k += 1
    if p >> 28:
        x = at - 1
        while io[x] & 0xFF == 255:
            io[x] = 0
            x -= 1
        io[x] = ((io[x] & 0xFF) + 1) & 0xFF
    x = 0
    while x < k:
        if at >= st[1] & 0x3FFFFFFF:
            return -1
        if x < 3:
            io[at] = (p >> (20 - 8 * x)) & 0xFF
        else:
            io[at] = (p << 4) & 0xFF
        at += 1
        x += 1
    while at > start and io[at - 1] & 0xFF == 0:
        at -= 1
    return at


def xor(raw: ptr8, before: int, n: int, out: ptr8, at: int) -> int:
    """Write raw[before:before + n] XOR raw[0:n] to out[at:]."""
    i = 0
    while i < n:
        out[at + i] = (raw[before + i] ^ raw[i]) & 0xFF
        i += 1
    return at + n


def unxor(data: ptr8, at: int, raw: ptr8, before: int, n: int) -> int:
    """Undo `xor`; raw[before:] may overlap raw[0:n], since it is made in order."""
    i = 0
    while i < n:
        raw[before + i] = (data[at + i] ^ raw[i]) & 0xFF
        i += 1
    return n


def copy(source: ptr8, start: int, target: ptr8, at: int, n: int) -> int:
    """Copy source[start:start + n] to target[at:], in order."""
    i = 0
    while i < n:
        target[at + i] = source[start + i] & 0xFF
        i += 1
    return at + n


def crc16(buf: ptr8, begin: int, end: int, crc: int) -> int:
    """Carry `crc` over buf[begin:end]; CRC-16/CCITT, polynomial 0x1021, high bit first."""
    i = begin
    while i < end:
        x = ((crc >> 8) ^ (buf[i] & 0xFF)) & 0xFF
        x ^= x >> 4
        crc = ((crc << 8) ^ (x << 12) ^ (x << 5) ^ x) & 0xFFFF
        i += 1
    return crc
