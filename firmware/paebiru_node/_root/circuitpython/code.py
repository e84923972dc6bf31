"""CircuitPython runs this."""

from paebiru_node.port.cp import Port
from paebiru_node.start import run

run(Port)
