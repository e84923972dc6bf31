"""Models as files: a `.jsil` stream of one frame, one ByteSil code a weight."""

import hashlib
from array import array
from pathlib import Path

from paebiru import files
from paebiru.errors import UsageError
from paebiru.federated import snapshot
from sil import jsil, nn
from sil.errors import SilError


def stream(codes: bytes, sizes: tuple[int, ...]) -> bytes:
    """Return the stream of a model; its head names the network's sizes."""
    return jsil.pack([codes], rows=sizes)


def of_state(state: bytes) -> bytes:
    """Return the stream of the model that a federation's state holds.

    Raises:
        FormatError: it is damaged.
    """
    held = snapshot.unpack(state)
    return stream(bytes(nn.encode(array("h", held.base))), tuple(held.task.sizes))


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
