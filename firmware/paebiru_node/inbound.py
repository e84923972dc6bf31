"""What the hub sends as objects: received in pieces, checked, and taken up once durable.

A MODEL may be larger than the board's free memory and goes to a file; an ORDER is small
and stays in memory.  A line that breaks in the middle costs nothing but the rest.
"""

from sil import protocol as p
from sil.compat import sha256
from sil.errors import SilError
from sil.link import events as ev
from sil.link import messages as m

from .kinds import Any, Learning, Node, Port, Session

FILE = "inbound.tmp"


class Inbound:
    """The object that comes in.

    Args:
        port: where files are.
        session: the link.
        learning: what takes objects up.
        node: told of what went wrong, and of changes.
    """

    def __init__(self, port: "Port", session: "Session", learning: "Learning", node: "Node"):
        self._port = port
        self._session = session
        self._learning = learning
        self._node = node
        self._file: "Any" = None
        self._memory = bytearray(0)
        self._at = 0
        self._digest = b""
        self._seen: "Any" = None  # the hash so far

    def act(self, event: int) -> None:
        """Act on an event that concerns objects; others are none of ours."""
        if event == ev.OFFER:
            self._decide()
        elif event == ev.DATA:
            self._store()
        elif event == ev.COMPLETE:
            self._finish()
        elif event == ev.CANCELLED:
            self._drop()

    def _decide(self) -> None:
        incoming = self._session.incoming
        digest = incoming.digest()
        kind = incoming.kind()
        if digest[: p.NAME_SIZE] == self._learning.taken:
            self._session.have()
        elif digest == self._digest and self._at % m.UNIT == 0:
            self._session.accept(self._at)  # go on where the last session ended
        elif kind == p.ORDER and self._wrong_base(incoming.base()):
            self._session.refuse(m.E_BASE)
        elif kind == p.ORDER and incoming.length > p.ORDER_MOST + self._learning.learner.limit:
            self._session.refuse(m.E_SIZE)
        elif kind == p.UNMASK and self._learning.masks is not None:
            if self._learning.masks.has_answered(digest):
                self._session.have()
            elif incoming.length > p.MAX_UNMASK:
                self._session.refuse(m.E_SIZE)
            else:
                self._begin(kind, digest, incoming.length)
        elif kind in (p.MODEL, p.ORDER):
            self._begin(kind, digest, incoming.length)
        else:
            self._session.refuse(m.E_CODEC)

    def _wrong_base(self, base: bytes) -> bool:
        return self._learning.learner is None or base != self._learning.model

    def _begin(self, kind: int, digest: bytes, length: int) -> None:
        self._drop()
        try:
            if kind == p.MODEL:
                self._file = self._port.open(FILE, "wb")
            else:
                self._memory = bytearray(length)
        except (OSError, MemoryError) as error:
            self._refuse(m.E_SPACE, error)
            return
        self._digest = digest
        self._seen = sha256()
        self._session.accept(0)

    def _store(self) -> None:
        session = self._session
        piece = memoryview(session.incoming.window)[session.start : session.end]
        size = session.end - session.start
        try:
            if self._file:
                self._file.write(piece)
            else:
                self._memory[self._at : self._at + size] = piece
        except OSError as error:
            self._drop()
            self._refuse(m.E_SPACE, error)
            return
        self._seen.update(piece)
        self._at += size
        session.consume(size)

    def _finish(self) -> None:
        kind = self._session.incoming.kind()
        digest = self._digest
        if self._seen.digest() != digest:
            self._drop()
            self._session.refuse(m.E_HASH)
            return
        try:
            if kind == p.MODEL:
                self._take_model(digest)
            elif kind == p.UNMASK:
                self._learning.masks.take(self._memory, digest, self._learning)
            else:
                self._learning.take_order(self._memory, digest)
        except (MemoryError, OSError) as error:
            self._undo(kind)
            self._refuse(m.E_SPACE, error)
        except SilError as error:
            self._undo(kind)
            self._refuse(m.E_CODEC, error)
        else:
            self._session.commit()
        self._drop()
        self._node.changed()

    def _take_model(self, digest: bytes) -> None:
        self._file.close()
        self._file = None
        source = self._port.open(FILE, "rb")
        try:
            self._learning.take_model(source, digest)
        finally:
            source.close()

    def _undo(self, kind: int) -> None:
        """Go back to the last checkpoint: what was begun is half done."""
        if kind == p.UNMASK:
            return  # nothing was
        try:
            if not self._learning.load():
                self._learning.forget()
        except (SilError, MemoryError, OSError):
            self._learning.forget()

    def _refuse(self, code: int, error: "Any") -> None:
        self._node.failed("the hub's object was not taken: %s" % error)
        self._session.refuse(code, p.PAUSE)

    def _drop(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
        if self._digest:
            self._port.remove(FILE)
        self._memory = bytearray(0)
        self._digest = b""
        self._at = 0
