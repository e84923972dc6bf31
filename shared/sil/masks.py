"""A board's part in a masked sum: the hub learns what a group learned, not who learned what.

The changes leave the board as words of 16 bits to which streams are added that cancel in the
group's sum, one for each pair of boards, and one of the board's own.  With them go shares of
the seeds, sealed for each of the others: any `threshold` boards can later tell the hub the
own seeds of those whose words arrived, and the pair seeds of those whose did not, never both.
Formats, costs, and what it protects from: SPEC-secure.md.

SHA-256 and HMAC are all it needs.  The secrets are dealt when a board is enrolled: who dealt
them and kept them can read everything.
"""

from array import array

from .compat import Buf, Ints, const, sha256
from .errors import FormatError, RangeError
from .groups import LABEL, NAME_SIZE, SEED_SIZE, Group
from .intmath import muldiv
from .kernels import masks, spans, wire
from .link import sha
from .link.fields import get16, get32, put32, put_bytes

CHECK_SIZE = 8  # of a seed, to know it by
TAG_SIZE = 8  # of sealed shares
HEAD = 20  # of MASKED
ASK_HEAD = 16  # of UNMASK and its answer
MAX_CLIP = (1 << 24) - 1
TAKEN_BACK = 1 << 16  # no set of 16 boards: such a sum is never helped with

_MAX_TICKET = const((1 << 29) - 1)


def limit(members: int) -> int:
    """Return what a change is cut to, Q12, so that the group's sum fits 16 bits."""
    return 32767 // members


def spread(seed: bytes, out: bytearray, at: int, end: int, sign: int) -> None:
    """Add (sign 1) or subtract (-1) the stream of a seed to the words in out[at:end].

    The stream is SHA-256 of the seed and a counter of 32 bits, 16 words a block.
    """
    block = bytearray(SEED_SIZE + 4)
    put_bytes(block, 0, seed)
    count = 0
    while at < end:
        put32(block, SEED_SIZE, count)
        stop = at + sha.SIZE if at + sha.SIZE < end else end
        at = masks.add(out, at, stop, sha256(block).digest(), sign)
        count += 1


def check_of(seed: bytes) -> bytes:
    """Return what a seed is known by."""
    return sha256(LABEL + b"check" + seed).digest()[:CHECK_SIZE]


def sealed_size(members: int) -> int:
    """Return the bytes of one board's shares for one other."""
    return SEED_SIZE * members + TAG_SIZE


def masked_size(members: int, weights: int) -> int:
    """Return the bytes of a MASKED."""
    return HEAD + 2 * weights + CHECK_SIZE * members + (members - 1) * sealed_size(members)


