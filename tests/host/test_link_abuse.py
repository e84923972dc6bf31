"""What an attacker, a bad line or a bad peer can do to a link: nothing.

Each test prints its figure (``pytest -s``).

The counts are scaled for CI; ``--nightly`` runs them in full (see `scaled`).
"""

import time
import tracemalloc
from array import array
from collections.abc import Iterator
from random import Random

import pytest

from paebiru.testing import DEVICE, SECRET, LossyLink, SessionPair, VirtualClock
from sil.crc import Crc32
from sil.errors import RangeError
from sil.kernels import wire
from sil.link import events as ev
from sil.link import frame as fr
from sil.link import messages as m
from sil.link.fields import put16, put32
from sil.link.frame import FrameReader
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder
from sil.link.session import Session


@pytest.fixture
def scaled(request: pytest.FixtureRequest) -> "Scale":
    return Scale(bool(request.config.getoption("--nightly")))


class Scale:
    def __init__(self, is_full: bool) -> None:
        self.is_full = is_full

    def __call__(self, full: int, ci: int) -> int:
        return full if self.is_full else ci


class Recorder(LossyLink):
    """A fast line that keeps all it carried."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pieces: list[bytes] = []

    def send(self, piece: bytes, now: int) -> None:
        self.pieces.append(piece)
        super().send(piece, now)

    def frames(self) -> list[bytes]:
        """Return the decoded frames that were carried."""
        parts = b"".join(self.pieces).split(b"\xc0")
        return [unescape(part) for part in parts if part]


def recorded_pair(seed: int = 0) -> tuple[SessionPair, Recorder, Recorder]:
    up, down = Recorder(1, 0, 1), Recorder(2, 0, 1)
    pair = SessionPair(up, down, seed=seed)
    pair.run_until(lambda: pair.is_up, limit=1000)
    return pair, up, down


def busy_pair() -> tuple[SessionPair, Recorder, Recorder]:
    """Return a pair that has exchanged one of everything."""
    pair, up, down = recorded_pair()
    pair.board.session.send_state(bytes(range(16)), 0)
    pair.hub.session.send(16, b"actuate", 0, 7)
    pair.board.offer(Random(1).randbytes(3000))
    pair.hub.offer(Random(2).randbytes(500))
    pair.run_until(lambda: bool(pair.board.committed and pair.hub.committed), limit=5000)
    pair.run_until(lambda: bool(pair.board.posts and pair.hub.posts), limit=5000)
    return pair, up, down


def unescape(data: bytes) -> bytes:
    return (
        data.replace(b"\xdb\xdc", b"\xc0")
        .replace(b"\xdb\xde", b"\x03")
        .replace(b"\xdb\xdd", b"\xdb")
    )


def encode(frame: bytes) -> bytes:
    out = bytearray(2 * len(frame) + 2)
    end = wire.slip_escape(frame, array("H", (0, len(frame), 0)), out, 0, len(out), 0)
    return bytes(out[:end])


def with_crc(body: bytes) -> bytes:
    """Return ``body`` with the CRC that belongs to it."""
    crc = Crc32()
    crc.update(body, 0, len(body))
    tail = bytearray(4)
    crc.store(tail, 0)
    return body + bytes(tail)


def state_of(pair: SessionPair) -> tuple[object, ...]:
    """Return all that an attacker might want to change."""
    return tuple(
        (
            list(peer.posts),
            dict(peer.objects),
            peer.committed,
            list(peer.refused),
            peer.session.is_up,
            peer.session.inbox.expected,
            peer.session.outbox.base,
            peer.session.incoming.state,
            peer.session._counter,
        )
        for peer in (pair.board, pair.hub)
    )


def test_mutated_frames(scaled: Scale) -> None:
    count = scaled(1_000_000, 20_000)
    pair, up, down = busy_pair()
    pair.clock.advance(10)
    samples = [(pair.hub, f) for f in up.frames()] + [(pair.board, f) for f in down.frames()]
    samples = [(peer, f) for peer, f in samples if len(f) < 200]
    before = state_of(pair)
    random = Random(3)
    for number in range(count):
        peer, frame = samples[number % len(samples)]
        body = bytearray(frame[:-4])
        mutate(body, random)
        if bytes(body) == frame[:-4]:
            continue
        peer.feed(encode(with_crc(bytes(body)) if number % 2 else bytes(body) + frame[-4:]))
    assert state_of(pair) == before
    forged = pair.hub.session.forged + pair.board.session.forged
    print(f"\nmutated frames: {count}, crashes 0, taken 0, forgeries noticed {forged}")
    assert forged > count // 20


def mutate(body: bytearray, random: Random) -> None:
    """Alter, cut, stretch or fill in a frame."""
    how = random.randrange(5)
    if how == 0:
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    elif how == 1:
        del body[random.randrange(len(body)) :]
    elif how == 2:
        body += random.randbytes(random.randrange(1, 40))
    elif how == 3:
        at = random.randrange(len(body))
        body[at : at + 4] = random.randbytes(4)
    else:
        body[random.randrange(len(body))] = random.randrange(256)
    if len(body) >= fr.HEADER and random.randrange(2):  # a counter that has not been used
        put32(body, 4, random.randrange(1 << 16, 1 << 29))


def test_every_flip_of_one_or_two_bits(scaled: Scale) -> None:
    pair, up, _ = recorded_pair()
    pair.board.session.send_state(bytes(range(16)), 0)
    pair.step(5)
    pair.step(5)
    frame = up.pieces[-1]
    reader = FrameReader()
    bits = 8 * len(frame)
    stride = scaled(1, 7)
    flips = taken = 0
    for one in range(bits):
        for two in range(one, bits, 1 if two_is_one(one, stride) else bits):
            spoiled = bytearray(frame)
            spoiled[one >> 3] ^= 1 << (one & 7)
            if two != one:
                spoiled[two >> 3] ^= 1 << (two & 7)
            flips += 1
            taken += b"".join(frames_in(reader, bytes(spoiled) + b"\xc0")) == unescape(frame[1:-1])
            taken += any(True for _ in frames_in(reader, b"\xc0\xc0"))
    print(f"\nflips of one or two bits: {flips} over {len(frame)} bytes, frames taken {taken}")
    assert taken == 0


def two_is_one(one: int, stride: int) -> bool:
    return one % stride == 0


def frames_in(reader: FrameReader, data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        at = reader.feed(data, at, len(data))
        if reader.found == fr.FRAME:
            yield bytes(reader.buf[: reader.end + 4])


def test_replay_in_the_same_and_the_next_session() -> None:
    pair, up, down = busy_pair()
    for label in ("same", "next"):
        before = state_of(pair)
        for piece in list(up.pieces):
            pair.hub.feed(piece)
        for piece in list(down.pieces):
            pair.board.feed(piece)
        assert state_of(pair) == before, label
        replays = len(up.pieces) + len(down.pieces)
        if label == "same":
            pair.board.session.close()
            pair.run_until(lambda: not pair.is_up, limit=1000)
            pair.run_until(lambda: pair.is_up, limit=10000)
    print(f"\nreplayed pieces: {replays}, taken 0")
    pair.run_until(lambda: pair.is_up, limit=10)


def test_reflection() -> None:
    pair, up, down = busy_pair()
    before = state_of(pair)
    for piece in list(up.pieces):
        pair.board.feed(piece)
    for piece in list(down.pieces):
        pair.hub.feed(piece)
    assert state_of(pair) == before
    print(f"\nreflected frames dropped: {pair.board.session.reflected}, taken 0")
    assert pair.board.session.reflected > 5


def test_downgrade_of_each_bit_of_the_handshake() -> None:
    """Change any bit of HELLO or CHALLENGE on the way, repair the CRC: no session comes of it."""
    refused = 0
    for target, size in (("up", m.HELLO_SIZE), ("down", m.CHALLENGE_SIZE)):
        for bit in range(8 * size):
            up, down = Recorder(1, 0, 1), Recorder(2, 0, 1)
            meddled = Meddler(3, 0, 1)
            meddled.bit = 8 * fr.HEADER + bit
            pair = SessionPair(
                meddled if target == "up" else up, meddled if target == "down" else down
            )
            for _ in range(20):
                pair.step(10)
            assert not pair.board.session.is_up and not pair.hub.session.is_up, (target, bit)
            refused += 1
    print(f"\nhandshakes with one bit of a version, capability, nonce, … changed: {refused}, up 0")


class Meddler(LossyLink):
    """A line that flips one bit of each first frame and repairs the CRC."""

    bit = 0

    def send(self, piece: bytes, now: int) -> None:
        body = bytearray(unescape(piece[1:-1])[:-4])
        if len(body) * 8 > self.bit:
            body[self.bit >> 3] ^= 1 << (self.bit & 7)
        super().send(encode(with_crc(bytes(body))), now)


def test_reset_at_each_frame_of_a_transfer() -> None:
    """Pull the plug after each frame in turn: what was stored is not sent again."""
    size = 20_000
    again = []
    while (sent := sent_with_reset(size, len(again) + 1)) is not None:
        again.append(sent - size)
    print(f"\nresets: {len(again)}, one at each frame; sent again at most {max(again)} of {size} B")
    assert len(again) > 20
    assert max(again) <= 4096  # no more than the window


def sent_with_reset(size: int, frames: int) -> int | None:
    """Return the object bytes sent when all breaks after so many frames; None if it had ended."""
    body = Random(4).randbytes(size)
    up, down = LossyLink(1, 11520, 2), LossyLink(2, 11520, 2)
    pair = SessionPair(up, down, window=4096)
    pair.run_until(lambda: pair.is_up, limit=1000)
    pair.board.offer(body)
    end = pair.board.session._counter + frames
    pair.run_until(
        lambda: bool(pair.board.committed) or pair.board.session._counter >= end, limit=10_000
    )
    if pair.board.committed:
        return None
    up.reset()
    down.reset()
    pair.board.session._end(0)
    pair.hub.session._end(0)
    pair.run_until(lambda: bool(pair.board.committed), limit=60_000)
    assert list(pair.hub.objects.values()) == [body]
    return pair.board.session.outgoing.sent_bytes


def test_oversized_and_misaligned() -> None:
    pair, _, _ = recorded_pair()
    with pytest.raises(RangeError):
        Offer(1, m.MAX_OBJECT + 1, bytes(32))
    hub = pair.hub.session
    hub._max_raw = 10_000
    lies = 0
    for length, raw in ((m.MAX_OBJECT + 1, 0), (0, 0), (1000, 1_000_000), (1000, -1 & 0x1FFFFFFF)):
        offer = Offer(1, 1000, bytes(32), raw=max(raw, 1))
        offer.length = length
        pair.board.session.outgoing.start(offer, BytesSource(bytes(1000)))
        pair.run_until(lambda: bool(pair.board.refused), limit=2000)
        assert pair.board.refused.pop() == m.E_SIZE
        assert pair.hub.partial == {}
        lies += 1
    body = bytes(1000)
    pair.board.offer(body)
    pair.run_until(lambda: hub.incoming.state == 2, limit=1000)
    window = bytes(hub.incoming.window)
    for unit, size in ((0, 15), (62, 9), (63, 1), (60, 960), (4000, 16), (65535, 16), (512, 16)):
        payload = bytearray(3 + size)
        payload[0] = pair.board.session.outgoing.identifier()
        put16(payload, 1, unit)
        hub.incoming.arrived(payload, 0, len(payload))
        lies += 1
    assert hub.incoming.strays == 7
    assert bytes(hub.incoming.window) == window
    pair.run_until(lambda: bool(pair.board.committed), limit=5000)
    print(f"\noversized offers, 1000:1 bombs and misaligned chunks: {lies} refused, 0 bytes stored")


def test_counters_and_nonces_over_many_sessions(scaled: Scale) -> None:
    """No (key, counter) comes twice: sessions never share keys, counters only rise."""
    count = scaled(100_000, 1_000)
    key = DeviceKey(SECRET, 1)
    random = Random(5)
    identity = Identity(DEVICE, 1)
    board = Initiator(identity, Outbox(1))
    hub = Responder(Outbox(2))
    seen: set[bytes] = set()
    now = 0
    for _ in range(count):
        now += 2000
        hello_to_welcome(board, hub, key, random, now)
        assert board.is_up and hub.is_up
        assert board._keys and hub._keys
        for side in (board._keys.tx, board._keys.rx):
            seen.add(bytes(side.inner))
        assert board._counter == 1  # PROOF alone
        board._end(0)
        while board.next_event():
            pass
    print(f"\nsessions: {count}, keys used twice: {2 * count - len(seen)}")
    assert len(seen) == 2 * count


def hello_to_welcome(
    board: Initiator, hub: Responder, key: DeviceKey, random: Random, now: int
) -> None:
    for step in range(4):
        board.tick(now + step * 300)
        hub.tick(now + step * 300)
        carry(board, hub, key, random)
        carry(hub, board, key, random)
        if board.is_up:
            return


def carry(sender: Session, receiver: Session, key: DeviceKey, random: Random) -> None:
    drain(sender, key, random)
    out = bytearray(4096)
    size = sender.pull(out, len(out))
    at = 0
    while at < size:
        at = receiver.feed(out, at, size)
        drain(receiver, key, random)


def drain(session: Session, key: DeviceKey, random: Random) -> None:
    while event := session.next_event():
        if event == ev.CONNECT and isinstance(session, Initiator):
            session.connect(key, random.randbytes(16))
        elif event == ev.HELLO and isinstance(session, Responder):
            session.challenge(key, random.randbytes(16))


def test_text_is_never_taken_for_a_frame(scaled: Scale) -> None:
    total = scaled(100_000_000, 1_000_000)
    random = Random(6)
    alphabet = "abc \r\n\t>>>é☃µ的\x1b[31m" + "".join(chr(c) for c in range(1, 127))
    block = "".join(random.choice(alphabet) for _ in range(200_000)).encode()
    reader = FrameReader()
    seen = frames = text = 0
    while seen < total:
        at = random.randrange(1000)
        while at < len(block):
            at = reader.feed(block, at, len(block))
            frames += reader.found == fr.FRAME
            text += reader.end if reader.found == fr.TEXT else 0
        seen += len(block)
    print(f"\ntext: {seen} bytes, false frames {frames}, handed out {text / seen:.1%}")
    assert frames == 0
    assert text > seen * 0.5


def test_days_of_service_leave_nothing_behind(scaled: Scale) -> None:
    """A state a minute, an object an hour, a drop a day: the sessions' memory does not grow."""
    hours = scaled(72, 3)
    clock = VirtualClock((1 << 29) - 1_800_000)  # the ticks wrap after half an hour
    pair = SessionPair(clock=clock)
    sizes = []
    states = 0
    for minute in range(hours * 60):
        pair.board.session.send_state(bytes(16), 0)
        states += 1
        if minute % 60 == 30:
            pair.board.offer(Random(minute).randbytes(2000))
        for step in range(60):
            pair.step(5 if step < 40 else 2990)
        if minute % 60 == 59:
            sizes.append(memory(pair))
        if minute % 1440 == 1439:
            pair.board.session._end(0)
    assert sum(len(body) for _, body in pair.hub.posts) == 16 * states
    assert pair.board.committed == hours
    print(f"\nsimulated hours: {hours}, bytes of both sessions at the end of each: {set(sizes)}")
    assert len(set(sizes)) == 1


