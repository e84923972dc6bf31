"""atheris: a session that is up meets frames of any content, signed by its own peer.

    python tests/fuzz/fuzz_link_session.py -max_total_time=60 tests/fuzz/corpus/link_session

The input is a list of (type, size, payload): what a peer gone mad might sign, which
is the most that can reach the session's handlers.  Nothing but `SilError` may come
out, and the buffers keep their sizes.
"""

import sys
from random import Random

import atheris

from sil.kernels import wire  # noqa: F401  loops over bytes teach the fuzzer nothing

with atheris.instrument_imports():
    from paebiru.testing import LossyLink, SessionPair
    from sil.errors import SilError
    from sil.link import frame as fr
    from sil.link.session import Session


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut the input into frames."""
    out = []
    at = 0
    while at + 2 <= len(data) and len(out) < 20:
        size = data[at + 1] * 4
        out.append((data[at], data[at + 2 : at + 2 + size]))
        at += 2 + size
    return out


def sign(session: Session, kind: int, payload: bytes) -> None:
    """Have a session send what it never would."""
    session.writer.buf[fr.HEADER : fr.HEADER + len(payload)] = payload
    session._send(kind, len(payload))


def test_one_input(data: bytes) -> None:
    """Send the frames both ways; see that both ends live on."""
    pair = SessionPair(LossyLink(1, 0, 0), LossyLink(2, 0, 0), window=1024)
    pair.run_until(lambda: pair.is_up, limit=100)
    pair.board.offer(Random(1).randbytes(700))
    pair.step()
    out = bytearray(4096)
    for number, (kind, payload) in enumerate(frames(data)):
        sender, receiver = (pair.board, pair.hub) if number % 2 else (pair.hub, pair.board)
        if not sender.session._keys:
            return
        sign(sender.session, kind, payload)
        end = sender.session.writer.pull(out, 0, len(out))
        try:
            receiver.feed(bytes(out[:end]))
            pair.step(300)
        except (SilError, AssertionError) as error:
            assert isinstance(error, SilError) or "forged" in str(error), error
    for peer in (pair.board, pair.hub):
        session = peer.session
        assert len(session.incoming.window) == 1024
        assert len(session.reader.buf) == len(session.writer.buf) == fr.MAX_FRAME
        assert 0 <= session.incoming.consumed() <= max(session.incoming.length, 0)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
