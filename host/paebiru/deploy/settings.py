"""What one board is to do: a TOML file of its owner's, made into ``device.json``.

    name = "greenhouse-3"
    links = ["usb", "wifi"]          # tried in this order

    [link.wifi]                      # what the board's description leaves open
    ssid = "…"
    password = "…"
    host = "192.168.1.2"             # the hub

    [[sensors]]
    driver = "bh1750"
    layer = 0
    role = "i2c0"

Nothing is needed: without a file a board does what its description says, over USB.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from paebiru import files
from paebiru.boards import Board, device_board
from paebiru.boards.model import Stdio
from paebiru.errors import UsageError

_VERSION = 1
_LONGEST_NAME = 48  # of a file: littlefs takes 255, FAT's short names are not used
_COPIED = ("node", "period_ms", "batch", "health_s", "rho_critical", "slice", "learn")
"""Keys that device.json has as they are given here."""


class Settings(BaseModel):
    """The keys of the file; each may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[StrictStr, Field(max_length=64)] = ""
    node: StrictInt | None = None
    layers: list[StrictInt] | None = None
    """0..4; those of the sensors if left out."""
    links: list[StrictStr] | None = None
    """Roles, in the order in which they are tried; USB and what `link` tells if left out."""
    link: dict[str, dict[str, StrictStr | StrictInt]] = {}
    sensors: list[dict[str, Any]] | None = None
    """The board's own if left out."""
    outputs: dict[StrictStr, StrictStr] = {}
    period_ms: StrictInt | None = None
    batch: StrictInt | None = None
    health_s: StrictInt | None = None
    rho_critical: StrictInt | None = None
    slice: StrictInt | None = None
    watchdog_ms: Annotated[StrictInt, Field(ge=0, le=600_000)] | None = None
    learn: dict[str, Any] | None = None
    recordings: list[StrictStr] = []
    """Files that sensors replay, beside the settings' own."""


def load(path: Path) -> tuple[Settings, dict[str, bytes]]:
    """Return the settings in a file, and the recordings that they name.

    Raises:
        UsageError: a file cannot be read, or a key or its value cannot be.
    """
    try:
        given = tomllib.loads(files.read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}: put the TOML right there") from None
    settings = parse(given, str(path))
    return settings, recordings([path.parent / name for name in settings.recordings])


def parse(given: Mapping[str, Any], where: str = "settings") -> Settings:
    """Return settings out of a table.

    Raises:
        UsageError: a key or its value cannot be; names `where` and the key.
    """
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part not in ("str", "int"))
        if first["type"] == "extra_forbidden":
            known = ", ".join(Settings.model_fields)
            raise UsageError(f"{where}: {key}: no such key: there are {known}") from None
        raise UsageError(
            f"{where}: {key}: {first['input']!r} cannot be: {first['msg'].lower()}"
        ) from None


def recordings(paths: list[Path]) -> dict[str, bytes]:
    """Return the recordings at `paths` by their names.

    Raises:
        UsageError: one cannot be read, or two have the same name.
    """
    found: dict[str, bytes] = {}
    for path in paths:
        if path.name in found:
            raise UsageError(f"two recordings are called {path.name}: rename one")
        if path.suffix != ".jsil" or len(path.name) > _LONGEST_NAME:
            raise UsageError(f"{path} is no recording: give a file NAME.jsil (paebiru jsil pack)")
        found[path.name] = files.read(path)
    return found


def device(board: Board, settings: Settings) -> dict[str, Any]:
    """Return the object of device.json.

    Raises:
        UsageError: the settings ask for what the board has not, or leave out what it needs.
    """
    sensors = settings.sensors
    if sensors is None:
        sensors = [entry.model_dump(exclude_none=True) for entry in board.sensors]
    roles = {str(entry["role"]) for entry in sensors if "role" in entry}
    told: Any = {"links": settings.link, "roles": roles | set(settings.outputs.values())}
    if settings.watchdog_ms is not None:
        told["watchdog_ms"] = settings.watchdog_ms
    made: dict[str, Any] = {
        "version": _VERSION,
        "name": settings.name or board.name,
        "board": device_board(board, told),
        "sensors": sensors,
        "layers": settings.layers if settings.layers is not None else _layers(sensors),
        "links": settings.links if settings.links is not None else _links(board, settings),
        "outputs": settings.outputs,
    }
    for key in _COPIED:
        value = getattr(settings, key)
        if value is not None:
            made[key] = value
    for role in made["links"]:
        if role in board.links and role not in made["board"]["links"]:
            raise UsageError(
                f"link {role} of {board.name} has to be told where the hub is: add [link.{role}]"
                " to the settings"
            )
    try:
        json.dumps(made)
    except (TypeError, ValueError) as error:
        raise UsageError(f"these settings cannot be: {error}") from None
    return made


def _layers(sensors: list[dict[str, Any]]) -> list[int]:
    return sorted({entry["layer"] for entry in sensors if isinstance(entry.get("layer"), int)})


def _links(board: Board, settings: Settings) -> list[str]:
    """Return the console, then what the settings tell about."""
    console = [role for role, link in board.links.items() if isinstance(link, Stdio)]
    return [*console, *(role for role in settings.link if role not in console)]
