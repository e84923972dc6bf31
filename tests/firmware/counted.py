"""Runs a bundle's node in the plain VM, and counts steps and memory; for tests/host/heap_lab.py.

    micropython -X heapsize=… counted.py LIB IMAGE STEPS REPORT

LIB is the bundle's /lib, or IMAGE a ROMFS with it, which is then executed in place; the working
folder is the board's file system, standard input and output its line.  The node is the unmodified
one: this only counts what `Port.idle`, called once a step, sees, and ends it after STEPS.
"""

import gc
import sys

gc.threshold(4096)  # as main.py does

LIB, IMAGE, STEPS, REPORT = sys.argv[1:5]


def mount():
    """Let modules come from the library, or in place from its image."""
    sys.path[:] = [LIB, ".frozen"]
    if IMAGE:
        import vfs

        with open(IMAGE, "rb") as file:  # noqa: PTH123 - of MicroPython
            image = file.read()
        gc.collect()
        vfs.mount(vfs.VfsRom(image), "/rom")
        sys.path[:] = ["/rom", ".frozen"]


mount()

from paebiru_node.errors import Restart  # noqa: E402
from paebiru_node.port.mp import Port  # noqa: E402
from paebiru_node.start import run  # noqa: E402


class Counted(Port):
    """The board's port, which looks at the heap at each step."""

    def __init__(self, board):
        super().__init__(board)
        self.steps = 0
        self.most = 0  # allocated, garbage included
        self.least = 1 << 30  # free
        self.early = 0  # allocated after a tenth of the steps, garbage collected
        self.late = 0  # at the end

    def idle(self, ms):
        """Look, and wait hardly at all."""
        used = gc.mem_alloc()
        free = gc.mem_free()
        if used > self.most:
            self.most = used
        if free < self.least:
            self.least = free
        self.steps += 1
        if self.steps == int(STEPS) // 10:
            gc.collect()
            self.early = gc.mem_alloc()
        if self.steps >= int(STEPS):
            gc.collect()
            self.late = gc.mem_alloc()
            raise Restart
        if self.steps & 3 == 0:
            super().idle(min(ms, 1))


made = []


def make(board):
    """Make the port, and keep it to ask it afterwards."""
    made.append(Counted(board))
    return made[0]


try:  # noqa: SIM105 - no contextlib on boards
    run(make)
except Restart:
    pass
port = made[0]
with open(REPORT, "w") as file:  # noqa: PTH123
    crash = port.load("error").decode()
    for value in (port.steps, port.most, port.least, port.early, port.late, crash):
        file.write(str(value) + "\n")
