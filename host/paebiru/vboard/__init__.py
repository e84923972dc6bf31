"""A virtual board: the real MicroPython VM with flash, NVS, watchdog and recorded sensors.

``with VirtualBoard(folder) as board:`` has it answer on ``board.port``, a serial port's path or
a ``socket://`` address, until the block ends; ``paebiru board --vm`` is the same as a command.
"""

from paebiru.vboard.board import VirtualBoard
from paebiru.vboard.bridge import BoardError

__all__ = ["BoardError", "VirtualBoard"]
