"""The link over a CircuitPython console: lines of base64 among text, from both ends."""

import asyncio
import secrets
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paebiru.testing import DEVICE, SECRET, Faults
from paebiru.transport import Driver, FaultyTransport, MemoryTransport, Transport
from paebiru.transport.console import ConsoleTransport, LineSorter, to_lines
from paebiru_node.port.console import LineReader, encode
from sil.link import events as ev
from sil.link import frame as fr
from sil.link.frame import FrameReader, FrameWriter
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder
from sil.link.session import Session

TEXT = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=40
).filter(lambda text: "!P1:" not in text)


def read_by_board(console: bytes) -> bytes:
    """Return the stream's bytes that a board finds."""
    reader = LineReader()
    got = bytearray()
    buf = bytearray(33)
    for character in console.decode(errors="replace"):
        if reader.feed(ord(character)):
            while not reader.is_empty():
                got += buf[: reader.readinto(buf, 0)]
    return bytes(got)


def lines_of_board(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Return the lines in which a board sends a stream that its session gives in pieces."""
    lines = []
    at = 0
    while at < len(stream):
        size = sizes[len(lines) % len(sizes)]
        end = min(at + size, len(stream))
        lines.append(encode(stream, at, end))
        at = end
    return lines


def frame(payload: bytes) -> bytes:
    writer = FrameWriter(0, False)
    writer.buf[fr.HEADER : fr.HEADER + len(payload)] = payload
    writer.seal(16, len(payload))
    out = bytearray(fr.MAX_ENCODED)
    return bytes(out[: writer.pull(out, 0, len(out))])


def sorted_by_session(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of the frames that a session finds, and its text."""
    reader = FrameReader()
    frames, text = [], b""
    at = 0
    while at < len(data):
        at = reader.feed(data, at, len(data))
        found = bytes(reader.buf[: reader.end])
        if reader.found == fr.FRAME:
            frames.append(found[fr.HEADER :])
        elif reader.found == fr.TEXT:
            text += found
    return frames, text


@given(st.binary(max_size=700), st.lists(TEXT, max_size=3))
def test_from_the_hub_to_a_board(data: bytes, noise: list[str]) -> None:
    lines = to_lines(data).splitlines(keepends=True)
    assert all(len(line) <= 245 for line in lines)
    said = b""
    for number, line in enumerate(lines):
        text = noise[number % len(noise)] if noise else ""
        said += f"{text}\r\n".encode() + line
    assert read_by_board(said) == data


@given(
    st.lists(st.binary(max_size=400), max_size=6),
    st.lists(st.integers(1, 180), min_size=1, max_size=5),
    st.lists(TEXT, max_size=8),
    st.integers(1, 500),
)
def test_from_a_board_to_the_hub_with_text_between_and_any_cut(
    payloads: list[bytes], sizes: list[int], noise: list[str], cut: int
) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    said, texts = b"", b""
    for number, line in enumerate(lines_of_board(stream, sizes)):
        text = noise[number % len(noise)] if noise else ""
        # A line of text, and text right before the mark (a terminal's title, a prompt).
        said += text.encode() + b"\r\n" + b"\x1b]0;title\x1b\\" + line.replace(b"\n", b"\r\n")
        texts += text.encode() + b"\n" if text else b""
    sorter = LineSorter()
    heard = b"".join(sorter.feed(said[at : at + cut]) for at in range(0, len(said), cut))
    frames, text = sorted_by_session(heard)
    assert frames == payloads
    assert text == texts


@given(st.binary(max_size=3000))
def test_any_bytes_from_a_console_are_text_at_worst(data: bytes) -> None:
    sorter = LineSorter()
    sorter.feed(data)
    sorter.feed(b"\n")
    stream = frame(b"after all of it")
    heard = b"".join(sorter.feed(line) for line in lines_of_board(stream + stream, [50]))
    frames, _ = sorted_by_session(heard)
    assert b"after all of it" in frames


@given(st.binary(min_size=1, max_size=400), st.data())
def test_a_damaged_line_costs_its_frame_and_no_other(payload: bytes, data: st.DataObject) -> None:
    good = frame(b"good")
    lines = lines_of_board(frame(payload), [60])
    victim = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[victim]) - 2))
    byte = data.draw(st.integers(1, 255).filter(lambda value: value not in (10, 13)))
    spoiled = bytearray(lines[victim])
    spoiled[at] = byte
    changed = lines[:victim] + [bytes(spoiled)] + lines[victim + 1 :]
    sorter = LineSorter()
    said = [encode(good, 0, len(good)), *changed] + [encode(good, 0, len(good))] * 2
    frames, _ = sorted_by_session(b"".join(sorter.feed(line) for line in said))
    wanted = [b"good", payload, b"good", b"good"]
    if changed == lines:
        assert frames == wanted
    else:
        assert frames[0] == b"good"
        assert frames[-1] == b"good"
        assert all(found in wanted for found in frames)


