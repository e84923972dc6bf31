"""The hub's end of one board: its session's events become calls to a desk, and the other way.

`Device.act` goes to a `transport.Driver`.  Whoever decides (which key is right, what a board
needs, what is durable) is the `Desk`; this module only speaks SPEC-node.md.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Protocol

from paebiru.states import StateReader
from sil import protocol as p
from sil import protocol_hub as hub
from sil.compat import ticks_diff
from sil.errors import SilError
from sil.link import events as ev
from sil.link import messages as m
from sil.link.fields import get16, get32, put16
from sil.link.incoming import COMPLETE
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder


class Desk(Protocol):
    """Whom a device reports to.  Nothing in here waits."""

    def greet(self, device: "Device") -> None:
        """Answer the HELLO at hand in the device's session: `challenge`, or `turn_away`."""

    def on_up(self, device: "Device") -> None:
        """A board has proved itself."""

    def on_down(self, device: "Device") -> None:
        """The session is over."""

    def on_status(self, device: "Device", status: hub.Status) -> None:
        """A board says where it stands."""

    def on_states(self, device: "Device", batch: "Batch") -> None:
        """States have come."""

    def on_health(self, device: "Device", health: hub.Health) -> None:
        """A board says how it is."""

    def on_answer(self, device: "Device", answer: "Answer") -> None:
        """A board has classified by itself."""

    def on_text(self, device: "Device", text: str) -> None:
        """A line of the board's log."""

    def judge(self, device: "Device", kind: int, base: bytes, length: int) -> int:
        """Return 0 to take an object, `HAVE`, or an E_ code to refuse it."""

    def take(self, device: "Device", kind: int, body: bytes, done: Callable[[int], None]) -> None:
        """Make an object durable, and call ``done(0)`` when it is, or ``done`` with an E_ code."""

    def on_committed(self, device: "Device") -> None:
        """The board has what was sent."""

    def on_refused(self, device: "Device", code: int) -> None:
        """The board does not take what was sent."""


HAVE = -1
"""What `Desk.judge` returns for an object that is counted already."""


class Batch:
    """States of a board: `time` is the board's clock, ms, at the first; `period` ms apart."""

    def __init__(self, body: bytes, reader: StateReader) -> None:
        self.time = get32(body, 0)
        self.period = hub.read_period(body, 4)
        self.lost = get16(body, 6)
        self.states: Sequence[bytes] = reader.read(body[p.BATCH_HEAD :])
        self.size = len(body)


class Answer:
    """A class that a board found by itself, and why it did not ask."""

    def __init__(self, body: bytes) -> None:
        self.time = get32(body, 0)
        self.found = body[4]
        self.byte = body[5]
        self.rho = get16(body, 6)
        self.critical = get16(body, 8)


