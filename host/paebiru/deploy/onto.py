"""Deploy as one call: settings, bundle, copy.

result = deploy("/dev/ttyUSB0", boards.load("esp32_devkit"), settings)
"""

from collections.abc import Mapping

from paebiru.boards import Board
from paebiru.deploy import bundle
from paebiru.deploy.bundle import Bundle
from paebiru.deploy.copy import copy
from paebiru.deploy.settings import Settings, device
from paebiru.deploy.transfer import Progress, Result, silent
from paebiru.sim.check import check


def prepare(
    board: Board,
    settings: Settings,
    recordings: Mapping[str, bytes] | None = None,
    twin: bool = True,
) -> Bundle:
    """Return what a board is to have, seen with the firmware's eyes.

    Raises:
        UsageError: the settings cannot be carried out on this board.
    """
    given = dict(recordings or {})
    made = device(board, settings)
    check(made, given)
    return bundle.make(board, made, given, twin)


def deploy(
    port: str,
    board: Board,
    settings: Settings | None = None,
    recordings: Mapping[str, bytes] | None = None,
    told: Progress = silent,
) -> Result:
    """Put the firmware and its settings onto the MicroPython board at `port`, and start it.

    Raises:
        UsageError: the settings cannot be carried out, or the board cannot be reached, is
            another one, or has no room.
    """
    return copy(port, prepare(board, settings or Settings(), recordings), told)