class Masker:
    """Makes a board's MASKED and its answers to UNMASK; for one group and length of model."""

    def __init__(self, group: Group, weights: int):
        self.group = group
        self.weights = weights
        self.size = masked_size(group.members, weights)
        self._sums = array("i", bytes(8))

    def mask(self, ticket: int, changes: Ints, clip: int, out: bytearray) -> int:
        """Move the changes (int16 Q12) to `out`, masked; return how many bytes that are.

        Args:
            ticket: the sum's number, larger than any before it in this group's life.
            changes: what waits to be sent; the rest stays, as error feedback does.
            clip: their largest L2 norm, Q12 (4096 is 1.0); 0 for none.
            out: as long as `size` says.

        Raises:
            RangeError: the ticket was used already, or another argument is out of range; a
                second vector under the same masks would tell the difference of the two.
        """
        group = self.group
        if not group.ticket < ticket <= _MAX_TICKET:
            raise RangeError("masked sum %d came before: its masks are used up" % ticket)
        if len(changes) != self.weights or len(out) < self.size or not 0 <= clip <= MAX_CLIP:
            raise RangeError("a masked update of %d weights takes %d bytes, and a clip below 2**24"
                             % (self.weights, self.size))  # fmt: skip
        rows = self._rows(ticket)  # first of all: where memory ends here, nothing is changed
        group.ticket = ticket
        group.told = 0
        n = group.members
        put_bytes(out, 0, group.name)
        put32(out, 8, ticket)
        put_bytes(out, 12, bytes((group.index, n, group.threshold, 0)))
        put32(out, 16, self.weights)
        most = limit(n)
        factor = self._factor(changes, most, clip)
        end = masks.take(changes, self.weights, most, factor, out, HEAD)
        self._cover(out, ticket, 1)
        for j in range(1, n + 1):
            put_bytes(out, end + CHECK_SIZE * (j - 1), check_of(group.seed(j, ticket)))
        at = end + CHECK_SIZE * n
        for j in range(1, n + 1):
            if j != group.index:
                at = self._seal(rows, j, ticket, out, at)
        return at

    def _cover(self, out: bytearray, ticket: int, sign: int) -> None:
        """Put all streams on the words of `out` (sign 1), or take them off (-1)."""
        group = self.group
        end = HEAD + 2 * self.weights
        for j in range(1, group.members + 1):
            spread(group.seed(j, ticket), out, HEAD, end, -sign if j < group.index else sign)

    def take_back(self, body: bytearray, changes: Ints) -> None:
        """Let the changes in this board's latest MASKED wait again: its sum never came about.

        `body` is unmasked by it, and worth nothing afterwards.

        Raises:
            RangeError: it is another body, or this board has helped to unmask that sum: the hub
                may know it, and changes that go into two sums tell about the boards in but one.
        """
        group = self.group
        if len(body) != self.size or len(changes) != self.weights:
            raise RangeError("not a masked update of this model")
        if get32(body, 8) != group.ticket or body[12] != group.index or group.told:
            raise RangeError("masked sum %d cannot be taken back" % get32(body, 8))
        self._cover(body, group.ticket, -1)
        masks.give(body, HEAD, self.weights, changes)
        group.told = TAKEN_BACK

    def _factor(self, changes: Ints, most: int, clip: int) -> int:
        """Return by how much to scale, in 2**-14, for the cut changes to be within the clip."""
        if not clip:
            return 1 << 14
        self._sums[0] = self._sums[1] = 0
        masks.squares(changes, self.weights, most, self._sums)
        norm = isqrt48(self._sums[1], self._sums[0]) + 1
        return muldiv(1 << 14, clip, norm) if norm > clip else 1 << 14

    def _rows(self, ticket: int) -> bytearray:
        """Return the polynomials: the seeds first, then coefficients that only this board knows."""
        group = self.group
        size = SEED_SIZE * group.members
        rows = bytearray(size * group.threshold)
        key = group.key(b"poly", group.index, group.index, ticket)
        _stream(key, rows, size, len(rows))
        for j in range(1, group.members + 1):
            put_bytes(rows, SEED_SIZE * (j - 1), group.seed(j, ticket))
        return rows

    def _share(self, rows: bytearray, x: int, out: bytearray, at: int) -> int:
        group = self.group
        return masks.share(rows, group.threshold, SEED_SIZE * group.members, x, out, at)

    def _seal(self, rows: bytearray, other: int, ticket: int, out: bytearray, at: int) -> int:
        """Write the shares for another board, sealed; return where they end."""
        group = self.group
        end = self._share(rows, other, out, at)
        _stream(group.key(b"seal", group.index, other, ticket), out, at, end)
        key = sha.HmacKey(group.key(b"sign", group.index, other, ticket))
        put_bytes(out, end, sha.tag(key, out, at, end)[:TAG_SIZE])
        return end + TAG_SIZE

    def answer(self, request: Buf) -> bytes:
        """Return the answer to an UNMASK: shares of the own seeds of those present, and of the
        seeds that each of them has with those absent.

        It is given once a ticket; the same request again has the same answer.

        Raises:
            FormatError: the request is damaged or for another board, names too few boards, is
                of an older sum, or asks another question than the one answered already.
        """
        group = self.group
        n = group.members
        if len(request) < ASK_HEAD or bytes(request[:NAME_SIZE]) != group.name:
            raise FormatError("an unmasking request of another group")
        ticket = get32(request, 8)
        present = get16(request, 14)
        here = [i for i in range(1, n + 1) if present >> (i - 1) & 1]
        others = [i for i in here if i != group.index]
        if request[12] != group.index or request[13] != n or present >> n or ticket < 1:
            raise FormatError("an unmasking request for another board")
        if len(request) != ASK_HEAD + len(others) * sealed_size(n):
            raise FormatError("an unmasking request has the shares of each board present")
        if len(here) < group.threshold:
            raise FormatError("a sum of %d boards is never unmasked, %d are the least"
                              % (len(here), group.threshold))  # fmt: skip
        if ticket < group.ticket or (ticket == group.ticket and group.told not in (0, present)):
            raise FormatError("masked sum %d is over: another question was answered" % ticket)
        shares = self._open(request, others, ticket)
        group.ticket = ticket  # one that this board had no part in, it will have none in later
        group.told = present
        return self._answer(request, here, shares)

    def _open(self, request: Buf, others: "list[int]", ticket: int) -> "list[bytearray]":
        """Return the shares that each of the others sent to this board."""
        group = self.group
        size = SEED_SIZE * group.members
        found = []
        at = ASK_HEAD
        for i in others:
            key = sha.HmacKey(group.key(b"sign", i, group.index, ticket))
            if not sha.same(request, at + size, sha.tag(key, request, at, at + size), TAG_SIZE):
                raise FormatError("the shares of board %d are damaged: nothing is told" % i)
            shares = bytearray(size)
            spans.copy(request, at, shares, 0, size)
            _stream(group.key(b"seal", i, group.index, ticket), shares, 0, size)
            found.append(shares)
            at += size + TAG_SIZE
        return found

    def _answer(self, request: Buf, here: "list[int]", shares: "list[bytearray]") -> bytes:
        group = self.group
        slots = group.members - len(here) + 1
        out = bytearray(ASK_HEAD + len(here) * slots * SEED_SIZE)
        spans.copy(request, 0, out, 0, ASK_HEAD)
        at = ASK_HEAD
        for i in here:
            if i == group.index:
                mine = bytearray(SEED_SIZE * group.members)
                self._share(self._rows(group.ticket), i, mine, 0)
            else:
                mine = shares.pop(0)
            at = spans.copy(mine, SEED_SIZE * (i - 1), out, at, SEED_SIZE)
            for d in range(1, group.members + 1):
                if d not in here:
                    at = spans.copy(mine, SEED_SIZE * (d - 1), out, at, SEED_SIZE)
        return bytes(out)


def _stream(key: bytes, out: bytearray, at: int, end: int) -> None:
    """Mix SHA-256 of the key and a counter into out[at:end]."""
    block = bytearray(len(key) + 4)
    put_bytes(block, 0, key)
    count = 0
    while at < end:
        put32(block, len(key), count)
        stop = at + sha.SIZE if at + sha.SIZE < end else end
        wire.xor(out, at, stop, sha256(block).digest())
        at = stop
        count += 1


def isqrt48(high: int, low: int) -> int:
    """Return floor(sqrt(high * 2**24 + low)), high below 2**26 and low below 2**24."""
    root = 0
    bit = 1 << 24
    while bit:
        a = (root | bit) >> 12
        b = (root | bit) & 4095
        cross = 2 * a * b
        square = ((cross & 4095) << 12) + b * b
        over = a * a + (cross >> 12) + (square >> 24)
        if over < high or (over == high and square & 0xFFFFFF <= low):
            root |= bit
        bit >>= 1
    return root
