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
