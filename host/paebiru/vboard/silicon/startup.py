"""What the virtual board does at power-on; runs on MicroPython, once in each life of the VM.

It hides the host's files, mounts the flash as ``/``, runs ``boot.py`` and (unless the REPL is
to come up raw) ``main.py`` as a board does, and leaves the REPL to the VM.
"""

import gc
import io
import os
import sys
import time

import line
import micropython
import vfs

_BLOCK = 4096


class Flash:
    """A file as a block device, in the extended form that littlefs needs."""

    def __init__(self, file: "io.BufferedRandom") -> None:
        self._file = file
        self._count = file.seek(0, 2) // _BLOCK

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Fill `buf` from an offset in a block on."""
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buf)

    def writeblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Program `buf` from an offset in a block on."""
        self._file.seek(block * _BLOCK + offset)
        self._file.write(buf)

    def ioctl(self, op: int, arg: int) -> int:
        """Answer what littlefs asks: 3 sync, 4 how many blocks, 5 how large, 6 erase one."""
        if op == 3:
            self._file.flush()  # fsync, on this interpreter
        return self._count if op == 4 else _BLOCK if op == 5 else 0

    def is_blank(self) -> bool:
        """Return whether nothing was ever put where a file system starts."""
        buf = bytearray(64)
        for block in range(2):
            for offset in range(0, _BLOCK, len(buf)):
                self.readblocks(block, buf, offset)
                if any(buf):
                    return False
        return True


def power_on(program: "dict[str, object]") -> None:
    """Bring the board up; returns for the REPL, or ends the VM for a soft reset."""
    try:
        start(program)
    except Exception as error:  # not of a program: those have been printed
        line.tell("broken %s" % error)
        wait_for_the_end()


def start(program: "dict[str, object]") -> None:
    """Do it; what is wrong with the board itself is raised."""
    _, flash, tell, answer, mark = sys.argv[:5]
    is_raw = len(sys.argv) > 5
    line.connect(open(int(tell), "wb"), open(int(answer), "rb"))
    import esp32  # noqa: F401 — programs find both in sys.modules
    import machine  # noqa: F401

    vfs.umount("/")
    mount(Flash(open(int(flash), "r+b")))
    del program["startup"], program["__file__"]
    sys.argv[:] = []
    sys.path[:] = ["", ".frozen", "/lib"]
    for name in ("startup", "line", "pins", "streams"):
        del sys.modules[name]
    gc.collect()
    sys.atexit(lambda: let_go(program))  # type: ignore[attr-defined]
    line.tell("ready %d" % gc.mem_alloc())
    if run("boot.py", program) or (not is_raw and run("main.py", program)):
        let_go(program)
        line.tell("soft")
        wait_for_the_end()
    sys.stdout.write(mark)


def mount(flash: Flash) -> None:
    """Make the flash the root.  Only blank flash is formatted: a file system is never lost here."""
    try:
        root = vfs.VfsLfs2(flash)
    except OSError:
        if not flash.is_blank():
            raise OSError("flash.img holds no littlefs: put another in its place, or remove it")
        vfs.VfsLfs2.mkfs(flash)
        root = vfs.VfsLfs2(flash)
    vfs.mount(root, "/")
    os.chdir("/")


def run(name: str, program: "dict[str, object]") -> bool:
    """Run a file of the root as a board does; return whether it asked for a soft reset."""
    try:
        os.stat(name)
    except OSError:
        return False
    try:
        micropython.kbd_intr(3)
        line.tell("listen")
        execfile(name, program)  # type: ignore[name-defined]  # noqa: F821
    except SystemExit:
        return True
    except BaseException as error:
        finish()
        complain(error)
    finally:
        finish()
    return False


def finish() -> None:
    """Have Ctrl-C no more taken for an interrupt, then stop listening for it."""
    while True:
        try:
            line.ask("end")
            break
        except KeyboardInterrupt:  # it was on its way when the program ended
            pass
    micropython.kbd_intr(-1)


def wait_for_the_end() -> None:
    """Wait to be ended from outside: an exit would lead to the REPL here."""
    while True:
        time.sleep(1)


def let_go(program: "dict[str, object]") -> None:
    """Close what a program left open, as a board does before a soft reset."""
    program.clear()
    sys.modules.clear()
    gc.collect()


def complain(error: BaseException) -> None:
    """Print a traceback without the lines of this file, as a board ends its lines."""
    text = io.StringIO()
    sys.print_exception(error, text)  # type: ignore[attr-defined]
    lines = [line for line in text.getvalue().split("\n") if "startup.py" not in line]
    sys.stdout.write("\r\n".join(lines))
