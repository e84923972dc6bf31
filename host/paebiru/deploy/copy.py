"""A bundle onto a MicroPython board, by mpremote."""

import ast
import time
from collections.abc import Callable, Sequence

from paebiru.deploy.bundle import Bundle
from paebiru.deploy.repl import Repl
from paebiru.deploy.transfer import Found, Progress, Result, carry_out, compare, silent
from paebiru.errors import UsageError

# Of `sys.implementation._mpy`, from bit 10 on (MicroPython py/persistentcode.h).
_MARCHES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
    "xtensawin", "rv32imc", "rv64imc",
)  # fmt: skip

_FACTS = """
import sys, os
try:
    s = os.statvfs("/")
    f = s[0] * s[3]
except OSError:
    f = -1
try:
    import machine
    u = machine.unique_id().hex()
except (ImportError, AttributeError):
    u = ""
o = ""
try:
    import paebiru_node
    if not paebiru_node.__file__.startswith("/lib"):
        o = "root" if "paebiru_node" in os.listdir("/") else "frozen"
except Exception:
    pass
print((getattr(sys.implementation, "_mpy", 0), f, u, o))
"""

_LOOK = """
import os, hashlib
b = bytearray(1024)
v = memoryview(b)
def h(p):
    s = hashlib.sha256()
    z = 0
    with open(p, "rb") as f:
        while True:
            n = f.readinto(b)
            if not n:
                break
            s.update(v[:n])
            z += n
    print((p, z, s.digest().hex()))
def walk(d):
    try:
        e = list(os.ilistdir(d))
    except OSError:
        return
    for x in e:
        p = d + "/" + x[0]
        if x[1] & 0x4000:
            walk(p)
        else:
            h(p)
for d in {folders!r}:
    walk(d)
for p in {paths!r}:
    try:
        h(p)
    except OSError:
        pass
"""

_REMOVE = """
import os
for p in {paths!r}:
    try:
        os.remove(p)
    except OSError as e:
        if e.args[0] != 2:
            raise
def prune(d):
    for x in list(os.ilistdir(d)):
        if x[1] & 0x4000:
            prune(d + "/" + x[0])
    if not list(os.ilistdir(d)):
        os.rmdir(d)
for d in {folders!r}:
    try:
        prune(d)
    except OSError:
        pass
"""

_FOLDERS = """
import os
for d in {folders!r}:
    try:
        os.mkdir(d)
    except OSError as e:
        if e.args[0] != 17:
            raise
"""


class BoardFiles:
    """The files of a board at its REPL (see `transfer.Store`)."""

    def __init__(self, repl: Repl, free: int) -> None:
        self.free = free
        self._repl = repl

    def look(self, paths: Sequence[str], folders: Sequence[str]) -> dict[str, Found]:
        """Have the board hash files."""
        code = _LOOK.format(paths=tuple(paths), folders=tuple(folders))
        lines = self._repl.run(code).splitlines()
        return {path: Found(size, digest) for path, size, digest in map(ast.literal_eval, lines)}

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        return self._repl.read(path)

    def write(self, path: str, data: bytes, told: Callable[[int], None]) -> None:
        """Write a file."""
        self._repl.write(path, data, told)

    def remove(self, paths: Sequence[str], folders: Sequence[str]) -> None:
        """Remove files and empty folders."""
        if paths:
            self._repl.run(_REMOVE.format(paths=tuple(paths), folders=tuple(folders)))

    def make_folders(self, folders: Sequence[str]) -> None:
        """Make folders."""
        if folders:
            self._repl.run(_FOLDERS.format(folders=tuple(folders)))


def copy(port: str, bundle: Bundle, told: Progress = silent) -> Result:
    """Put a bundle onto the board at `port` and start it.

    Raises:
        UsageError: the board cannot be reached, is another one than the bundle is for, or has
            no room; or a file did not arrive whole.
    """
    begun = time.monotonic()
    with Repl(port) as repl:
        free, device, bundle = _known(repl, bundle)
        store = BoardFiles(repl, free)
        plan = compare(bundle, store)
        size = carry_out(plan, store, told)
        repl.reset()
    seconds = time.monotonic() - begun
    return Result(device, plan.sent, plan.unchanged, plan.stale, size, seconds)


def _known(repl: Repl, bundle: Bundle) -> tuple[int, str, Bundle]:
    """See that it is the right board; return its free bytes, its id, and what it needs."""
    board = bundle.board
    if repl.runtime != board.runtime:
        raise UsageError(
            f"the board on {repl.port} runs {repl.runtime}, {board.name} is described as running"
            f" {board.runtime}: give another --board"
        )
    mpy, free, device, other = ast.literal_eval(repl.run(_FACTS))
    if other == "root":
        raise UsageError(
            "the board has a /paebiru_node of somebody else's, which would be run: remove it"
            f" (mpremote connect {repl.port} rm -r :/paebiru_node), then deploy again"
        )
    if other == "frozen":
        return free, device, bundle.without_modules()
    if bundle.format:
        _check_format(repl.port, bundle, mpy)
    return free, device, bundle


def _check_format(port: str, bundle: Bundle, mpy: int) -> None:
    assert bundle.format
    version, sub, march = bundle.format
    found = mpy >> 10
    its = _MARCHES[found] if found < len(_MARCHES) else f"machine code {found}"
    if mpy & 255 != version or (march and mpy >> 8 & 3 != sub):
        raise UsageError(
            f"the MicroPython on {port} reads .mpy files {mpy & 255}.{mpy >> 8 & 3}, these are"
            f" {version}.{sub}: flash a newer one (paebiru flash)"
        )
    if march and march != found:
        raise UsageError(
            f"the board on {port} runs {its or 'no machine'} code, {bundle.board.name} has"
            f" {_MARCHES[march]}: give the right --board, or --no-twin to do without"
        )
