"""Kernels of the wire: CRC-32, and SLIP escaping in both directions."""

from sil.compat import ptr8, ptr16


def crc32(buf: ptr8, start: int, end: int, table: ptr16, crc: ptr16) -> int:
    """Carry ``crc`` (low half, high half) over ``buf[start:end]``; zlib's CRC-32.

    ``table`` holds the low halves of the 256 remainders, then the high halves.
    """
    lo = int(crc[0]) ^ 0xFFFF
    hi = int(crc[1]) ^ 0xFFFF
    i = int(start)
    while i < end:
        k = (lo ^ int(buf[i])) & 0xFF
        lo = ((lo >> 8) | ((hi & 0xFF) << 8)) ^ int(table[k])
        hi = (hi >> 8) ^ int(table[256 + k])
        i += 1
    crc[0] = (lo ^ 0xFFFF) & 0xFFFF
    crc[1] = (hi ^ 0xFFFF) & 0xFFFF
    return 0


def copy(src: ptr8, start: int, end: int, dst: ptr8, at: int) -> int:
    """Copy ``src[start:end]`` to ``dst[at:]``; a slice would allocate."""
    i = int(start)
    j = int(at)
    while i < end:
        dst[j] = int(src[i]) & 0xFF
        i += 1
        j += 1
    return j


def slip_escape(src: ptr8, state: ptr16, dst: ptr8, at: int, limit: int, hide_etx: int) -> int:
    """Escape on, a C0 around ``src``, to ``dst[at:limit]``; return where it ends.

    ``state`` is how many of the length + 2 bytes are out, the length of ``src``, and the
    second byte of an escape that had no room any more, or 0.

    C0 becomes DB DC and DB becomes DB DD.  With ``hide_etx`` 03 becomes DB DE,
    since a board at its REPL takes 03 for the interrupt key.
    """
    i = int(state[0])
    last = int(state[1]) + 1
    second = int(state[2])
    j = int(at)
    while j < limit and (second != 0 or i <= last):
        b = 0xC0
        if second != 0:
            b = second
            second = 0
        else:
            if i > 0 and i < last:
                b = int(src[i - 1])
                if b == 0xC0:
                    second = 0xDC
                elif b == 0xDB:
                    second = 0xDD
                elif b == 3 and hide_etx != 0:
                    second = 0xDE
                if second != 0:
                    b = 0xDB
            i += 1
        dst[j] = b & 0xFF
        j += 1
    state[0] = i & 0xFFFF
    state[2] = second & 0xFF
    return j


def slip_scan(src: ptr8, start: int, end: int, dst: ptr8, state: ptr16) -> int:
    """Read on in ``src[start:end]`` up to the end of a candidate; return where it stopped.

    ``state`` is length, mode, escape pending, why it stopped, and the longest
    frame and text that may be collected in ``dst``:

    mode  0 between candidates   1 a frame (unescaped)   2 text (as it is)   3 damage (dropped)
    why   0 input used up        1 a C0                  2 a line is whole, or text is full

    A frame begins with version 1 in the high half of its first byte: 10..1F, of
    which text uses 1B alone, and then as 1B 5B ("ESC [").  Text holds no 00,
    whereas every frame does (the top of its counter): a 00 in text is damage.
    """
    i = int(start)
    length = int(state[0])
    mode = int(state[1])
    escaped = int(state[2])
    why = 0
    while i < end and why == 0:
        b = int(src[i])
        i += 1
        if b == 0xC0:
            if escaped != 0:
                mode = 3
                escaped = 0
            if mode != 0:
                why = 1
        else:
            keep = 1
            if mode == 0:
                length = 0
                mode = 2
                if b >> 4 == 1:
                    mode = 1
            elif mode == 1 and length == 1 and b == 0x5B and int(dst[0]) == 0x1B:
                mode = 2
            if mode == 1:
                if escaped != 0:
                    escaped = 0
                    if b == 0xDC:
                        b = 0xC0
                    elif b == 0xDD:
                        b = 0xDB
                    elif b == 0xDE:
                        b = 3
                    else:
                        mode = 3
                elif b == 0xDB:
                    escaped = 1
                    keep = 0
                if keep != 0 and length >= int(state[4]):
                    mode = 3
            elif mode == 2:
                if b == 0:
                    mode = 3
                elif b == 10 or length + 1 >= int(state[5]):
                    why = 2
            if mode == 3:
                keep = 0
            if keep != 0:
                dst[length] = b & 0xFF
                length += 1
    state[0] = length & 0xFFFF
    state[1] = mode & 3
    state[2] = escaped & 1
    state[3] = why & 3
    return i


