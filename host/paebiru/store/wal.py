"""Finds what SQLite would pass over: damage in the middle of a write-ahead log.

SQLite ends reading a log at the first frame whose checksum is wrong, as it must: a power cut
leaves such a frame, of the transaction that was not synced.  But a transaction is written only
after the one before it was synced.  Where a wrong frame is followed by a later transaction, it is
therefore no power cut that made it wrong, and what was committed would be lost without a word.

Layout and checksum: sqlite.org/fileformat2.html, section 4.  Of damage to the last transaction
nobody can tell; it counts as not committed.
"""

import struct
from pathlib import Path

from paebiru.store.errors import damaged

_HEADER = 32
_FRAME = 24
_MAGIC = 0x377F0682  # and 1 more where words are big-endian


def check(path: Path) -> None:
    """Make sure that nothing that was committed is cut off from a log, if there is one.

    Raises:
        StoreError: something is.
    """
    log = path.read_bytes() if path.exists() else b""
    if len(log) <= _HEADER:
        return
    magic, _, page, _, salts, sums = struct.unpack(">IIII8s8s", log[:_HEADER])
    order = ">" if magic & 1 else "<"
    is_header = magic | 1 == _MAGIC | 1 and _sum(order, bytes(8), log[: _HEADER - 8]) == sums
    if not is_header or page not in [1 << power for power in range(9, 17)]:
        raise damaged(path, "its header, which was synced before what follows it")
    broken = was_last = False  # was_last: the frame before ended a transaction
    for at in range(_HEADER, len(log) - _FRAME - page + 1, _FRAME + page):
        head, body = log[at : at + _FRAME], log[at + _FRAME : at + _FRAME + page]
        is_ours = head[8:16] == salts
        is_next = is_ours and _sum(order, sums, head[:8] + body) == head[16:]
        if broken and was_last and is_next:
            raise damaged(path, "a transaction that later ones follow")
        broken = broken or not is_next
        was_last = is_ours and any(head[4:8])
        sums = head[16:]


def _sum(order: str, sums: bytes, data: bytes) -> bytes:
    """Return the checksum of `data`, a multiple of 8 bytes, going on from `sums`."""
    one, other = struct.unpack(">II", sums)
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return struct.pack(">II", one, other)
