"""MicroPython runs this after boot.py."""

from paebiru_node.port.mp import Port
from paebiru_node.start import run

run(Port)