def marks_find(marks: ptr16, width: int, start: int, end: int, is_open: int) -> int:
    """Return the first unit in ``start..end`` that is open (mark 0), or that is not; else ``end``.

    Units (16 bytes of an object each) are marked in a ring of ``width``:
    0 to be sent, 1 acknowledged, 0x8000 | counter in flight.
    """
    u = int(start)
    n = int(width)
    k = u % n
    found = 0
    while u < end and found == 0:
        zero = 0
        if int(marks[k]) == 0:
            zero = 1
        if zero == is_open:
            found = 1
        else:
            u += 1
            k += 1
            if k == n:
                k = 0
    return u


def marks_set(marks: ptr16, width: int, start: int, end: int, value: int) -> int:
    """Mark the units ``start..end``."""
    u = int(start)
    n = int(width)
    while u < end:
        marks[u % n] = value & 0xFFFF
        u += 1
    return 0


def marks_acknowledge(
    marks: ptr16, width: int, start: int, end: int, bits: ptr8, at: int, stop: int
) -> int:
    """Mark acknowledged the units from ``start`` on whose bit is set in ``bits[at:stop]``."""
    u = int(start)
    n = int(width)
    i = int(at)
    while i < stop:
        b = int(bits[i])
        v = u
        while b != 0 and v < end:
            if b & 1 != 0:
                marks[v % n] = 1
            b >>= 1
            v += 1
        u += 8
        i += 1
    return 0


def marks_expire(marks: ptr16, width: int, start: int, end: int, newest: int, slack: int) -> int:
    """Open the units whose frame is ``slack`` or more older than ``newest``; count the frames."""
    u = int(start)
    n = int(width)
    count = 0
    last = 0
    while u < end:
        k = u % n
        mark = int(marks[k])
        if mark & 0x8000 != 0:
            age = (newest - mark) & 0x7FFF
            if age >= slack and age < 0x4000:
                marks[k] = 0
                if mark != last:
                    count += 1
                    last = mark
        u += 1
    return count


def flags_set(flags: ptr8, width: int, start: int, end: int) -> int:
    """Set the flags of the units ``start..end`` in a ring of ``width``."""
    u = int(start)
    n = int(width)
    while u < end:
        flags[u % n] = 1
        u += 1
    return 0


def flags_advance(flags: ptr8, width: int, start: int, end: int) -> int:
    """Clear the run of set flags that begins at ``start``; return the unit after it."""
    u = int(start)
    n = int(width)
    go = 1
    while u < end and go != 0:
        k = u % n
        if int(flags[k]) == 0:
            go = 0
        else:
            flags[k] = 0
            u += 1
    return u


def flags_pack(flags: ptr8, width: int, start: int, end: int, out: ptr8, at: int) -> int:
    """Write the flags ``start..end`` as bits, least significant first; return where they end."""
    u = int(start)
    n = int(width)
    j = int(at)
    while u < end:
        b = 0
        bit = 1
        while bit < 256:
            if u < end and int(flags[u % n]) != 0:
                b |= bit
            bit <<= 1
            u += 1
        out[j] = b & 0xFF
        j += 1
    return j


def xor(buf: ptr8, start: int, end: int, stream: ptr8) -> int:
    """Mix ``stream`` into ``buf[start:end]``."""
    i = int(start)
    j = 0
    while i < end:
        buf[i] = (int(buf[i]) ^ int(stream[j])) & 0xFF
        i += 1
        j += 1
    return 0
