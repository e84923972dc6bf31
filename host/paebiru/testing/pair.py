"""A board's session and a hub's, and the line between them, in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from paebiru.testing.clock import VirtualClock
from paebiru.testing.link import LossyLink
from sil.link import events as ev
from sil.link.frame import MAX_ENCODED
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder
from sil.link.session import Session
from sil.link.sha import digest

DEVICE = b"board-01"
SECRET = bytes(range(32))


@dataclass
class Peer:
    """The least application: it takes every post and object, and writes down what happens."""

    session: Session
    key: DeviceKey
    random: Random
    posts: list[tuple[int, bytes]] = field(default_factory=list)
    objects: dict[bytes, bytes] = field(default_factory=dict)
    partial: dict[bytes, bytearray] = field(default_factory=dict)
    committed: int = 0
    refused: list[int] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    events: list[int] = field(default_factory=list)

    def feed(self, data: bytes) -> None:
        """Hand arrived bytes to the session and act on its events."""
        at = 0
        while at < len(data):
            at = self.session.feed(data, at, len(data))
            self.drain()

    def drain(self) -> None:
        """Act on the session's events."""
        while event := self.session.next_event():
            self.events.append(event)
            self.act(event)

    def act(self, event: int) -> None:
        """Act on one event."""
        session = self.session
        if event == ev.CONNECT and isinstance(session, Initiator):
            session.connect(self.key, self.random.randbytes(16))
        elif event == ev.HELLO and isinstance(session, Responder):
            session.challenge(self.key, self.random.randbytes(16))
        elif event == ev.POST:
            self.posts.append((session.kind, bytes(session.buf[session.start : session.end])))
        elif event == ev.OFFER:
            self.take_offer()
        elif event == ev.DATA:
            piece = session.incoming.window[session.start : session.end]
            self.partial[session.incoming.digest()] += piece
            session.consume(len(piece))
        elif event == ev.COMPLETE:
            self.store()
        elif event == ev.COMMITTED:
            self.committed += 1
        elif event == ev.REFUSED:
            self.refused.append(session.code)
        elif event == ev.TEXT:
            self.text += session.buf[session.start : session.end]

    def take_offer(self) -> None:
        """Resume what was begun, refuse nothing, and want nothing twice."""
        name = self.session.incoming.digest()
        if name in self.objects:
            self.session.have()
            return
        partial = self.partial.setdefault(name, bytearray())
        del partial[len(partial) // 16 * 16 :]
        self.session.accept(len(partial))

    def store(self) -> None:
        """Verify the object and commit it."""
        name = self.session.incoming.digest()
        body = bytes(self.partial.pop(name))
        assert digest(body, 0, len(body)) == name, "an object was forged"
        self.objects[name] = body
        self.session.commit()

    def offer(self, data: bytes, kind: int = 1) -> None:
        """Send an object."""
        self.session.offer(Offer(kind, len(data), digest(data, 0, len(data))), BytesSource(data))


class SessionPair:
    """A board (`Initiator`) and a hub (`Responder`) joined by two `LossyLink`s.

    >>> pair = SessionPair()
    >>> pair.run_until(lambda: pair.is_up, limit=1000)
    >>> pair.board.session.send(16, b"hello", 0, 5)
    True
    """

    def __init__(
        self,
        up: LossyLink | None = None,
        down: LossyLink | None = None,
        *,
        seed: int = 0,
        window: int = 8192,
        clock: VirtualClock | None = None,
        board: Initiator | None = None,
        hub: Responder | None = None,
    ) -> None:
        self.random = Random(seed)
        self.clock = clock or VirtualClock()
        self.up = up or LossyLink(seed=seed * 2 + 1)
        self.down = down or LossyLink(seed=seed * 2 + 2)
        key = DeviceKey(SECRET, 1)
        in_order = not self.up.datagrams
        board = board or Initiator(
            Identity(DEVICE, 1), self.new_outbox(), window=window, in_order=in_order
        )
        hub = hub or Responder(self.new_outbox(), window=window, in_order=in_order)
        self.board = Peer(board, key, self.random)
        self.hub = Peer(hub, key, self.random)
        self._out = bytearray(1 << 16)

    def new_outbox(self) -> Outbox:
        """Return an outbox with a stream of its own."""
        return Outbox(self.random.randrange(1, 1 << 29))

    @property
    def is_up(self) -> bool:
        """Tell whether both ends are up."""
        return self.board.session.is_up and self.hub.session.is_up

    def step(self, ms: int = 1) -> None:
        """Let ``ms`` pass, and whatever happens in them."""
        now = self.clock.advance(ms)
        for peer, arriving, leaving in (
            (self.board, self.down, self.up),
            (self.hub, self.up, self.down),
        ):
            for piece in arriving.receive(now):
                peer.feed(piece)
            peer.session.tick(self.clock.ticks())
            peer.drain()
            self._pull(peer.session, leaving, now)
            peer.drain()

    def run_until(self, done: Callable[[], bool], limit: int, step: int = 1) -> int:
        """Step until ``done()``; return the ms it took, or raise `TimeoutError`."""
        start = self.clock.now
        while not done():
            if self.clock.now - start > limit:
                raise TimeoutError(f"nothing after {limit} ms of virtual time")
            self.step(step)
        return self.clock.now - start

    def _pull(self, session: Session, link: LossyLink, now: int) -> None:
        room = link.room(now)
        while room > 0:
            limit = MAX_ENCODED if link.datagrams else min(room, len(self._out))
            size = session.pull(self._out, limit)
            if size == 0:
                return
            link.send(bytes(self._out[:size]), now)
            room -= size
