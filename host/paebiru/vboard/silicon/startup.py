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
_DONE = 0  # how a program ended: well, or it is not there
_SOFT = 1  # it asked for a soft reset
_FAILED = 2


class Flash:
    """A file as a block device, in the extended form that littlefs needs.

    There is no jump in what littlefs calls: at one, Ctrl-C would interrupt littlefs itself, which
    on a board, whose flash is not written in Python, it cannot.
    """

    def __init__(self, file: "io.BufferedRandom") -> None:
        self._file = file
        count = file.seek(0, 2) // _BLOCK
        self._ops = (None, int, int, self._sync, lambda: count, lambda: _BLOCK, int)

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Fill `buf` from an offset in a block on."""
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buf)

    def writeblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Program `buf` from an offset in a block on."""
        self._file.seek(block * _BLOCK + offset)
        self._file.write(buf)

    def ioctl(self, op: int, arg: int) -> int:
        """Answer what littlefs asks: 1 start, 2 end, 3 sync, 4 blocks, 5 of what size, 6 erase."""
        return self._ops[op]()

    def _sync(self) -> int:
        self._file.flush()  # fsync, on this interpreter
        return 0

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
    ended = run("boot.py", program)
    if ended == _DONE and not is_raw:  # as a board: no main.py behind a boot.py that failed
        ended = run("main.py", program)
    if ended == _SOFT:
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


def run(name: str, program: "dict[str, object]") -> int:
    """Run a file of the root as a board does; return how it ended."""
    try:
        os.stat(name)
    except OSError:
        return _DONE
    try:
        try:
            micropython.kbd_intr(3)
            line.ask("listen")
            execfile(name, program)  # type: ignore[name-defined]  # noqa: F821
        finally:
            finish([finish])
    except SystemExit:
        return _SOFT
    except BaseException as error:
        complain(error)
        return _FAILED
    return _DONE


def finish(then: "list[object]") -> None:
    """Have Ctrl-C no more taken for an interrupt, then stop listening for it.

    then: a list of this function, what to call next: this again when it was interrupted.

    An interrupt comes at a jump of the program.  There is none from the end of what ran to the
    `try`, nor from what fails to the call behind `finally`: however many interrupts come, it gets
    to its end, and behind it there are none.  One that came here is raised there.
    """
    try:
        line.ask("end")
        then[0] = stop_listening
    finally:
        then[0](then)  # type: ignore[operator]


def stop_listening(then: "list[object]") -> None:
    """Take Ctrl-C for a byte as any other."""
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
