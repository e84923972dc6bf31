"""A board's part in masked sums (SPEC-secure.md): loaded only where a membership is stored.

What it may still say hangs on two things that outlive the power: the checkpoint, which has the
part at hand and the changes that are not in it, and the ticket, saved beside the membership:

    0 name of the group, 8   8 u32 the last ticket   12 u32 whom this board took for present
      when it answered; 0 not yet, 2**16 never: its part was taken back

A part leaves when a checkpoint with it is durable and its ticket after that; changes wait again
when "never" is durable and a checkpoint with them after that.  So a power cut at any moment leads
to the same bytes or to none.
"""

from sil import protocol as p
from sil.compat import sha256
from sil.errors import FormatError
from sil.groups import NAME_SIZE, Group, unpack
from sil.link.fields import get32, put32
from sil.link.offer import BytesSource, Offer
from sil.masks import MAX_CLIP, TAKEN_BACK, Masker

from .kinds import Learning, Port

_STORED = ("group", "group_2")  # a membership of 16 boards is longer than one value can be
_TICKET = "ticket"


class Masks:
    """What a node in a group adds to its learning; the membership is read when it is needed."""

    def __init__(self, port: "Port") -> None:
        self._port = port
        self._asked = b""  # the hash of the UNMASK that `_answer` answers
        self._answer = b""
        self._ticket = 0  # of it
        self._is_given = False  # it is on its way

    def _group(self) -> Group:
        """Return the membership with what this board has said so far.

        Raises:
            FormatError: it is damaged.
        """
        port = self._port
        group = unpack(port.load(_STORED[0]) + port.load(_STORED[1]))
        said = port.load(_TICKET)
        if said[:NAME_SIZE] == group.name and len(said) == NAME_SIZE + 8:
            group.ticket = get32(said, NAME_SIZE)
            group.told = get32(said, NAME_SIZE + 4)
        return group

    def _keep(self, group: Group) -> None:
        said = bytearray(NAME_SIZE + 8)
        said[:NAME_SIZE] = group.name
        put32(said, NAME_SIZE, group.ticket)
        put32(said, NAME_SIZE + 4, group.told)
        self._port.save(_TICKET, said)

    # -- a round

    def begin(self, order: bytearray) -> bytearray:
        """Return what an ORDER says of the sum, if this board can have a part in it.

        Raises:
            FormatError: the order asks for a plain update, which no member of a group gives, or
                is for another group, or its ticket is used up.
        """
        if not order[13] & p.SUM or len(order) < p.ORDER_HEAD + p.SUM_SIZE:
            raise FormatError("this board is in a group and learns under masks only: the hub"
                              " needs --secure")  # fmt: skip
        asked = order[p.ORDER_HEAD : p.ORDER_HEAD + p.SUM_SIZE]
        group = self._group()
        if asked[:NAME_SIZE] != group.name:
            raise FormatError("a masked sum of another group than this board's")
        if not 0 <= get32(asked, NAME_SIZE + 4) <= MAX_CLIP:
            raise FormatError("a masked sum's clip is out of range")
        if get32(asked, NAME_SIZE) <= group.ticket:
            raise FormatError(
                "masked sum %d came before, the last one was %d: deal the group anew"
                % (get32(asked, NAME_SIZE), group.ticket)
            )
        return asked

    def mask(self, learning: "Learning") -> None:
        """Make what was learned a part of the sum, in place of an update, durably.

        Where the ticket was used up meanwhile all changes wait for the next round.

        Raises:
            OSError, PortError: it could not be stored; `learning.load` goes back.
            FormatError: it has no room in memory; the changes wait, durably.
        """
        group = self._group()
        asked = learning.update
        ticket = get32(asked, NAME_SIZE)
        is_due = asked[:NAME_SIZE] == group.name and ticket > group.ticket
        residual = learning.learner.residual
        masker = Masker(group, len(residual))
        learning.update = bytearray(0)
        learning.update_end = 0
        if is_due:
            try:
                part = bytearray(masker.size)
                clip = get32(asked, NAME_SIZE + 4)
                learning.update_end = masker.mask(ticket, residual, clip, part)
                learning.update = part
            except MemoryError:
                pass  # `mask` asks for memory before it takes anything
        learning.is_masked = learning.update_end > 0
        learning.phase = p.REPORTING if learning.is_masked else p.IDLE
        learning.learner.restore()  # the model to infer with is the common one again
        learning.save()
        if learning.is_masked:
            self.settle(learning)
        elif is_due:
            raise FormatError("no memory for %d bytes of a masked sum" % masker.size)

    def settle(self, learning: "Learning") -> None:
        """Let a part that is in the durable checkpoint be sent, or not any more.

        Raises:
            OSError, PortError: that could not be made durable; it must not be sent.
        """
        if learning.phase not in (p.REPORTING, p.WAITING):
            return
        group = self._group()
        body = learning.update
        if body[:NAME_SIZE] != group.name or get32(body, NAME_SIZE) < group.ticket:
            learning.phase = p.WAITING  # a sum of long ago: the next order ends it
        elif get32(body, NAME_SIZE) > group.ticket:
            group.ticket = get32(body, NAME_SIZE)
            group.told = 0
            self._keep(group)
        elif group.told:
            learning.phase = p.WAITING  # nor one that it helped with, or began to take back

    def take_back(self, learning: "Learning") -> None:
        """Let the changes of the part at hand wait again: its sum never came about.

        Unless this board helped with that sum, or with a later one: the hub may know it then,
        and what was learned is learned again.
        """
        group = self._group()
        body = learning.update
        if body[:NAME_SIZE] != group.name or get32(body, NAME_SIZE) != group.ticket:
            return
        if group.told in (0, TAKEN_BACK):
            group.told = TAKEN_BACK
            self._keep(group)
            group.told = 0  # the checkpoint tells that the changes do not wait yet
            residual = learning.learner.residual
            Masker(group, len(residual)).take_back(body, residual)

    # -- what others sent

    def has_answered(self, digest: bytes) -> bool:
        """Tell whether the answer to this question is still on its way."""
        return digest == self._asked and bool(self._answer)

    def take(self, request: bytearray, digest: bytes, learning: "Learning") -> None:
        """Answer an UNMASK; what that binds this board to is durable when it returns.

        Raises:
            FormatError: it asks for what no board tells.
            OSError, PortError: it could not be made durable; nothing is told.
        """
        group = self._group()
        answer = Masker(group, 0).answer(request)
        self._keep(group)
        self._answer = answer
        self._asked = digest
        self._ticket = group.ticket
        self._is_given = False
        if learning.is_masked and learning.phase == p.REPORTING:
            learning.phase = p.WAITING  # this board has no part to send for it any more

    @property
    def due(self) -> int:
        """Return a number above that of every kind while an answer waits to be sent, else 0."""
        return 16 + self._ticket if self._answer else 0

    def report(self, learning: "Learning") -> "tuple[Offer, BytesSource]":
        """Return the object that waits: SHARES before MASKED."""
        self._is_given = bool(self._answer)
        if self._is_given:
            return _object(p.SHARES, self._answer)
        return _object(p.MASKED, learning.update, learning.model)

    def ended(self) -> bool:
        """Hear that the object on its way has arrived or is refused; True if it was the answer."""
        was_given = self._is_given
        if was_given:
            self._answer = b""
            self._is_given = False
        return was_given


def _object(kind: int, body: "bytes | bytearray", base: bytes = b"") -> "tuple[Offer, BytesSource]":
    return Offer(kind, len(body), sha256(body).digest(), base=base), BytesSource(body)
