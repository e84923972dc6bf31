"""Boards: what ``boards/*.toml`` says of each, read once and checked whole.

`load` gives a board by its name or its file's path, `device_board` what its firmware needs.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from paebiru.boards.check import problems
from paebiru.boards.device import device_board
from paebiru.boards.model import Board
from paebiru.errors import UsageError

__all__ = ["Board", "device_board", "folder", "load", "names"]

_PACKAGE = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """Return the folder of the boards that come with Paebiru.

    In a wheel they lie inside of the package, in a checkout at its top.
    """
    inside = _PACKAGE / "_boards"
    return inside if inside.is_dir() else _PACKAGE.parent.parent / "boards"


def names() -> list[str]:
    """Return the boards that come with Paebiru, by name."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name: str) -> Board:
    """Return a board by its name, or by the path of a TOML file of one's own.

    Raises:
        UsageError: there is no such board, or its description cannot be; names the file,
            the key, and the way out.
    """
    is_own = name.endswith(".toml") or "/" in name or "\\" in name
    path = Path(name) if is_own else folder() / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if is_own:
            why = getattr(error, "strerror", None) or "it is no text"
            raise UsageError(f"{path} cannot be read ({why}): give a board's TOML file") from None
        raise UsageError(
            f"no board is called {name!r}: take one of {', '.join(names())}, or the path of a"
            " TOML file of your own"
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Board:
    """Return the board that a TOML text describes; `path` names it.

    Raises:
        UsageError: as `load`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}: put the TOML right there") from None
    if "name" in document:
        raise UsageError(f"{path}: name: a board is called as its file is: leave the key out")
    try:
        board = Board.model_validate({**document, "name": path.stem})
    except ValidationError as error:
        found = [_told(each) for each in error.errors()]
    else:
        found = list(problems(board))
        if not found:
            return board
    key, what = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise UsageError(f"{path}: {key}: {what}{more}")


def _told(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return (key, what is wrong and what to do) of one of pydantic's findings."""
    kind, place = error["type"], list(error["loc"])
    key = ".".join(str(part) for part in place if part not in _KINDS)
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return key, "no such key: see boards/README.md, or leave it out"
    if kind == "missing":
        return key, "missing: add it"
    if kind == "union_tag_invalid":
        return f"{key}.kind", f"{context['tag']} is unknown: take one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"{key}.kind", "missing: add it"
    if kind == "string_pattern_mismatch":
        return key, f"{error['input']!r} is not of the form {context['pattern']}: change it"
    return key, f"{error['input']!r} cannot be: {error['msg'].lower().removeprefix('input ')}"


# What pydantic adds to a key's path where there are several forms; no key of the file.
_KINDS = ("int", "str", "i2s", "uart", "digital", "pwm", "stdio", "tcp", "espnow", "[key]")
