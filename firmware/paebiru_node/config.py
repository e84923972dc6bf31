"""What `device.json` says, checked before anything starts: `paebiru deploy` writes it.

A board lets go of this module once it has started (`start`).
"""

import json

from sil import protocol as p

from .errors import ConfigError
from .kept import Config, Learn
from .kinds import Any, Table

VERSION = 1
FILE = "device.json"


def checked(given: "Table") -> Config:
    """Return the configuration that the object of device.json says.

    Raises:
        ConfigError: a key is missing or has a value that cannot be; the message names it.
    """
    if not isinstance(given, dict) or given.get("version") != VERSION:
        raise ConfigError("version must be %d: deploy again" % VERSION)
    made = Config()
    made.name = _text(given, "name")
    made.node = _number(given, "node", 0, 0, 0xFFFF)
    made.board = _table(given, "board")
    made.links = _roles(given)
    made.sensors = [_sensor(entry) for entry in _list(given, "sensors")]
    for layer in _list(given, "layers"):
        if not isinstance(layer, int) or not 0 <= layer <= 4:
            raise ConfigError("layers: a board senses layers 0 to 4, not %r" % (layer,))
        made.layers |= 1 << layer
    made.outputs = _table(given, "outputs")
    made.period = _number(given, "period_ms", 1000, p.PERIOD_LEAST, p.PERIOD_MOST)
    if not p.is_period(made.period):
        raise ConfigError("period_ms: from 32768 on whole seconds, not %d" % made.period)
    made.batch = _number(given, "batch", 16, 1, 48)
    made.health = _number(given, "health_s", 60, 1, 86400)
    made.rho_critical = _number(given, "rho_critical", 16384, 0, 32768)
    made.slice = _number(given, "slice", 8, 1, 1024)
    if "learn" in given:
        made.learn = _learn(_table(given, "learn"), len(made.sensors))
    return made


def _learn(given: "Table", sensors: int) -> Learn:
    made = Learn()
    made.sensor = _number(given, "sensor", 0, 0, 255)
    if made.sensor >= sensors:
        raise ConfigError("learn.sensor %d: there are %d sensors" % (made.sensor, sensors))
    made.window = _number(given, "window", 0, 0, 1024)
    made.capacity = _number(given, "capacity", 200, 1, 65535)
    made.preload = bool(given.get("preload", False))
    text = given.get("scaler", "")
    try:
        made.scaler = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise ConfigError("learn.scaler: hex digits are wanted, not %r" % (text,))
    return made


def parse(text: "str | bytes") -> Config:
    """Return the configuration that the text of device.json holds.

    Raises:
        ConfigError: it is no JSON, or says what cannot be.
    """
    try:
        given = json.loads(text)
    except ValueError:
        raise ConfigError("device.json is no JSON: deploy again")
    return checked(given)


def _roles(given: "Table") -> "list[str]":
    known = _table(_table(given, "board"), "links")
    roles = _list(given, "links")
    for role in roles:
        if role not in known:
            raise ConfigError("links: %r is no link of this board: %s" % (role, ", ".join(known)))
    return roles


def _sensor(entry: "Any") -> "Table":
    if not isinstance(entry, dict) or "driver" not in entry:
        raise ConfigError('sensors: an entry needs a driver, as {"driver": "bh1750", ...}')
    layer = entry.get("layer")
    if not isinstance(layer, int) or not 0 <= layer <= 4:
        raise ConfigError("sensor %s: layer must be 0 to 4, not %r" % (entry["driver"], layer))
    return entry


def _text(given: "Table", key: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise ConfigError("%s: a text is wanted, not %r" % (key, value))
    return value


def _number(given: "Table", key: str, default: int, low: int, high: int) -> int:
    value = given.get(key, default)
    if not isinstance(value, int) or not low <= value <= high:
        raise ConfigError("%s: %d to %d is wanted, not %r" % (key, low, high, value))
    return value


def _table(given: "Table", key: str) -> "Table":
    value = given.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError("%s: a table is wanted, not %r" % (key, value))
    return value


def _list(given: "Table", key: str) -> "list[Any]":
    value = given.get(key, [])
    if not isinstance(value, list):
        raise ConfigError("%s: a list is wanted, not %r" % (key, value))
    return value
