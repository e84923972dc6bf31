"""The board's end of the link: one session over whichever of its lines is up.

Bytes in, events acted on, bytes out; what the events mean for learning is `learning`'s business,
and for the rest the node's, which `Uplink` calls back as ``node.on_post(kind, buf, start, end)``.
"""

from sil import protocol as p
from sil.compat import const, ticks_diff
from sil.errors import SilError
from sil.link import events as ev
from sil.link import messages as m
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey, followed, unpack
from sil.link.posts import Outbox

from .inbound import Inbound
from .kinds import Any, Learning, Node, Port

_IN = const(512)
_OUT = const(256)
_PATIENCE = const(20000)  # ms for which a line is tried before the next one's turn
_WINDOW = const(2048)


class Uplink:
    """The link to the hub.

    Args:
        port: the hardware (see `paebiru_node.port`).
        roles: of the lines to try, in this order.
        learning: what takes the hub's objects and gives updates.
        node: who hears of posts, and whose word `STATUS` is.
    """

    def __init__(self, port: "Port", roles: "list[str]", learning: "Learning", node: "Node"):
        self._port = port
        self._roles = roles
        self._node = node
        self._learning = learning
        self._key: "Any" = _load_key(port)  # a DeviceKey, once enrolled
        identity = Identity(port.unique_id(), node.boots, node.version)
        seed = port.urandom(4)
        stream = 1 + (seed[0] | seed[1] << 8 | seed[2] << 16 | (seed[3] & 15) << 24)
        self.session = Initiator(identity, Outbox(stream), window=_WINDOW)
        self._inbound = Inbound(port, self.session, learning, node)
        self._line: "Any" = None  # the port's link that is open
        self._turn = 0
        self._since = 0
        self._in = bytearray(_IN)
        self._out = bytearray(_OUT)
        self._from = 0  # of what is on its way out: _out[from:to]
        self._to = 0
        self._offered = 0  # what is on offer, by the learning's own number; 0: nothing
        self._refused = 0  # what is to be offered once more, but not at once
        self._refused_at = 0
        self._pause = 0  # s
        self._now = 0
        self.problem = "" if self._key else "no key: enroll this board by USB (paebiru enroll PORT)"

    @property
    def is_up(self) -> bool:
        """Tell whether the hub has proved itself and listens."""
        return self.session.is_up

    def send(self, kind: int, body: bytearray, end: int) -> bool:
        """Post body[:end]; False when there is no room."""
        return self.session.send(kind, body, 0, end)

    def room(self) -> bool:
        """Tell whether there is nothing in the outbox yet that a full one would lose."""
        return self.session.outbox.waiting() < 24

    def step(self, now: int) -> int:
        """Do what is due; return within how many ms to come again at the latest."""
        if self._key is None:
            self._key = _load_key(self._port)
            return 1000
        if self._line is None and not self._open(now):
            return 200
        session = self.session
        self._now = now
        wait = session.tick(now)
        self._drain()
        try:
            if self._read():
                wait = 0
            if self._write():
                wait = 0
        except OSError as error:
            self._lost("the line broke: %s" % error)
            return 200
        if not session.is_up and ticks_diff(now, self._since) > _PATIENCE:
            if len(self._roles) > 1:
                self._lost("nobody answered on %s" % self._roles[self._turn])
            self._since = now
        return wait

    # -- lines

    def _open(self, now: int) -> bool:
        if not self._roles:
            self.problem = "no links: name some in device.json"
            return False
        try:
            line = self._port.link(self._roles[self._turn])
            if line.open():
                self._line = line
                self._since = now
                self.problem = ""
                return True
        except (SilError, OSError) as error:
            self._next(str(error))
            self._since = now
            return False
        if ticks_diff(now, self._since) > _PATIENCE:
            self._next("%s does not come up" % self._roles[self._turn])
            self._since = now
        return False

    def _lost(self, why: str) -> None:
        self._line.close()
        self._line = None
        self._from = self._to = 0
        self.session.lost()
        self._drain()
        self._next(why)

    def _next(self, why: str) -> None:
        self.problem = why
        self._turn = (self._turn + 1) % len(self._roles)

    # -- bytes

    def _read(self) -> bool:
        count = self._line.readinto(self._in)
        if not count:
            return False
        at = 0
        before = self.session.heard
        while at < count:
            at = self.session.feed(self._in, at, count)
            self._drain()
        if self.session.heard != before:
            self._line.heard()
        return True

    def _write(self) -> bool:
        """Put bytes on the line; True while it takes them and there are more."""
        if self._from == self._to:
            self._from = 0
            self._to = self.session.pull(self._out, _OUT)
            if not self._to:
                return False
        took: int = self._line.write(self._out, self._from, self._to)
        self._from += took
        return took > 0

    # -- events

    def _drain(self) -> None:
        session = self.session
        event = session.next_event()
        while event:
            if event == ev.CONNECT:
                session.connect(self._key, self._port.urandom(m.NONCE_SIZE))
            elif event == ev.UP:
                self.problem = ""
                self._refused = self._pause = 0
                self._node.on_up()
            elif event == ev.POST:
                if session.kind == m.ROTATE:
                    self._follow(bytes(memoryview(session.buf)[session.start : session.end]))
                else:
                    self._node.on_post(session.kind, session.buf, session.start, session.end)
            elif event == ev.COMMITTED:
                self._offered = self._pause = 0
                self._learning.committed()
                self._node.changed()
            elif event == ev.REFUSED:
                self._refused = self._offered
                self._refused_at = self._now
                self._pause = min(max(session.retry or p.PAUSE, 2 * self._pause), p.PAUSE_MOST)
                self._offered = 0
                self._learning.refused(session.code)
                if self._learning.due != self._refused:
                    self._refused = self._pause = 0  # it is not offered again: the next one is new
                self._node.changed()
            else:
                self._inbound.act(event)
            event = session.next_event()
        self._offer()

    def _follow(self, body: bytes) -> None:
        """Take up the next key; the one before stays good until the hub has seen this one."""
        key = followed(self._key, body)
        if key:
            self._port.save("key", key.pack())
            self._key = key

    def _is_paused(self, due: int) -> bool:
        """Tell whether the hub has just refused this: it may have no room yet."""
        passed = ticks_diff(self._now, self._refused_at)
        return due == self._refused and 0 <= passed < self._pause * 1000

    def _offer(self) -> None:
        """Offer what waits, and take back an offer that has lost its sense."""
        due = self._learning.due
        if self._offered and due != self._offered:
            self._offered = 0
            self.session.cancel()
        if due and not self._offered and self.session.is_up and not self._is_paused(due):
            offer, source = self._learning.report()
            self._offered = due
            self.session.offer(offer, source)


def _load_key(port: "Port") -> "DeviceKey | None":
    stored = port.load("key")
    try:
        return unpack(stored) if stored else None
    except SilError:
        return None
