"""What goes over one board's line, read by somebody who has its key: is it what is documented?

`Overheard` is fed both directions in the order in which they went.  It takes the stream apart
with the link's own reader, checks and opens every frame as the hub would, and raises `Leak` at
the first byte that SPEC-link.md and SPEC-node.md do not account for.  What it has found, on the
line, in the opened frames, in posts and objects put together, and in what those hold once
decoded, is `everything`, for `raw_samples` to look into.
"""

from array import array
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from paebiru.transport.aes import aes
from paebiru_node.batches import Batches
from raw_samples import Leak
from sil import jsil
from sil import protocol as p
from sil import protocol_hub as hub
from sil.errors import SilError
from sil.link import frame as fr
from sil.link import messages as m
from sil.link import sha
from sil.link.cipher import CtrCipher
from sil.link.fields import get16, get32
from sil.link.frame import HEADER, FrameReader, FrameWriter
from sil.link.handshake import Handshake, TrafficKeys
from sil.link.keys import DeviceKey
from sil.payload import Payload

SIGNED = {
    m.PROOF: (0, 0), m.PING: (0, 0), m.PONG: (0, 0), m.BYE: (1, 1), m.POST: (3, 3 + m.MAX_POST),
    m.POST_ACK: (3, 3), m.OFFER: (m.OFFER_SIZE, m.OFFER_SIZE), m.ACCEPT: (8, 8), m.HAVE: (1, 1),
    m.REFUSE: (3, 3), m.DATA: (4, 3 + m.MAX_CHUNK), m.SACK: (10, fr.MAX_PAYLOAD), m.COMMIT: (1, 1),
    m.CANCEL: (1, 1),
}  # fmt: skip
"""Least and most bytes of what a board may send in a session, by type (SPEC-link.md 2-4)."""
UNSIGNED = {m.HELLO: m.HELLO_SIZE, m.ERROR: 2}
OBJECTS = (p.UPDATE, p.MASKED, p.SHARES)


