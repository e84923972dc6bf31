"""JSIL: streams of frames of bytes; recordings, checkpoints, models, updates (SPEC.md section 3).

A stream is a head, then blocks; a block is one frame, or a group of short ones.  `Encoder`
and `Decoder` work in fixed memory on pieces of any size; the functions here are for streams
that are in memory as a whole.

    data = jsil.pack(states)                 # an iterable of equally long bytes
    for state in jsil.unpack(data): ...
    jsil.read(data, 1000)                    # one frame, from the keyframe before it
"""

from .compat import About, Blocks, Buf, Frames, Unpacked
from .errors import FormatError, RangeError
from .guarded import get
from .jsil_head import (
    ADAPTIVE,
    ALONE,
    LONG,
    MAGIC,
    NONE,
    RAW,
    ROTATE,
    VERSION,
    XOR,
    XOR_ROTATE,
    Head,
)
from .jsil_parse import parse
from .jsil_read import Decoder
from .jsil_write import Encoder

__all__ = (
    "ADAPTIVE", "MAGIC", "MODE_NAMES", "NONE", "ROTATE", "VERSION", "XOR", "XOR_ROTATE",
    "Decoder", "Encoder", "Head", "blocks", "info", "pack", "read", "read_head", "seek",
    "unpack", "verify",
)  # fmt: skip

MODE_NAMES = ("None", "Xor", "Rotate", "XorRotate", "Adaptive")

_SHORT = 64  # bytes of a frame up to which `pack` groups them
_GROUP_BYTES = 8192


def pack(
    frames: Frames,
    mode: int = ADAPTIVE,
    group: int = 0,
    interval: int = 0,
    rows: "tuple[int, ...]" = (),
) -> bytes:
    """Return the stream of `frames`, an iterable of equally long bytes.

    `group` 0 chooses: short frames together, others each a block, and keyframes a whole
    number of groups apart, at most `interval`; see `Encoder` for the rest.

    Raises:
        RangeError: no frame, or frames of unlike length.
    """
    encoder = None
    size = 0
    out = bytearray()
    for frame in frames:
        if encoder is None:
            size = len(frame)
            if not group:
                group = _GROUP_BYTES // size if 0 < size <= _SHORT else 1
                if interval:
                    group = min(group, interval)
                    interval -= interval % group  # whole groups, no more frames than asked
            encoder = Encoder(size, mode, group, interval, rows)
        if len(frame) != size:
            raise RangeError("a frame of %d bytes among frames of %d" % (len(frame), size))
        at = 0
        while at < size:
            at = encoder.feed(frame, at, size)
            _drain(encoder, out)
    if encoder is None:
        raise RangeError("no frame: a stream has at least one, since they give it its size")
    encoder.finish()
    _drain(encoder, out)
    return bytes(out)


def _drain(pipe: "Encoder | Decoder", out: bytearray) -> None:
    n = pipe.waiting
    while n:
        piece = bytearray(n)
        pipe.pull(piece, 0, n)
        out.extend(piece)
        n = pipe.waiting


def unpack(data: Buf) -> Unpacked:
    """Yield the frames of a stream.

    Raises:
        FormatError: the stream is damaged, or its tail is torn; whatever came before was yielded.
    """
    head, at = read_head(data)
    if head.agreed:
        raise FormatError("coded against a model that both ends know: use a Decoder that has it")
    decoder = Decoder(head.size, head.group, head.rows)
    at = 0
    while at < len(data):
        at = decoder.feed(data, at, len(data))
        while decoder.waiting:
            frame = bytearray(head.size)
            decoder.pull(frame, 0, head.size)
            yield bytes(frame)
    torn = decoder.finish()
    if torn:
        raise FormatError(
            "%d bytes of a block that was not finished: cut the stream to %d bytes"
            % (torn, decoder.good)
        )


def read_head(data: Buf) -> "tuple[Head, int]":
    """Return the head of a stream, and where its blocks begin.

    Raises:
        FormatError: it is not JSIL, of another version, or cut within its head.
    """
    if bytes(data[:4]) != MAGIC[: len(data)]:
        raise FormatError("this is not JSIL: it does not begin with the letters JSIL")
    numbers: "list[int]" = []
    at = 4
    while at < len(data):
        value, after = get(data, at)
        if value < 0:
            break
        at = after
        numbers.append(value)
        head = parse(numbers, ())
        if head is not None:
            return head, at
    raise FormatError("cut within its head, after %d bytes: nothing can be read" % len(data))


def blocks(data: Buf) -> Blocks:
    """Yield (start, end, kind, frames) of each whole block, by their lengths, checking nothing."""
    head, at = read_head(data)
    while True:
        value, after = get(data, at)
        if value < 0:
            return
        kind, value = value & 3, value >> 2
        frames = value
        if kind != RAW and head.mode != XOR:
            frames = 1
            if head.group > 1:
                frames, after = get(data, after)
                if frames < 0:
                    return
            after += value + (4 if value >= LONG else 2)
        else:
            after += frames * head.size + 2
        if not 1 <= frames <= head.group:
            raise FormatError("a block of %d frames at byte %d: the length lies" % (frames, at))
        if after > len(data):
            return
        yield at, after, kind, frames
        at = after


def seek(data: Buf, n: int) -> "tuple[int, int]":
    """Return where the last block that needs nothing before it and is not behind frame n begins.

    The second number is the first frame in that block.

    Raises:
        RangeError: there is no whole frame n.
    """
    place, number = 0, 0
    count = 0
    for start, _, kind, frames in blocks(data):
        if kind <= ALONE:
            place, number = start, count
        count += frames
        if 0 <= n < count:
            return place, number
    raise RangeError("frame %d of a stream of %d" % (n, count))


def read(data: Buf, n: int) -> bytes:
    """Return frame n of a stream, decoding from the keyframe before it only.

    Raises:
        RangeError: there is no whole frame n.
        FormatError: a block on the way is damaged.
    """
    place, number = seek(data, n)
    head, at = read_head(data)
    decoder = Decoder(head.size, head.group, head.rows)
    decoder.feed(data, 0, at)
    frame = bytearray(head.size)
    while number <= n:
        if not decoder.waiting:
            place = decoder.feed(data, place, len(data))
        decoder.pull(frame, 0, head.size)
        number += 1
    return bytes(frame)


def verify(data: Buf) -> "tuple[int, int]":
    """Return how many frames of a stream are whole, and the bytes that hold them.

    Fewer bytes than there are: a tail was torn, and the stream may be cut there and go on.

    Raises:
        FormatError: the stream is damaged.
    """
    head, at = read_head(data)
    decoder = Decoder(head.size, head.group, head.rows)
    frames = 0
    at = 0
    piece = bytearray(head.size)
    while at < len(data):
        at = decoder.feed(data, at, len(data))
        while decoder.waiting:
            decoder.pull(piece, 0, head.size)
            frames += 1
    return frames, decoder.good


def info(data: Buf) -> About:
    """Return what a stream says of itself, from its head and its blocks' lengths.

    Raises:
        FormatError: see `read_head`.
    """
    head, end = read_head(data)
    frames = count = keys = 0
    for _, after, kind, held in blocks(data):
        frames += held
        count += 1
        keys += kind <= ALONE
        end = after
    return {
        "version": VERSION, "mode": MODE_NAMES[head.mode], "frame": head.size, "frames": frames,
        "group": head.group, "interval": head.interval, "rows": head.rows, "blocks": count,
        "keyframes": keys, "bytes": end, "torn": len(data) - end, "agreed": head.agreed,
    }  # fmt: skip
