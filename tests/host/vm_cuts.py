"""Runs in MicroPython's VM: power cut at every block write, on its own littlefs and FAT.

Prints one JSON object: for each file system how many cuts were tried, after how many of them a
checkpoint was lost that had been told, and after how many a wrong one was found.
"""

import json

import vfs

from paebiru_node.errors import PortError
from paebiru_node.slots import Slots

WRITES = 6


class Cut(Exception):
    pass


class Medium:
    """Blocks in memory; the power goes at the n-th write, which does not happen."""

    def __init__(self, size, count, data=None):
        self.size, self.blocks = size, count
        self.data = data if data is not None else bytearray(b"\xff" * (size * count))
        self.count = self.cut = 0

    def readblocks(self, block, buf, offset=0):
        at = block * self.size + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=None):
        self._step()
        at = block * self.size + (offset or 0)
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, argument):
        if op == 4:
            return self.blocks
        if op == 5:
            return self.size
        if op == 6:
            self._step()
            at = argument * self.size
            self.data[at : at + self.size] = b"\xff" * self.size
            return 0
        return 0

    def _step(self):
        self.count += 1
        if self.cut and self.count >= self.cut:
            raise OSError(5)


class Port:
    def open(self, name, mode):
        return open("/flash/" + name, mode)  # noqa: PTH123


def parts(generation):
    return [bytes([generation]) * 1000, bytes([generation ^ 0x55]) * 2100]


def write_until_cut(medium):
    told = 0
    slots = Slots(Port())
    slots.scan()
    for generation in range(1, WRITES + 1):
        try:
            slots.write(parts(generation), bytes([generation]) * 8)
        except (OSError, PortError):
            break
        if medium.cut and medium.count >= medium.cut:
            break
        told = generation
    return told


def newest():
    """Return the generation that a start would take up, or -1 if it is a wrong one."""
    slots = Slots(Port())
    found = slots.scan()
    if not found:
        return 0
    body = bytearray(3100)
    slots.body(found).readinto(body)
    return found.generation if bytes(body) == b"".join(parts(found.generation)) else -1


def mount(kind, medium):
    vfs.mount(kind(medium), "/flash")


def run(kind, size, count):
    medium = Medium(size, count)
    kind.mkfs(medium)
    formatted = bytes(medium.data)
    mount(kind, medium)
    medium.count = 0
    assert write_until_cut(medium) == WRITES
    total = medium.count
    vfs.umount("/flash")
    lost = wrong = 0
    for cut in range(1, total + 1):
        medium = Medium(size, count, bytearray(formatted))
        mount(kind, medium)
        medium.cut = cut
        medium.count = 0
        told = write_until_cut(medium)
        try:  # noqa: SIM105
            vfs.umount("/flash")
        except OSError:
            pass
        mount(kind, Medium(size, count, bytearray(medium.data)))
        found = newest()
        wrong += found < 0
        lost += 0 <= found < told
        vfs.umount("/flash")
    return {"cuts": total, "lost": lost, "wrong": wrong}


print(json.dumps({"lfs": run(vfs.VfsLfs2, 4096, 32), "fat": run(vfs.VfsFat, 512, 256)}))