class Overheard:
    """One board's line.

    Args:
        key: the board's.
        open_update: returns the codes in an UPDATE's changes, given these and the model's name.
    """

    def __init__(self, key: DeviceKey, open_update: Callable[[bytes, bytes], bytes]) -> None:
        self.wire = bytearray()
        """All that the board has sent."""
        self.frames: list[tuple[int, bytes]] = []
        """Type and payload, opened."""
        self.posts: list[tuple[int, bytes]] = []
        self.objects: list[tuple[int, bytes]] = []
        self.decoded: list[bytes] = []
        """States, and an update's codes."""
        self._key = key
        self._open_update = open_update
        self._sessions: dict[int, tuple[TrafficKeys, int]] = {}
        self._numbers: dict[int, bytes] = {}  # posts of the present stream
        self._stream = 0
        self._offer = b""
        self._parts: dict[int, int] = {}  # byte by byte
        self._connect()

    def _connect(self) -> None:
        self._handshake = Handshake(self._key)
        self._up, self._down = FrameReader(), FrameReader()
        self._expected = bytearray()  # the frames found, encoded again
        self._begun = len(self.wire)

    def hung_up(self) -> None:
        """The line has ended, maybe within a frame; another may begin."""
        rest = self.wire[self._begun + len(self._expected) :]
        if rest and (rest[0] != 0xC0 or 0xC0 in rest[1:] or len(rest) > fr.MAX_ENCODED):
            raise Leak(f"{len(rest)} bytes at the end are no part of a frame")
        self._connect()

    def down(self, data: bytes) -> None:
        """The hub has sent this: of interest is the CHALLENGE, from which the keys follow."""
        for _ in _frames(self._down, data):
            buf = self._down.buf
            if buf[1] == m.CHALLENGE and self._handshake.accept_challenge(buf, self._down.end):
                keys = self._handshake.traffic_keys(is_initiator=True)
                agreed = self._handshake.capabilities()
                self._sessions[self._handshake.session()] = keys, agreed

    def up(self, data: bytes) -> None:
        """The board has sent this."""
        self.wire += data
        for found in _frames(self._up, data):
            if found != fr.FRAME:
                raise Leak(f"text on the line: {bytes(self._up.buf[: self._up.end])!r}")
            self._expected += _encoded(self._up.buf, self._up.end)
            self._frame(self._up.buf)
        if self._up.damaged:
            raise Leak("bytes on the line that are neither a frame nor text")
        so_far = self.wire[self._begun : self._begun + len(self._expected)]
        if so_far != self._expected:
            raise Leak("bytes on the line that are no part of the frames found")

    # -- frames

    def _frame(self, buf: bytearray) -> None:
        kind, end = buf[1], self._up.payload_end()
        if buf[0] >> 4 != m.VERSION or buf[0] & (fr.FROM_RESPONDER | 1) or end < HEADER:
            raise Leak(f"a frame that begins with {buf[0]:02x} is no board's")
        if buf[0] & fr.AUTHENTICATED:
            self._open(buf, end)
            least, most = SIGNED.get(kind, (1, 0))
        else:
            least = most = UNSIGNED.get(kind, -1)
        payload = bytes(buf[HEADER:end])
        self.frames.append((kind, payload))
        if not least <= len(payload) <= most:
            raise Leak(f"no documented frame of type {kind} has {len(payload)} bytes")
        if kind == m.HELLO:
            self._hello(payload)
        elif kind == m.POST:
            self._post(get16(payload, 0), payload[2], payload[3:])
        elif kind == m.OFFER:
            self._offered(payload)
        elif kind == m.DATA:
            self._part(payload)

    def _open(self, buf: bytearray, end: int) -> None:
        """Check who has signed a frame, and decrypt it in place."""
        session = get16(buf, 2)
        if session not in self._sessions:
            raise Leak(f"a frame of session {session}, which the hub has not begun")
        keys, agreed = self._sessions[session]
        if not self._up.is_authentic(keys.tx):
            raise Leak("a frame that the board's key has not signed")
        if bool(buf[0] & fr.ENCRYPTED) != bool(agreed & m.CAP_ENCRYPT):
            raise Leak("a frame that is not encrypted as agreed")
        if buf[0] & fr.ENCRYPTED:
            assert aes is not None
            CtrCipher(aes, keys.tx_cipher).apply(buf, HEADER, end)

    def _hello(self, payload: bytes) -> None:
        signed = sha.tag(self._key.hello, bytearray(payload), 0, m.HELLO_MAC)
        if payload[m.HELLO_MAC :] != signed[:16]:
            raise Leak("a HELLO that the board's key has not signed")
        stream = get32(payload, m.HELLO_POSTS)
        if stream != self._stream:
            self._stream, self._numbers = stream, {}
        self._handshake.hello[:] = payload

    # -- posts

    def _post(self, number: int, kind: int, body: bytes) -> None:
        before = self._numbers.get(number)
        if before == bytes((kind,)) + body:
            return  # sent once more
        self._numbers[number] = bytes((kind,)) + body
        self.posts.append((kind, body))
        sizes = {p.STATUS: p.STATUS_SIZE, p.ANSWER: p.ANSWER_SIZE}
        try:
            if kind in sizes and len(body) == sizes[kind]:
                return
            if kind == p.BATCH:
                self._batch(body)
                return
            if kind == p.HEALTH:
                _health(body)
                return
        except (SilError, IndexError) as error:
            raise Leak(f"a post of kind {kind} that makes no sense: {error}") from None
        raise Leak(f"no documented post of kind {kind} has {len(body)} bytes")

    def _batch(self, body: bytes) -> None:
        states = list(jsil.unpack(body[p.BATCH_HEAD :]))
        self.decoded += [bytes(state) for state in states]
        if _batch_of(states, body) != body:
            raise Leak("a BATCH with more in it than its states")

    # -- objects

    def _offered(self, payload: bytes) -> None:
        if payload == self._offer:
            return
        if payload[m.OFFER_KIND] not in OBJECTS:
            raise Leak(f"a board offers no objects of kind {payload[m.OFFER_KIND]}")
        if payload[m.OFFER_HASH : m.OFFER_BASE] != self._offer[m.OFFER_HASH : m.OFFER_BASE]:
            self._parts = {}
        self._offer = payload

    def _part(self, payload: bytes) -> None:
        if not self._offer or payload[0] != self._offer[m.OFFER_ID]:
            raise Leak("DATA of an object that was not offered")
        at = get16(payload, m.DATA_UNIT) * m.UNIT
        length = get32(self._offer, m.OFFER_LENGTH)
        if at + len(payload) - m.DATA_BYTES > length:
            raise Leak("DATA beyond the end of its object")
        self._parts.update(enumerate(payload[m.DATA_BYTES :], at))
        if len(self._parts) == length:
            self._object(bytes(self._parts[i] for i in range(length)))

    def _object(self, body: bytes) -> None:
        kind = self._offer[m.OFFER_KIND]
        if (kind, body) in self.objects:
            return
        self.objects.append((kind, body))
        if sha256(body).digest() != self._offer[m.OFFER_HASH : m.OFFER_BASE]:
            raise Leak("an object whose hash is another than its OFFER's")
        if kind == p.UPDATE:
            base = self._offer[m.OFFER_BASE :]
            try:
                self.decoded.append(self._open_update(body[p.UPDATE_HEAD :], base))
            except SilError as error:
                raise Leak(f"an UPDATE that makes no sense: {error}") from None

    def everything(self) -> list[bytes]:
        """Return all that was sent, as it was on the line and as it is read."""
        opened = [payload for _, payload in self.frames]
        whole = [body for _, body in self.posts] + [body for _, body in self.objects]
        return [bytes(self.wire), *opened, *whole, *self.decoded]


