# ruff: noqa: PTH102, PTH123
"""Runs on MicroPython's unix VM: writes a LittleFS image of a folder.

micropython image_writer.py FOLDER OUT BLOCK BLOCKS
"""

import os
import sys

_IS_FOLDER = 0x4000


class Disk:
    """A block device in memory."""

    def __init__(self, block, blocks):
        self.block = block
        self.blocks = blocks
        self.data = memoryview(bytearray(block * blocks))

    def readblocks(self, block, buf, offset=0):
        at = block * self.block + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        at = block * self.block + offset
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, _):
        if op == 4:
            return self.blocks
        return self.block if op == 5 else 0


def copy(source, target):
    for entry in sorted(os.ilistdir(source)):
        name = entry[0]
        if entry[1] == _IS_FOLDER:
            os.mkdir(target + "/" + name)
            copy(source + "/" + name, target + "/" + name)
        else:
            with open(source + "/" + name, "rb") as read, open(target + "/" + name, "wb") as write:
                write.write(read.read())


def main(folder, out, block, blocks):
    disk = Disk(int(block), int(blocks))
    os.VfsLfs2.mkfs(disk)
    # Without dates the same files make the same bytes.
    os.mount(os.VfsLfs2(disk, mtime=False), "/image")
    copy(folder, "/image")
    os.umount("/image")
    with open(out, "wb") as file:
        file.write(disk.data)


main(*sys.argv[1:])
