"""The "board" part of ``device.json``: what the firmware's port needs of a description."""

from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from pydantic import BaseModel

from paebiru.boards.model import Board, EspNow, Link, Tcp
from paebiru.errors import UsageError


class Settings(TypedDict, total=False):
    """What a description leaves to whoever sets a board up."""

    links: Mapping[str, Mapping[str, str | int]]
    """By role: ssid, password, host, port of a ``tcp`` link; peer, channel of ``espnow``."""
    watchdog_ms: int
    roles: Collection[str]
    """Of the buses, inputs, streams and outputs, only these: what the sensors use."""


_GROUPS = ("buses", "analog", "streams", "outputs")
_PORTS = (1, 65535)
_CHANNELS = (1, 14)


def device_board(board: Board, settings: Settings | None = None) -> dict[str, Any]:
    """Return the "board" part of ``device.json``: plain dicts, lists, strings and integers.

    A link that needs to be told where to connect (``tcp``, ``espnow``) is there only if
    `settings` tell it: the node could not use it.

    Raises:
        UsageError: the settings name a link that the board lacks, leave out a value that
            the link needs, or give one that it does not have.
    """
    given = settings or {}
    told = given.get("links", {})
    for role in told:
        if role not in board.links:
            have = ", ".join(board.links)
            raise UsageError(f"{board.name} has no link {role!r}: take one of {have}")
    roles = given.get("roles")
    if roles is not None:
        _known(board, roles)
    made: dict[str, Any] = {"name": board.name, "runtime": board.runtime}
    for group in _GROUPS:
        made[group] = {
            role: _plain(part)
            for role, part in getattr(board, group).items()
            if roles is None or role in roles
        }
    made["links"] = {
        role: _link(board, role, link, told.get(role, {}))
        for role, link in board.links.items()
        if role in told or not isinstance(link, Tcp | EspNow)
    }
    made["watchdog_ms"] = given.get("watchdog_ms", board.watchdog_ms)
    return made


def _known(board: Board, roles: Collection[str]) -> None:
    have = [role for group in _GROUPS for role in getattr(board, group)]
    for role in roles:
        if role not in have:
            listed = ", ".join(have) or "none"
            raise UsageError(f"{board.name} has no role {role!r}: take one of {listed}")


def _link(board: Board, role: str, link: Link, told: Mapping[str, str | int]) -> dict[str, Any]:
    made = _plain(link)
    needed, optional = _values(board, link)
    for key, value in told.items():
        if key not in (*needed, *optional):
            allowed = ", ".join((*needed, *optional)) or "none"
            raise UsageError(f"link {role} has no setting {key!r}: it has {allowed}")
        made[key] = _checked(role, key, value)
    for key in needed:
        if key not in told:
            raise UsageError(f"link {role} of {board.name} needs {key}: give it")
    return made


def _values(board: Board, link: Link) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which settings a link needs, and which it may have."""
    if isinstance(link, Tcp):
        if board.radio.wifi:
            return ("ssid", "password", "host"), ("port",)
        return ("host",), ("port",)
    if isinstance(link, EspNow):
        return ("peer",), ("channel",)
    return (), ()


def _checked(role: str, key: str, value: str | int) -> str | int:
    """Return a link's setting as the firmware wants it."""
    if key in ("port", "channel"):
        low, high = _PORTS if key == "port" else _CHANNELS
        if not isinstance(value, int) or not low <= value <= high:
            raise UsageError(f"{key} {value!r} of link {role} cannot be: give {low}..{high}")
        return value
    # An open network has an empty password; WPA's has 8 bytes at least, a network's name 1..32.
    if not isinstance(value, str):
        raise UsageError(f"{key} {value!r} of link {role} is no text: give one")
    size = len(value.encode())
    if key == "ssid" and not 1 <= size <= 32:
        raise UsageError(f"ssid {value!r} of link {role} cannot be: it has 1..32 bytes")
    if key == "password" and value and not 8 <= size <= 63:
        raise UsageError(f"the password of link {role} cannot be: it has 8..63 bytes, or none")
    if key == "host" and not value:
        raise UsageError(f"host of link {role} is empty: give the hub's address")
    if key == "peer":
        return _peer(role, value)
    return value


def _peer(role: str, value: str) -> str:
    """Return a radio's address as twelve hex digits."""
    digits = value.lower().replace(":", "").replace("-", "")
    try:
        if len(bytes.fromhex(digits)) == 6:
            return digits
    except ValueError:
        pass
    raise UsageError(f"peer {value!r} of link {role} is no address: give six bytes in hex")


def _plain(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(exclude_none=True)