def memory(pair: SessionPair) -> int:
    """Return the bytes of every buffer that hangs on both sessions."""
    total = 0
    seen: set[int] = set()

    def visit(thing: object) -> None:
        nonlocal total
        if id(thing) in seen:
            return
        seen.add(id(thing))
        if isinstance(thing, bytes | bytearray | list | tuple | set | dict):
            total += len(thing)
        for part in vars(thing).values() if hasattr(thing, "__dict__") else ():
            if type(part).__module__.startswith("sil") or isinstance(part, bytearray | list | dict):
                visit(part)

    visit(pair.board.session)
    visit(pair.hub.session)
    return total


def test_slow_half_open_callers_cost_a_bounded_amount() -> None:
    """A thousand connections that begin a HELLO and never end it."""
    hello = recorded_pair()[1].pieces[0]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    halves = []
    for number in range(1000):
        hub = Responder(Outbox(number + 1), window=1024)
        hub.feed(hello, 0, len(hello) // 2)
        halves.append(hub)
    used = (tracemalloc.get_traced_memory()[0] - before) / 1000
    for hub in halves:
        for at in range(20):
            hub.feed(hello, at, at + 1)
    grown = (tracemalloc.get_traced_memory()[0] - before) / 1000 - used
    tracemalloc.stop()
    print(f"\n1000 half-open callers: {used:.0f} bytes each, grown by {grown:.0f}")
    assert used < 20_000
    assert grown < 50


def test_handshake_flood(scaled: Scale) -> None:
    """Ten thousand HELLOs a second from strangers, on the same line as the real board's."""
    pair, up, _ = recorded_pair()
    hub = pair.hub.session
    key = DeviceKey(SECRET, 1)
    random = Random(7)
    hellos = [forged_hello(up.pieces[0], random) for _ in range(100)]
    waits = []
    sent = 0
    now = 5_000_000
    busy = time.process_time()
    for boot in range(scaled(2000, 100)):
        real = Initiator(Identity(DEVICE, 2 + boot), Outbox(10))
        start = now
        while not real.is_up and now < start + 1000:
            now += 1
            hub.tick(now)
            for _ in range(10):
                pair.hub.feed(random.choice(hellos))
                sent += 1
            real.tick(now)
            carry(real, hub, key, random)
            carry(hub, real, key, random)
        waits.append(now - start)
    waits.sort()
    each = (time.process_time() - busy) / sent * 1e6
    p99 = waits[int(len(waits) * 0.99)]
    print(
        f"\nflood: {sent} forged HELLOs at 10,000/s ({each:.0f} µs each); "
        f"the real board is up within {p99} ms (p99)"
    )
    assert p99 <= 20


def forged_hello(hello: bytes, random: Random) -> bytes:
    body = bytearray(unescape(hello[1:-1])[:-4])
    body[fr.HEADER + m.HELLO_NONCE] = random.randrange(256)
    body[fr.HEADER + m.HELLO_MAC] ^= random.randrange(1, 256)
    return encode(with_crc(bytes(body)))


def test_a_late_acknowledgement_does_not_hide_a_post_from_the_next_life() -> None:
    """The frame of an earlier life comes between CHALLENGE and PROOF of the next one."""
    pair = SessionPair(seed=4)
    pair.run_until(lambda: pair.is_up, limit=2000)
    hub = pair.hub.session
    assert hub.send(17, b"one", 0, 3)
    pair.run_until(lambda: bool(pair.board.posts), limit=2000)
    late = b"".join(piece for _, _, piece in pair.up._flying)  # its POST_ACK
    pair.up.reset()
    pair.down.reset()
    pair.board.session = Initiator(Identity(DEVICE, 2), pair.new_outbox(), window=1024)
    pair.board.posts.clear()
    assert isinstance(hub, Responder)
    pair.run_until(hub.is_pending, limit=5000)
    assert hub.outbox.waiting() == 1
    pair.hub.feed(late)
    assert hub.outbox.waiting() == 0
    assert hub.send(17, b"two", 0, 3)
    pair.run_until(lambda: bool(pair.board.posts), limit=10_000)
    assert pair.board.posts == [(17, b"two")]
