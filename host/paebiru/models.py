"""Models as files: a `.jsil` stream of one frame, one ByteSil code a weight."""

import hashlib
from pathlib import Path

from paebiru import files
from paebiru.errors import UsageError
from sil import jsil
from sil.errors import SilError


def stream(codes: bytes, sizes: tuple[int, ...]) -> bytes:
    """Return the stream of a model; its head names the network's sizes."""
    return jsil.pack([codes], rows=sizes)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of a model's stream, as hex digits."""
    return hashlib.sha256(data).hexdigest()


def load(path: Path, sizes: tuple[int, ...]) -> tuple[bytes, int]:
    """Return the codes of the model in a file, and how many bytes the file has.

    Raises:
        UsageError: the file cannot be read, is damaged, no model, or one of other sizes.
    """
    data = files.read(path)
    try:
        frames = list(jsil.unpack(data))
        rows = jsil.read_head(data)[0].rows
    except SilError as error:
        raise UsageError(f"{path}: {error}") from None
    if len(frames) != 1 or rows != sizes:
        found = "-".join(map(str, rows)) if rows else f"no model: {len(frames)} frames"
        raise UsageError(
            f"{path} is {found}, here is a {'-'.join(map(str, sizes))} network: give a model of"
            " that shape, or fitting --dataset and --hidden"
        )
    return frames[0], len(data)