class Device:
    """One board, as long as its line is there.

    Args:
        desk: who decides.
        hide_etx: the line leads to a REPL, which must not see 03.
        window: bytes of an object that may come ahead.
        in_order: False on a line of datagrams.
    """

    def __init__(
        self, desk: Desk, hide_etx: bool = False, window: int = 8192, in_order: bool = True
    ) -> None:
        outbox = Outbox(secrets.randbelow((1 << 29) - 1) + 1)
        self.session = Responder(outbox, hide_etx=hide_etx, window=window, in_order=in_order)
        self.address = ""  # where the line leads, as people say it
        self.desk = desk
        self.status: hub.Status | None = None
        self.health: hub.Health | None = None
        self.sent = b""  # the object on its way, or empty
        self.offered = 0  # its kind
        # What its line can do, set by who opened it: look at our output now, count the board as
        # known, hang up.
        self.wake: Callable[[], None] = lambda: None
        self.admitted: Callable[[], None] = lambda: None
        self.hang_up: Callable[[], None] = lambda: None
        self._unwanted = b""  # the object that the board has refused since it is up
        self._pause = 0  # s; how long the board has asked to be left in peace, having no room
        self._paused_at: int | None = None  # of the session's clock
        self._asked = b""  # the UNMASK that it has taken since then: its answer is on its way
        self._body = bytearray()
        self._digest = b""
        reader = StateReader()
        self._known: dict[int, Callable[[bytes], None]] = {
            p.STATUS: self._on_status,
            p.BATCH: lambda body: desk.on_states(self, Batch(body, reader)),
            p.HEALTH: self._on_health,
            p.ANSWER: lambda body: desk.on_answer(self, Answer(body)),
        }

    @property
    def name(self) -> bytes:
        """The device id that has proved itself; 8 bytes."""
        return self.session.device

    @property
    def is_up(self) -> bool:
        """Tell whether the board has proved itself and is there."""
        return self.session.is_up

    # -- what the board is told

    def offer(self, kind: int, body: bytes, base: bytes = b"") -> None:
        """Send an object, in the place of one that is on its way."""
        if body in (self.sent, self._unwanted, self._asked) or self._is_paused():
            return
        if self.sent:
            self.session.cancel()
        self.sent, self.offered = body, kind
        offer = Offer(kind, len(body), sha256(body).digest(), base=base)
        self.session.offer(offer, BytesSource(body))
        self.wake()

    def _is_paused(self) -> bool:
        if self._paused_at is not None:
            passed = ticks_diff(self.session.now, self._paused_at)
            if 0 <= passed < self._pause * 1000:
                return True
            self._paused_at = None
        return False

    def context(self, mask: int, state: bytes) -> bool:
        """Send the layers of `mask`; False when too much waits already."""
        body = bytearray(2)
        put16(body, 0, mask)
        return self.post(p.CONTEXT, bytes(body) + state)

    def control(self, what: int, rest: bytes = b"") -> bool:
        """Ask for something (SPEC-node.md section 1); False when too much waits already."""
        return self.post(p.CONTROL, bytes((what,)) + rest)

    def post(self, kind: int, body: bytes) -> bool:
        """Post a message; False when too much waits already."""
        done = self.session.send(kind, body, 0, len(body))
        self.wake()
        return done

    def gone(self) -> None:
        """The line is gone, and the session with it."""
        if self.is_up:
            self.session.is_up = False
            self.desk.on_down(self)

    # -- what the session tells

    def act(self, event: int) -> None:
        """Act on one event."""
        session = self.session
        if event == ev.HELLO:
            self.desk.greet(self)
        elif event == ev.UP:
            self.status = None
            self._unwanted = b""  # it may have been changed, or have room now
            self._asked = b""
            self._paused_at = None
            self._pause = 0
            self.admitted()
            self.desk.on_up(self)
        elif event == ev.DOWN:
            self.desk.on_down(self)
        elif event == ev.POST:
            self._on_post(session.kind, bytes(session.buf[session.start : session.end]))
        elif event == ev.TEXT:
            for line in _lines(session.buf[session.start : session.end]):
                self.desk.on_text(self, line)
        elif event == ev.COMMITTED:
            if self.offered == p.UNMASK:
                self._asked = self.sent
            self.sent = b""
            self._pause = 0
            self.desk.on_committed(self)
        elif event == ev.REFUSED:
            self._refused(session.code, session.retry)
            self.desk.on_refused(self, session.code)
        else:
            self._receive(event)

    def _refused(self, code: int, retry: int) -> None:
        """What had no room is offered later, what goes to another model not; nor is the rest."""
        if code in (m.E_SPACE, m.E_BUSY):
            self._pause = min(max(retry or p.PAUSE, 2 * self._pause), p.PAUSE_MOST)
            self._paused_at = self.session.now
        elif code != m.E_BASE:
            self._unwanted = self.sent
        self.sent = b""

    def _on_post(self, kind: int, body: bytes) -> None:
        known = self._known.get(kind)
        try:
            if known:
                known(body)
            else:
                self.desk.on_text(self, f"a post of kind {kind}, which this hub does not know")
        except (SilError, IndexError) as error:
            self.desk.on_text(self, f"a post of kind {kind} makes no sense: {error}")

    def _on_status(self, body: bytes) -> None:
        self.status = hub.Status(body)
        self.desk.on_status(self, self.status)

    def _on_health(self, body: bytes) -> None:
        self.health = hub.Health(body)
        self.desk.on_health(self, self.health)

    def _receive(self, event: int) -> None:
        session = self.session
        incoming = session.incoming
        if event == ev.OFFER:
            self._decide()
        elif event == ev.DATA:
            self._body += incoming.window[session.start : session.end]
            session.consume(session.end - session.start)
        elif event == ev.COMPLETE:
            body = bytes(self._body)
            self._body.clear()
            if sha256(body).digest() != incoming.digest():
                session.refuse(m.E_HASH)
                return
            digest = incoming.digest()
            self.desk.take(self, incoming.kind(), body, lambda code: self._done(digest, code))
        elif event == ev.CANCELLED:
            self._body.clear()

    def _done(self, digest: bytes, code: int) -> None:
        """Answer for an object that is durable now, unless the board has gone on meanwhile."""
        incoming = self.session.incoming
        if incoming.state != COMPLETE or incoming.digest() != digest:
            return  # it will be offered again, and found to be here
        if code:
            self.session.refuse(code, p.PAUSE if code == m.E_SPACE else 0)
        else:
            self.session.commit()
        self.wake()

    def _decide(self) -> None:
        session = self.session
        incoming = session.incoming
        verdict = self.desk.judge(self, incoming.kind(), incoming.base(), incoming.length)
        if verdict == HAVE:
            session.have()
        elif verdict:
            session.refuse(verdict)
        else:
            if incoming.digest() != self._digest:
                self._body.clear()
            self._digest = incoming.digest()
            del self._body[len(self._body) // m.UNIT * m.UNIT :]
            session.accept(len(self._body))


def _lines(raw: bytes | bytearray) -> Iterator[str]:
    for line in bytes(raw).decode(errors="replace").splitlines():
        if line.strip():
            yield line.rstrip()
