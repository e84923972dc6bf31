"""The entropy coder's loop once more, in the form that numba makes the fastest code of.

`sil.kernels.entropy.code` is one small source for boards: what takes part in a decision lies in
`st`, and loops of five go over it.  Here the five are variables, which a compiler keeps in
registers; the two tables that it looks up in pieces are whole ones; and each direction is
compiled for itself.  Names and order are the kernel's, so that the two can be read side by side.
`tests/host/test_fast_entropy.py` holds both to the same bytes, models and columns; only where the
room did not suffice has the model learned from one decision more, and nobody goes on from it.

Indices are unsigned (`_at`): numba looks at each signed one whether it counts from the end.
No array goes to a function: it would be counted, with an atomic instruction, at each call.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sil import coder_tables

_WEIGHT = 22
_INVERSE = 257
_RATE = 1025
_DENSITY = 1153
_SYMBOL = 1409
_BYTE = 1665

_SOME = 0
_SIGN = 1096
_BUCKET = 1208
_REST = 2280

_MIDDLE = 1 << 16  # of the logistic table: five logits of 2047, weighed by 4 each, stay within
_CALM = 1 << 15  # weights within +-_CALM are not near their limits

_int: Any = np.int64
_at: Any = np.uint64


@cache
def whole_tables() -> tuple[Any, Any]:
    """Return the logistic function by logit + _MIDDLE, and the logit of each probability."""
    table = np.array(coder_tables.plain(), dtype=np.int64)
    x = np.clip(np.arange(2 * _MIDDLE) - _MIDDLE + 2048, 1, 4095)
    low = table[x >> 4]
    logistic = low + ((table[(x >> 4) + 1] - low) * (x & 15) >> 4)
    p = np.arange(1 << 16)
    x = np.minimum(p, 65536 - p)
    scale = np.where(x >= 4096, x >> 8, np.where(x >= 256, 256 + (x >> 4), 512 + x))
    logit = table[_INVERSE + np.minimum(scale, 767)]
    return logistic.astype(np.uint16), np.where(p > 32768, logit, -logit).astype(np.int16)


def made(compiled: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., int]:
    """Return what takes the place of `entropy.code`, with its arguments."""
    encode, decode = compiled(_loop(False)), compiled(_loop(True))
    tables = whole_tables()

    def code(
        data: Any, out: Any, symbols: Any, raw: Any, side: Any, prob: Any, count: Any,
        st: Any, tab: Any, column: Any, segment: Any,
    ) -> int:  # fmt: skip
        run, io = (decode, data) if st[10] & 1 else (encode, out)
        at: int = run(io, symbols, raw, side, prob, count, st, tab, column, segment, *tables)
        return at

    return code


def _loop(decode: bool) -> Callable[..., Any]:
    """Return the loop of one direction; numba takes `decode` for a constant."""

    def loop(
        io: Any, symbols: Any, raw: Any, side: Any, prob: Any, count: Any,
        st: Any, tab: Any, column: Any, segment: Any, logistic: Any, logit: Any,
    ) -> Any:  # fmt: skip
        at, end, low, span = _int(st[0]), _int(st[1]), _int(st[2]), _int(st[3])
        n, parts, wide, before = _int(st[4]), _int(st[5]), _int(st[6]), _int(st[7])
        delta, beside = _int(st[8] & 1), _int(st[9] & 1)
        density = _int((st[11] >> 4) & 15)
        half, quarter = density >> 1, density >> 2
        size = _int(((st[11] & 15) << 3) + 4)
        slow = _at(17 + (density >> 3))
        share = 65535
        for _ in range(density):
            share = (share * 11585) >> 14
        # Elements around tell nothing where frames are sparse and there is something beside.
        looks = not (beside and density > 7)
        i = part = width = rows = kind = row = col = phase = node = mix = bit = 0
        here = symbol = base = group = left = left2 = above = crowd = lean = last = units = 0
        s0 = s1 = s2 = s3 = s4 = tree0 = tree1 = tree2 = tree3 = tree4 = 0
        while i < n:
            # ---- contexts: five slots for the next decision
            if phase == 0:
                if col == 0:
                    if row == 0:
                        if part == parts:
                            part = 0
                        width = _int(segment[_at(part * 3)])
                        rows = _int(segment[_at(part * 3 + 1)])
                        kind = _int(segment[_at(part * 3 + 2)])
                        part += 1
                        for k in range(min(width, wide)):
                            column[k] = column[wide + k] if width == units else share
                        if rows > 1:
                            units = rows
                    left = left2 = 0
                    lean = 128
                    crowd = share
                base = symbol = here = above = 0
                if delta:
                    base = _int(tab[_at(_SYMBOL + raw[_at(i)])])
                if not decode:
                    symbol = _int(symbols[_at(i)]) & 0xFF
                if beside:
                    here = _int(side[_at(i)])
                if row:
                    above = _int(symbols[_at(i - width)]) & 0xFF
                group = col & 15 if kind == 16 else kind
                x = _int(tab[_at(_DENSITY + (column[_at(col)] >> 8))])
                y = _int(tab[_at(_DENSITY + (crowd >> 8))])
                s0 = _SOME + density * 16 + group
                s1 = _SOME + 256 + x * 8 + half
                s2 = _SOME + 384 + y * 8 + half
                if looks:
                    k = (1 if left else 0) + (2 if left2 else 0)
                    if row:
                        k += 4 if above else 0
                        if col and symbols[_at(i - width - 1)] & 0xFF:
                            k += 16
                        if col + 1 < width and symbols[_at(i - width + 1)] & 0xFF:
                            k += 32
                        if row > 1 and symbols[_at(i - 2 * width)] & 0xFF:
                            k += 8
                    s3 = _SOME + 512 + k * 2 + quarter
                    s4 = 1 + ((base & 127) >> 3) if base & 127 else 0
                    s4 = _SOME + 896 + s4 * 4 + (k & 1) + ((k >> 1) & 2)
                if density > 7:
                    s3 = _SOME + 640 + x * 16 + y
                mix = _WEIGHT + quarter * 5
                if beside:
                    s4 = _SOME + 968 + (here >> 4) * 8 + half
                    mix += 20
            elif phase == 1:
                k = 1 + (left >> 7) if left else 0
                k += 3 + 3 * (left2 >> 7) if left2 else 0
                k += 9 + 9 * (above >> 7) if above else 0
                y = 1 + (base >> 7) * 15 + (((base & 127) * 14) >> 7) if base else 0
                s0 = _SIGN + group
                s1 = _SIGN + 16 + k
                s2 = _SIGN + 48 + (lean >> 4)
                s3 = _SIGN + 64 + y
                s4 = _SIGN + 96 + (here & 15)
                mix = _WEIGHT + 40 + 15 * beside
            elif phase == 2:
                x = (last & 127) if kind == 16 else size
                y = 1 + ((base & 127) >> 3) if base & 127 else 0
                tree0 = _BUCKET + group * 16
                tree1 = _BUCKET + 256 + (x >> 3) * 16
                tree2 = _BUCKET + 512 + (((above & 127) + 7) >> 3) * 16
                tree3 = _BUCKET + 784 + y * 16
                tree4 = _BUCKET + 1056
                mix = _WEIGHT + 45
                node = 1
            elif phase == 6:
                y = node & 15
                x = 1 + (last & 7) if (last & 127) >> 3 == y else 0
                k = 1 + (above & 7) if above and (above & 127) >> 3 == y else 0
                tree0 = _REST + y * 8
                tree1 = _REST + 128 + x * 8
                tree2 = _REST + 200 + k * 8
                tree3 = _REST + 272 + (base & 7) * 8
                tree4 = _REST + 336 + group * 8
                mix = _WEIGHT + 50
                node = 1
            if phase > 1:
                s0, s1, s2 = tree0 + node, tree1 + node, tree2 + node
                s3, s4 = tree3 + node, tree4 + node
            # ---- one probability from five
            x0, x1 = _int(logit[_at(prob[_at(s0)])]), _int(logit[_at(prob[_at(s1)])])
            x2, x3 = _int(logit[_at(prob[_at(s2)])]), _int(logit[_at(prob[_at(s3)])])
            x4 = _int(logit[_at(prob[_at(s4)])])
            w0, w1 = _int(st[_at(mix)]), _int(st[_at(mix + 1)])
            w2, w3 = _int(st[_at(mix + 2)]), _int(st[_at(mix + 3)])
            w4 = _int(st[_at(mix + 4)])
            x = (x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3 + x4 * w4 + 8192) >> 14
            p = _int(logistic[_at(x + _MIDDLE)])
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
                x = 65536 - p
                for s in (s0, s1, s2, s3, s4):  # learn
                    k = _int(count[_at(s)])
                    p = _int(prob[_at(s)]) ^ 65535
                    p -= (p * _int(tab[_at(_RATE + k)])) >> 14
                    prob[_at(s)] = max(p, 16) ^ 65535
                    count[_at(s)] = k + (k < 127)
            else:
                span -= y
                low = low - y if decode else low + y
                x = -p
                for s in (s0, s1, s2, s3, s4):
                    k = _int(count[_at(s)])
                    p = _int(prob[_at(s)])
                    p -= (p * _int(tab[_at(_RATE + k)])) >> 14
                    prob[_at(s)] = max(p, 16)
                    count[_at(s)] = k + (k < 127)
            w0 += (x0 * x) >> slow
            w1 += (x1 * x) >> slow
            w2 += (x2 * x) >> slow
            w3 += (x3 * x) >> slow
            w4 += (x4 * x) >> slow
            if ((w0 + _CALM) | (w1 + _CALM) | (w2 + _CALM) | (w3 + _CALM) | (w4 + _CALM)) >> 16:
                w0, w1 = min(max(w0, -65535), 65535), min(max(w1, -65535), 65535)
                w2, w3 = min(max(w2, -65535), 65535), min(max(w3, -65535), 65535)
                w4 = min(max(w4, -65535), 65535)
            st[_at(mix)], st[_at(mix + 1)], st[_at(mix + 2)] = w0, w1, w2
            st[_at(mix + 3)], st[_at(mix + 4)] = w3, w4
            while span < 0x100000:
                span = span << 8
                if decode:
                    x = 0
                    if at < end:
                        x = (_int(io[_at(at)]) & 15) << 4
                    at += 1
                    if at < end:
                        x |= _int(io[_at(at)]) >> 4
                    low = (low << 8) | x
                else:
                    if low >> 28:
                        k = at - 1
                        while io[_at(k)] == 255:
                            io[_at(k)] = 0
                            k -= 1
                        io[_at(k)] += 1
                    if at >= end:
                        return -1
                    io[_at(at)] = (low >> 20) & 0xFF
                    at += 1
                    low = (low & 0xFFFFF) << 8
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
                symbols[_at(i)] = symbol
                raw[_at(before + i)] = tab[_at(_BYTE + (symbol ^ base))] & 0xFF
            y = 0
            if symbol:
                y = 65535
                size += ((symbol & 127) - size + 2) >> 2
                last = symbol
                lean += ((symbol >> 7) * 255 - lean) >> 2
            k = _int(tab[_at(_RATE + min(col + 4, 30))])
            crowd += ((y - crowd) * k) >> 14
            if rows > 1:
                x = _int(column[_at(col)])
                k = _int(tab[_at(_RATE + min(row + 3, 30))])
                column[_at(col)] = x + (((y - x) * k) >> 14)
            left2 = left
            left = symbol
            i += 1
            col += 1
            if col == width:
                col = 0
                if rows > 1 and row < wide:
                    column[_at(wide + row)] = crowd
                row += 1
                if row == rows:
                    row = 0
        st[0] = at
        st[2] = low
        st[3] = span
        return at

    return loop
