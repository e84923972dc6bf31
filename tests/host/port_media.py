"""What a file system keeps at a power cut; runs on the real MicroPython VM, not on CPython.

It replaces a file, once for each block write, and at that write takes the medium as it is: prints
for each file system what a mount of it then shows of the file.
"""

# ruff: noqa: PTH123, SIM115

import vfs

BLOCK = 512
OLD = b"o" * 700
NEW = b"n" * 1900


class Medium:
    def __init__(self, blocks):
        self.data = bytearray(BLOCK * blocks)
        self.writes = 0
        self.cut_at = -1
        self.kept = None

    def readblocks(self, block, buf, offset=0):
        at = block * BLOCK + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        if self.writes == self.cut_at:
            self.kept = bytes(self.data)
        self.writes += 1
        at = block * BLOCK + offset
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 6:  # erase
            self.writeblocks(arg, b"\xff" * BLOCK)
        return len(self.data) // BLOCK if op == 4 else BLOCK if op == 5 else 0


def seen(kind, data):
    """Return what a mount shows of the file."""
    medium = Medium(len(data) // BLOCK)
    medium.data[:] = data
    vfs.mount(kind(medium), "/m")
    try:
        with open("/m/f", "rb") as file:
            body = file.read()
    except OSError:
        return "none"
    finally:
        vfs.umount("/m")
    return {OLD: "old", NEW: "new", b"": "empty"}.get(body, "torn")


def replaced(kind, cut_at):
    """Replace the file; return how many writes it took, and what a cut at one of them shows."""
    medium = Medium(200)
    kind.mkfs(medium)
    vfs.mount(kind(medium), "/w")
    with open("/w/f", "wb") as file:
        file.write(OLD)
    medium.writes = 0
    medium.cut_at = cut_at
    file = open("/w/f", "wb")
    for at in range(0, len(NEW), 300):
        file.write(NEW[at : at + 300])
    before_close = seen(kind, medium.data)
    file.close()
    vfs.umount("/w")
    return medium.writes, medium.kept and seen(kind, medium.kept), before_close


for name, kind in (("littlefs", vfs.VfsLfs2), ("fat", vfs.VfsFat)):
    count, _, before_close = replaced(kind, -1)
    shown = {replaced(kind, at)[1] for at in range(count)}
    print(name, count, before_close, *sorted(shown))
