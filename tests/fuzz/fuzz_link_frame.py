"""atheris: whatever arrives, the reader makes frames and text of it, the same in any pieces.

python tests/fuzz/fuzz_link_frame.py -max_total_time=60 tests/fuzz/corpus/link_frame
"""

import sys

import atheris

with atheris.instrument_imports():
    from sil.link import frame as fr
    from sil.link.frame import FrameReader


def found(reader: FrameReader, data: bytes) -> list[tuple[int, bytes]]:
    """Return what the reader finds in `data`."""
    out = []
    at = 0
    while at < len(data):
        at = reader.feed(data, at, len(data))
        if reader.found != fr.NOTHING:
            out.append((reader.found, bytes(reader.buf[: reader.end])))
    return out


def test_one_input(data: bytes) -> None:
    """Read `data` at once and in two pieces; both must agree and keep to the bounds."""
    whole = found(FrameReader(), data)
    cut = data[0] % len(data) if data else 0
    reader = FrameReader()
    assert found(reader, data[:cut]) + found(reader, data[cut:]) == whole
    for kind, part in whole:
        assert len(part) <= (fr.MAX_FRAME if kind == fr.FRAME else fr.MAX_TEXT)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
