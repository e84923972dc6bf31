"""Any history of a link, against an exact model.

The invariant, at every moment and whatever the line and an attacker do:

1. What the hub was told by one life of a board (from a start without memory to the
   next) is a prefix of what that life posted: in order, nothing twice, nothing that was
   not said.  The same from hub to board.
2. Every stored object is one that was offered; what a sender holds for committed, the
   receiver has stored.
3. Neither end meets a signed frame that makes no sense.

And once the line is good again, everything posted arrives and every object is
committed, within two minutes of virtual time.
"""

import os
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from paebiru.testing import DEVICE, Faults, LossyLink, Peer, SessionPair
from sil.crc import Crc32
from sil.kernels import wire
from sil.link import events as ev
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.messages import E_BUSY, STATES
from sil.link.outgoing import IDLE
from sil.link.posts import Inbox, Outbox
from sil.link.responder import Responder

HISTORIES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 500
FAULTS = st.sampled_from(
    [
        Faults(),
        Faults(byte_loss=0.005),
        Faults(bit_error=0.0005),
        Faults(burst=0.002),
        Faults(text=0.3),
        Faults(piece_loss=0.3),
        Faults(duplicate=0.3, reorder=0.3),
        Faults(byte_loss=0.002, bit_error=0.0002, duplicate=0.1, text=0.1, piece_loss=0.1),
    ]
)
WINDOW = 1024


def repaired(frame: bytes) -> bytes:
    """Return the decoded frame with a right CRC, encoded."""
    body = bytearray(frame)
    crc = Crc32()
    crc.update(body, 0, len(body) - 4)
    crc.store(body, len(body) - 4)
    out = bytearray(2 * len(body) + 2)
    end = wire.slip_escape(body, array("H", (0, len(body), 0)), out, 0, len(out), 0)
    return bytes(out[:end])


@dataclass
class Life:
    """What was posted in one stream of posts: by a board from its start to its end."""

    posts: list[bytes] = field(default_factory=list)
    states: bytes = b""


@dataclass
class Hub(Peer):
    """Notes which life of the board told it what, and from where on the board is told.

    A frame of an earlier life may come late, or out of an attacker's hands, as long as
    the next life has not called: it is that earlier life's word, and true.
    """

    lives: dict[int, Life] = field(default_factory=lambda: defaultdict(Life))
    board: Peer | None = None
    said: list[bytes] = field(default_factory=list)
    first: int = 0  # of what was said, the first that this life of the board is told

    def act(self, event: int) -> None:
        super().act(event)
        if event == ev.UP and self.board and not self.board.posts:
            self.first = len(self.said) - self.session.outbox.waiting()
        elif event == ev.POST:
            kind, body = self.posts.pop()
            life = self.lives[self.session.inbox.stream]
            if kind == STATES:
                life.states += body
            else:
                life.posts.append(body)


