"""Mounts the board's disk at every start: LittleFS in memory that is outside of the heap.

So it outlives a soft reset, and QEMU can load a whole image of it before the start.
"""

import os
import sys

import uctypes

_BLOCK = 4096
_BLOCKS = 1024


class Disk:
    """The block device; MicroPython's extended interface (offsets within a block)."""

    def __init__(self, address):
        self._data = memoryview(uctypes.bytearray_at(address, _BLOCK * _BLOCKS))

    def readblocks(self, block, buf, offset=0):
        """Read `buf` from a block."""
        at = block * _BLOCK + offset
        buf[:] = self._data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        """Write `buf` to a block."""
        at = block * _BLOCK + offset
        self._data[at : at + len(buf)] = buf

    def ioctl(self, op, _):
        """Answer how many blocks there are, of which size; the rest succeeds."""
        if op == 4:
            return _BLOCKS
        return _BLOCK if op == 5 else 0


def mount(address):
    """Mount the disk at `address`; make an empty file system where there is none."""
    disk = Disk(address)
    try:
        vfs = os.VfsLfs2(disk)
    except OSError:
        os.VfsLfs2.mkfs(disk)
        vfs = os.VfsLfs2(disk)
    os.mount(vfs, "/")
    os.chdir("/")


# Also in tests/mcu/emulator.py, which loads images there.
mount(0x2100_0000 if "mps2" in sys.implementation._machine else 0x8400_0000)
sys.path.append("/lib")
