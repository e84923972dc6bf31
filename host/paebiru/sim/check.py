"""A device.json seen with the firmware's own eyes, before it is copied onto a board."""

from collections.abc import Mapping
from typing import Any, Never

from paebiru.errors import UsageError
from paebiru.sim.flash import Flash
from paebiru.sim.port import Clock, SimPort
from paebiru_node.config import checked
from paebiru_node.errors import ConfigError
from paebiru_node.port.common import described
from paebiru_node.sensors import make
from sil.errors import SilError

_GROUPS = {"bus": "buses", "analog": "analog", "stream": "streams"}
"""By what a driver is given a part of: where the board's description has it."""


class _Reached(Exception):
    """A driver's entry is right; what is left to see is on the board alone."""


class _Desk(SimPort):
    """A port with files and without parts: asking for one that the board has ends the look."""

    def _ask(self, kind: str, role: str) -> Never:
        described(self._board, _GROUPS[kind], role)
        raise _Reached

    def bus(self, role: str) -> Never:
        """Look for a bus."""
        self._ask("bus", role)

    def analog(self, role: str) -> Never:
        """Look for an analog input."""
        self._ask("analog", role)

    def stream(self, role: str) -> Never:
        """Look for a stream."""
        self._ask("stream", role)


def check(device: dict[str, Any], recordings: Mapping[str, bytes]) -> None:
    """See that a node would start with `device`, the object of device.json.

    Args:
        device: as it will be written.
        recordings: the files that come along, by name.

    Raises:
        UsageError: the node would refuse it, or one of its sensors' drivers would.
    """
    try:
        checked(device)
    except ConfigError as error:
        raise UsageError(f"these settings cannot be: {error}") from None
    flash = Flash()
    flash.files.update(recordings)
    port: Any = _Desk(device["board"], Clock(), b"check", flash=flash)
    for entry in device.get("sensors", []):
        file = entry.get("file")
        if file is not None and file not in recordings:
            raise UsageError(
                f"sensor {entry['driver']} replays {file!r}: give it with --recording {file}"
            )
        try:
            make(entry, port)
        except _Reached:
            continue
        except SilError as error:
            raise UsageError(f"sensors: {error}") from None