def test_text_is_not_held_for_ever() -> None:
    sorter = LineSorter()
    heard = sorter.feed(to_lines(b"\xc0\x10 a frame that never ends"))
    while len(heard) < 4096:
        more = sorter.feed(b"x" * 99 + b"\n")
        heard += more
        if more:
            break
    else:
        pytest.fail("no text came")
    assert b"x" * 99 in heard


# -- whole sessions over it


class BoardsConsole:
    """A board's end, made of the firmware's own reader and writer, over a line of text."""

    datagrams = False

    def __init__(self, line: Transport) -> None:
        self._line = line
        self._reader = LineReader()

    async def read(self) -> bytes:
        buf = bytearray(64)
        while data := await self._line.read():
            got = bytearray()
            for character in data.decode(errors="replace"):
                if self._reader.feed(ord(character)):
                    while not self._reader.is_empty():
                        got += buf[: self._reader.readinto(buf, 0)]
            if got:
                return bytes(got)
        return b""

    async def write(self, data: bytes) -> None:
        for line in lines_of_board(data, [180]):
            await self._line.write(b">>> a print of the program's\r\n" + line)

    def close(self) -> None:
        self._line.close()


class End:
    """One end that takes what it is offered."""

    def __init__(self, session: Session, transport: Transport) -> None:
        self.session = session
        self.driver = Driver(session, transport, self.act)
        self.received = bytearray()
        self.done = asyncio.Event()

    def act(self, event: int) -> None:
        s = self.session
        if event == ev.CONNECT and isinstance(s, Initiator):
            s.connect(DeviceKey(SECRET, 1), secrets.token_bytes(16))
        elif event == ev.HELLO and isinstance(s, Responder):
            s.challenge(DeviceKey(SECRET, 1), secrets.token_bytes(16))
        elif event == ev.OFFER:
            s.accept(len(self.received))
        elif event == ev.DATA:
            self.received += s.incoming.window[s.start : s.end]
            s.consume(s.end - s.start)
        elif event == ev.COMPLETE:
            s.commit()
        elif event == ev.COMMITTED:
            self.done.set()


@pytest.mark.parametrize("faults", [Faults(), Faults(bit_error=2e-5, byte_loss=1e-4)])
def test_an_object_each_way(faults: Faults) -> None:
    async def talk() -> None:
        one, two = MemoryTransport.pair()
        board = End(
            Initiator(Identity(DEVICE, 1), Outbox(secrets.randbelow(1 << 28) + 1)),
            BoardsConsole(one),
        )
        hub = End(
            Responder(Outbox(secrets.randbelow(1 << 28) + 1)),
            ConsoleTransport(FaultyTransport(two, faults, 5)),
        )
        bodies = []
        for end in (board, hub):
            body = secrets.token_bytes(6000)
            bodies.append(body)
            end.session.offer(Offer(1, len(body), sha256(body).digest()), BytesSource(body))
        runs = [asyncio.create_task(end.driver.run()) for end in (board, hub)]
        try:
            await asyncio.wait_for(asyncio.gather(board.done.wait(), hub.done.wait()), 180)
        finally:
            for run in runs:
                run.cancel()
        assert [bytes(hub.received), bytes(board.received)] == bodies

    asyncio.run(talk())
