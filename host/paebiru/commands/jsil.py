"""`paebiru jsil`: look into, check, compare, pack and unpack streams (SPEC.md section 3)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from paebiru import accel, console, files
from paebiru.errors import UsageError
from sil import jsil
from sil.errors import SilError

app = typer.Typer(help="Look into, check, compare, pack and unpack JSIL streams.")

File = Annotated[Path, typer.Argument(show_default=False)]
Files = Annotated[list[Path], typer.Argument(show_default=False)]
MODES = {name.lower(): number for number, name in enumerate(jsil.MODE_NAMES)}


def register(parent: typer.Typer) -> None:
    """Add the commands to `parent`."""
    parent.add_typer(app, name="jsil", no_args_is_help=True)


@app.callback()
def _accelerate() -> None:
    accel.install()


@app.command()
def info(paths: Files) -> None:
    """Say what streams hold, from their heads and lengths."""
    table = Table()
    for heading in ("file", "mode", "frame", "frames", "rows", "keyframes", "bytes", "of raw"):
        table.add_column(
            heading, justify="left" if heading in ("file", "mode") else "right", overflow="fold"
        )
    for path in paths:
        with _named(path):
            about = jsil.info(files.read(path))
        raw = about["frame"] * about["frames"]
        rows = "-".join(map(str, about["rows"])) or "-"
        table.add_row(
            escape(str(path)), about["mode"], console.size(about["frame"]), str(about["frames"]),
            rows,
            str(about["keyframes"]), console.size(about["bytes"]),
            f"{about['bytes'] / raw:.1%}" if raw else "-",
        )  # fmt: skip
        if about["torn"]:
            console.say(f"{path}: {about['torn']} bytes behind the last whole block")
    console.out.print(table)


@app.command()
def verify(paths: Files) -> None:
    """Decode streams whole; exit code 2 if one is damaged or torn."""
    for path in paths:
        data = files.read(path)
        with _named(path):
            frames, good = jsil.verify(data)
        if good < len(data):
            keep = (
                f"keep them with: head -c {good} {path} > whole.jsil" if frames else "none is whole"
            )
            raise UsageError(
                f"{path}: torn behind frame {frames}, byte {good} of {len(data)}: {keep}"
            )
        digest = hashlib.sha256(data).hexdigest()
        console.say(f"{path}: {frames} frames, {good} bytes, sha256 {digest}")


@app.command()
def diff(old: File, new: File) -> None:
    """Say how two streams differ, frame by frame; exit code 1 if they do."""
    frames = [list(_frames(path)) for path in (old, new)]
    if len(frames[0][0]) != len(frames[1][0]):
        raise UsageError(
            f"{old} has frames of {len(frames[0][0])} bytes, {new} of {len(frames[1][0])}:"
            " only streams (models) of the same shape can be compared"
        )
    changed = 0
    for number, (a, b) in enumerate(zip(*frames, strict=False)):
        count = sum(x != y for x, y in zip(a, b, strict=True))
        if count:
            changed += 1
            console.out.print(
                f"frame {number}: {count} of {len(a)} bytes differ ({count / len(a):.2%})"
            )
    more = abs(len(frames[0]) - len(frames[1]))
    if more:
        longer = old if len(frames[0]) > len(frames[1]) else new
        console.say(f"{longer} has {more} frames more")
    if changed or more:
        raise typer.Exit(1)
    console.out.print(f"the same {len(frames[0])} frames")


@app.command()
def pack(
    raw: File,
    out: File,
    frame: Annotated[int, typer.Option(help="Bytes of a frame.")],
    mode: Annotated[
        str, typer.Option(help="none, xor, rotate, xorrotate or adaptive.")
    ] = "adaptive",
    keyframe: Annotated[int, typer.Option(help="A frame to start from every so many.")] = 0,
) -> None:
    """Pack a file of frames, one after another, into a stream."""
    if mode.lower() not in MODES:
        raise UsageError(f"--mode {mode} is unknown: take one of {', '.join(MODES)}")
    if frame < 1:
        raise UsageError(f"--frame {frame} is no size: give the bytes of a frame, 1 or more")
    if keyframe < 0:
        raise UsageError(f"--keyframe {keyframe} is no distance: give 0 for none, or more")
    if raw.resolve() == out.resolve():
        raise UsageError(f"{out} is the input too: give another file for the output")
    data = files.read(raw)
    if not data or len(data) % frame:
        raise UsageError(
            f"{raw} has {len(data)} bytes, no whole number of frames of {frame}: give its --frame"
        )
    frames = (data[at : at + frame] for at in range(0, len(data), frame))
    stream = jsil.pack(frames, MODES[mode.lower()], interval=keyframe)
    files.write(out, stream)
    console.say(
        f"{out}: {len(data) // frame} frames, {len(stream)} bytes, {len(stream) / len(data):.1%}"
        " of raw"
    )


@app.command()
def unpack(stream: File, out: File) -> None:
    """Unpack a stream into a file of its frames, one after another."""
    frames = list(_frames(stream))
    files.write(out, b"".join(frames))
    console.say(f"{out}: {len(frames)} frames of {len(frames[0])} bytes")


def _frames(path: Path) -> Iterator[bytes]:
    with _named(path):
        yield from jsil.unpack(files.read(path))


class _named:
    """Puts the file's name before what the core says is wrong with it."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SilError):
            raise UsageError(f"{self._path}: {error}") from None
