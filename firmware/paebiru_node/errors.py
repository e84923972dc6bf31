"""What can go wrong on a board besides the core's errors."""

from sil.errors import SilError


class ConfigError(SilError):
    """`device.json` asks for what cannot be; the message names the key and the way out."""


class PortError(SilError):
    """The board has no such part, or it does not work; the message says which."""


class SensorError(SilError):
    """A sensor is missing or is another one; its layer stays NULL and health tells why."""


class Restart(Exception):
    """The program shall end and the board start over: a port without a reset raises it."""