class Tap(LossyLink):
    """A line on which an attacker listens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heard: list[bytes] = []

    def send(self, piece: bytes, now: int) -> None:
        self.heard.append(piece)
        del self.heard[:-50]
        super().send(piece, now)

    def inject(self, piece: bytes, now: int) -> None:
        self._launch(piece, now)


class Link(RuleBasedStateMachine):
    datagrams = False

    def __init__(self) -> None:
        super().__init__()
        self.random = Random(1)
        self.boot = 1
        self.up = Tap(1, 20000, 3, datagrams=self.datagrams)
        self.down = Tap(2, 20000, 3, datagrams=self.datagrams)
        self.pair = SessionPair(self.up, self.down, seed=3, window=WINDOW)
        hub = self.pair.hub
        self.hub = self.pair.hub = Hub(hub.session, hub.key, hub.random, board=self.pair.board)
        self.attacked = False
        self.lives: dict[int, Life] = defaultdict(Life)
        self.offered: dict[str, list[bytes]] = {"board": [], "hub": []}

    def life(self) -> Life:
        """Return what the board has posted since it last began without memory."""
        return self.lives[self.pair.board.session.outbox.stream]

    # -- what applications do

    @rule(bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=9))
    def board_posts(self, bodies: list[bytes]) -> None:
        for body in bodies:
            if self.pair.board.session.send(16, body, 0, len(body)):
                self.life().posts.append(body)

    @rule(count=st.integers(1, 9))
    def board_sends_states(self, count: int) -> None:
        for _ in range(count):
            state = self.random.randbytes(16)
            if self.pair.board.session.send_state(state, 0):
                self.life().states += state

    @rule(bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=9))
    def hub_posts(self, bodies: list[bytes]) -> None:
        for body in bodies:
            if self.pair.hub.session.send(17, body, 0, len(body)):
                self.hub.said.append(body)

    @rule(who=st.sampled_from(["board", "hub"]), size=st.integers(1, 5000))
    def offers(self, who: str, size: int) -> None:
        peer = getattr(self.pair, who)
        if peer.session.outgoing.state == IDLE:
            body = self.random.randbytes(size)
            self.offered[who].append(body)
            peer.offer(body)

    @rule(who=st.sampled_from(["board", "hub"]))
    def cancels(self, who: str) -> None:
        peer = getattr(self.pair, who)
        if peer.session.outgoing.state != IDLE:
            peer.session.cancel()

    @rule(who=st.sampled_from(["board", "hub"]))
    def refuses(self, who: str) -> None:
        session = getattr(self.pair, who).session
        if session.is_up and session.incoming.state in (1, 2):
            session.refuse(E_BUSY, 1)

    @rule(who=st.sampled_from(["board", "hub"]))
    def hangs_up(self, who: str) -> None:
        session = getattr(self.pair, who).session
        if session.is_up:
            session.close(0)

    # -- what time and the line do

    @rule(ms=st.integers(1, 60))
    def time_passes(self, ms: int) -> None:
        for _ in range(ms):
            self.pair.step(5)

    @rule(ms=st.sampled_from([1000, 25000, 95000]))
    def silence(self, ms: int) -> None:
        self.up.reset()
        self.down.reset()
        self.pair.clock.advance(ms)
        self.pair.step()

    @rule(up=FAULTS, down=FAULTS)
    def weather(self, up: Faults, down: Faults) -> None:
        for link, faults in ((self.up, up), (self.down, down)):
            link.faults = faults
            link._rest = link._gap(faults.byte_loss)

    # -- ends that begin again

    @rule()
    def board_reboots(self) -> None:
        """Everything in its memory is gone; a new life posts a new stream.

        It is told again what nobody had acknowledged when its session began.
        """
        self.boot += 1
        self.pair.board.posts.clear()
        self.replace_board(Outbox(self.random.randrange(1, 1 << 29)), Inbox())

    @rule()
    def board_wakes(self) -> None:
        """It slept with its posts in RTC memory."""
        old = self.pair.board.session
        old.outbox.rewind()
        self.replace_board(old.outbox, old.inbox)

    @rule()
    def hub_reconnects(self) -> None:
        """Another connection: a new session over what the hub keeps of the board."""
        hub = self.pair.hub
        self.stop("hub")
        old = hub.session
        hub.session = Responder(old.outbox, old.inbox, window=WINDOW, in_order=not self.datagrams)

    def replace_board(self, outbox: Outbox, inbox: Inbox) -> None:
        self.stop("board")
        self.up.reset()
        self.down.reset()
        self.pair.board.session = Initiator(
            Identity(DEVICE, self.boot),
            outbox,
            inbox,
            window=WINDOW,
            in_order=not self.datagrams,
        )
        self.pair.board.session.tick(self.pair.clock.ticks())

    def stop(self, who: str) -> None:
        """Forget the object on its way from this end."""
        getattr(self.pair, who).session.outgoing.stop()

    # -- what an attacker does

    @precondition(lambda self: self.up.heard and self.down.heard)
    @rule(data=st.data())
    def replays(self, data: st.DataObject) -> None:
        piece = data.draw(st.sampled_from(self.up.heard + self.down.heard))
        link = data.draw(st.sampled_from([self.up, self.down]))
        self.attacked = True  # yesterday's CHALLENGE counts as forged
        link.inject(piece, self.pair.clock.now)

    @precondition(lambda self: self.up.heard and self.down.heard)
    @rule(data=st.data(), at=st.integers(0, 2000), bits=st.integers(1, 255))
    def forges(self, data: st.DataObject, at: int, bits: int) -> None:
        """Alter a frame and repair its CRC."""
        link = data.draw(st.sampled_from([self.up, self.down]))
        frames = [f for p in link.heard for f in p.split(b"\xc0") if len(f) > 12]
        if frames:
            frame = bytearray(data.draw(st.sampled_from(frames)))
            frame = frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
            if len(frame) > 12:
                frame[at % (len(frame) - 4)] ^= bits
                self.attacked = True
                link.inject(repaired(bytes(frame)), self.pair.clock.now)

    @rule(noise=st.binary(max_size=100))
    def noise(self, noise: bytes) -> None:
        self.up.inject(noise, self.pair.clock.now)
        self.down.inject(noise, self.pair.clock.now)

    # -- what must hold

    @invariant()
    def check_posts(self) -> None:
        for stream, told in self.hub.lives.items():
            said = self.lives[stream]
            assert said.states.startswith(told.states)
            assert told.posts == said.posts[: len(told.posts)]
        told_board = [body for _, body in self.pair.board.posts]
        assert told_board == self.hub.said[self.hub.first :][: len(told_board)]

    @invariant()
    def check_objects(self) -> None:
        for sender, receiver in (("board", self.pair.hub), ("hub", self.pair.board)):
            stored = set(receiver.objects.values())
            assert stored <= set(self.offered[sender])
            assert getattr(self.pair, sender).committed <= len(self.offered[sender])

    @invariant()
    def check_sense(self) -> None:
        for peer in (self.pair.board, self.pair.hub):
            assert peer.session.malformed == 0 or self.attacked
            assert peer.session.forged == 0 or self.attacked or self.up.faults != Faults()

    def teardown(self) -> None:
        """The line is good again: nothing may be missing."""
        self.weather(Faults(), Faults())
        self.pair.run_until(self.all_arrived, limit=240_000, step=5)
        self.check_posts()
        self.check_objects()

    def all_arrived(self) -> bool:
        board, hub = self.pair.board, self.pair.hub
        return (
            self.pair.is_up
            and self.hub.lives[board.session.outbox.stream] == self.life()
            and [body for _, body in board.posts] == self.hub.said[self.hub.first :]
            and board.session.outgoing.state == IDLE
            and hub.session.outgoing.state == IDLE
        )


class Datagrams(Link):
    datagrams = True


SETTINGS = settings(
    max_examples=HISTORIES // 2,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLink = Link.TestCase
TestLink.settings = SETTINGS
TestDatagrams = Datagrams.TestCase
TestDatagrams.settings = SETTINGS
