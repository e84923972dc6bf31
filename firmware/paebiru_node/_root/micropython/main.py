"""MicroPython runs this after boot.py."""

import gc

# Before anything else: a start leaves garbage between what stays, and would cut a small heap
# into pieces that no model fits into.
gc.threshold(4096)

from paebiru_node.port.mp import Port  # noqa: E402
from paebiru_node.start import run  # noqa: E402

run(Port)
