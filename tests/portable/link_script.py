"""Two sessions in one process, and the conversation that is kept as a vector.

`tests/vectors/make_link.py` records the conversation; test_link_conversation.py
holds every interpreter to the same bytes.
"""

from sil.link import events as ev
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder
from sil.link.sha import digest

SECRET = bytes(range(32))
BOARD_NONCE = bytes(range(0x40, 0x50))
HUB_NONCE = bytes(range(0xBE, 0xCE))
DEVICE = b"board-01"
OBJECT = bytes((7 * i + (i >> 3)) & 0xFF for i in range(1200))
TYPES = {
    1: "HELLO",
    2: "COOKIE",
    3: "CHALLENGE",
    4: "PROOF",
    5: "WELCOME",
    6: "ERROR",
    7: "PING",
    8: "PONG",
    9: "BYE",
    16: "POST",
    17: "POST_ACK",
    32: "OFFER",
    33: "ACCEPT",
    34: "HAVE",
    35: "REFUSE",
    36: "DATA",
    37: "SACK",
    38: "COMMIT",
    39: "CANCEL",
}


class End:
    """One end with the least application."""

    def __init__(self, session, key):
        self.session = session
        self.key = key
        self.nonce = BOARD_NONCE
        self.out = bytearray(4096)
        self.events = []
        self.posts = []
        self.object = bytearray()
        self.text = bytearray()

    def pull(self):
        """Return what the session wants to send now."""
        sent = b""
        while True:
            size = self.session.pull(self.out, len(self.out))
            if size == 0:
                self.drain()
                return sent
            sent += bytes(self.out[:size])

    def feed(self, data):
        at = 0
        while at < len(data):
            at = self.session.feed(data, at, len(data))
            self.drain()

    def tick(self, now):
        self.session.tick(now)
        self.drain()

    def drain(self):
        while True:
            event = self.session.next_event()
            if event == ev.NONE:
                return
            self.act(event)

    def act(self, event):
        s = self.session
        if event != ev.DATA:
            self.events.append(event)
        if event == ev.CONNECT:
            s.connect(self.key, self.nonce)
        elif event == ev.HELLO:
            s.challenge(self.key, HUB_NONCE)
        elif event == ev.POST:
            self.posts.append((s.kind, bytes(s.buf[s.start : s.end])))
        elif event == ev.OFFER:
            s.accept(len(self.object))
        elif event == ev.DATA:
            self.object += s.incoming.window[s.start : s.end]
            s.consume(s.end - s.start)
        elif event == ev.COMPLETE:
            s.commit()
        elif event == ev.TEXT:
            self.text += s.buf[s.start : s.end]


def offer(session, data):
    """Send `data` as an object."""
    session.offer(Offer(1, len(data), digest(data, 0, len(data))), BytesSource(data))


def new_pair(window=1024, aes=None, in_order=True):
    """Return a board and a hub that have not met."""
    key = DeviceKey(SECRET, 1)
    board = Initiator(
        Identity(DEVICE, 5, b"\0\1\0\0"), Outbox(0x11111), None, window, in_order, aes=aes
    )
    hub = Responder(Outbox(0x22222), None, window, in_order, True, aes=aes)
    return End(board, key), End(hub, key)


def exchange(board, hub, heard=None):
    """Carry bytes to and fro until both are silent; ``heard(who, data)`` sees them pass."""
    while True:
        up = board.pull()
        if up:
            if heard:
                heard("board", up)
            hub.feed(up)
        down = hub.pull()
        if down:
            if heard:
                heard("hub", down)
            board.feed(down)
        if not up and not down:
            return


def converse(heard, aes=None):
    """Hold the recorded conversation; return both ends."""
    board, hub = new_pair(aes=aes)
    board.tick(1000)
    hub.tick(1000)
    exchange(board, hub, heard)  # HELLO, CHALLENGE, PROOF, WELCOME
    state = bytes(range(0xB8, 0xC8))  # holds C0
    board.session.send_state(state, 0)
    board.session.send_state(bytes((0xDB, 3) * 8), 0)
    exchange(board, hub, heard)  # POST with both states, POST_ACK
    hub.session.send(16, b"\x03\xc0\xdb", 0, 3)
    exchange(board, hub, heard)  # 03 is hidden from the REPL on the way down
    offer(board.session, OBJECT)
    exchange(board, hub, heard)  # OFFER, ACCEPT, DATA, SACK, COMMIT
    board.tick(21001)
    exchange(board, hub, heard)  # PING, PONG
    board.session.close(0)
    exchange(board, hub, heard)  # BYE
    return board, hub


def type_of(frame):
    """Return the name of the type of an encoded frame (03 may be hidden)."""
    return TYPES[3 if frame[2] == 0xDB else frame[2]]


def split(data):
    """Return the frames of `data`, each from its C0 to its C0."""
    frames = []
    start = 0
    while start < len(data):
        end = data.index(b"\xc0", start + 1) + 1
        frames.append(data[start:end])
        start = end
    return frames
