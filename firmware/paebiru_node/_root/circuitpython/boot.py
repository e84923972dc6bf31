"""CircuitPython runs this once, before the PC sees the board."""

from paebiru_node.port.cp_boot import prepare

prepare()