def opener(sizes: tuple[int, ...], first: bytes) -> Callable[[bytes, Any], bytes]:
    """Return a function that decodes an update's changes to a model, an int16 a weight."""
    payload = Payload(sizes, first)

    def decode(changes: bytes, base: Any) -> bytes:
        frame = bytearray(len(first))
        payload.expect(array("h", base))
        payload.decode(changes, frame)
        return bytes(frame)

    return decode


class _Taken:
    """Takes the post of a `Batches` as the uplink does."""

    def __init__(self) -> None:
        self.body = b""

    def room(self) -> bool:
        return True

    def send(self, kind: int, body: bytearray, end: int) -> bool:
        self.body = bytes(body[:end])
        return True


def _batch_of(states: list[Any], like: bytes) -> bytes:
    """Return the BATCH that these states make, with the head of another."""
    made: Any = Batches(len(states), hub.read_period(like, 4))
    taken = _Taken()
    for state in states:
        made.add(bytearray(state), get32(like, 0), taken)
    return taken.body[:6] + like[6:8] + taken.body[8:]


def _health(body: bytes) -> None:
    text = hub.Health(body).text
    if not text.decode(errors="ignore").replace("\n", "").isprintable() and text:
        raise Leak("HEALTH whose reasons are no text")
    if len(text) - len(text.decode(errors="ignore").encode()) > 3:  # a character cut at the end
        raise Leak("HEALTH whose reasons are no UTF-8")


def _frames(reader: FrameReader, data: bytes) -> Iterable[int]:
    at = 0
    while at < len(data):
        at = reader.feed(data, at, len(data))
        if reader.found:
            yield reader.found


def _encoded(buf: bytearray, end: int) -> bytes:
    """Return a frame as it is on the line."""
    writer = FrameWriter(0, hide_etx=False)
    writer.buf[:end] = buf[:end]
    writer.encode(end)
    out = bytearray(fr.MAX_ENCODED)
    return bytes(out[: writer.pull(out, 0, len(out))])
