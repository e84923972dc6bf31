"""A bundle onto a MicroPython board: only what differs there, checked there when it has arrived.

What the board has is what it says now: it hashes its files itself.  Before anything is changed
its entry file goes away, and it comes back when all the rest is right: a deploy that breaks off
leaves a board that waits at its REPL for the next one.
"""

import ast
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from errno import ENOSPC

from paebiru.deploy.bundle import LIST, OURS, Bundle, listed, listing
from paebiru.deploy.repl import Repl
from paebiru.errors import UsageError

Progress = Callable[[str, int, int], None]
"""Told of a file's name, the bytes that have gone out, and all that will."""

# Of `sys.implementation._mpy`, from bit 10 on (MicroPython py/persistentcode.h).
_MARCHES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
    "xtensawin", "rv32imc", "rv64imc",
)  # fmt: skip

_FACTS = """
import sys, os
i = sys.implementation
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
print((getattr(i, "_mpy", 0), f, u))
"""

_HASH = """
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
    print((p, z, "".join("%02x" % c for c in s.digest())))
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
    try:
        for x in list(os.ilistdir(d)):
            if x[1] & 0x4000:
                prune(d + "/" + x[0])
        if not list(os.ilistdir(d)):
            os.rmdir(d)
    except OSError:
        pass
for d in {folders!r}:
    prune(d)
"""

_MKDIR = """
import os
for d in {folders!r}:
    try:
        os.mkdir(d)
    except OSError as e:
        if e.args[0] != 17:
            raise
"""


@dataclass(frozen=True)
class Result:
    """What a deploy did."""

    device: str
    """The board's own id, hex; empty where it has none."""
    sent: tuple[str, ...]
    """Files that were missing or different; the list and the entry file go along."""
    unchanged: int
    removed: tuple[str, ...]
    size: int
    """Bytes that went out."""
    seconds: float


@dataclass(frozen=True)
class Found:
    """A file on the board."""

    size: int
    hash: str


def copy(port: str, bundle: Bundle, told: Progress = lambda name, done, total: None) -> Result:
    """Put a bundle onto the board at `port` and start it.

    Raises:
        UsageError: the board cannot be reached, is another one than the bundle is for, or has
            no room; or a file did not arrive whole.
    """
    begun = time.monotonic()
    with Repl(port) as repl:
        device, free = _prepare(repl, bundle)
        there = _hashes(repl, bundle.files)
        old = repl.run(f"print(open({LIST!r}).read())") if LIST in there else ""
        there.update(_hashes(repl, listed(old.encode())))
        hashes = bundle.hashes
        changed = [path for path in hashes if _differs(there, path, hashes[path])]
        kept = {path for path in there if not path.startswith(OURS)} - set(listed(old.encode()))
        stale = tuple(sorted(there.keys() - hashes.keys() - kept))
        size = 0
        if changed or stale:
            _check_room(bundle, there, changed, stale, free)
            size = _Copying(repl, bundle, there, told).run(changed, stale)
        repl.reset()
    sent = tuple(path for path in changed if path != LIST)
    return Result(device, sent, len(hashes) - len(sent) - 1, stale, size, time.monotonic() - begun)


class _Copying:
    """One copy under way."""

    def __init__(self, repl: Repl, bundle: Bundle, there: dict[str, Found], told: Progress) -> None:
        self._repl = repl
        self._bundle = bundle
        self._there = there
        self._told = told
        self._done = 0
        self._total = 0

    def run(self, changed: list[str], stale: tuple[str, ...]) -> int:
        """Make the board's files the bundle's; return the bytes that went out."""
        bundle = self._bundle
        first = [path for path in changed if path not in (LIST, bundle.entry)]
        plan = [*first, LIST, bundle.entry]
        # Whatever happens from here on, the list tells which files of the board are ours.
        union = listing({**dict.fromkeys(stale, ""), **bundle.hashes}, bundle.board.name)
        self._total = len(union) + sum(len(bundle.files[path]) for path in plan)
        self._remove((bundle.entry,))
        self._write(LIST, union)
        self._remove(stale)
        self._repl.run(_MKDIR.format(folders=list(_folders(first))))
        for path in first:
            self._write(path, bundle.files[path])
        self._check(first)
        for path in plan[-2:]:
            self._write(path, bundle.files[path])
        self._check(plan[-2:])
        return self._done

    def _remove(self, paths: tuple[str, ...]) -> None:
        if paths:
            self._repl.run(_REMOVE.format(paths=paths, folders=OURS if len(paths) > 1 else ()))

    def _write(self, path: str, data: bytes) -> None:
        done = self._done
        try:
            self._repl.write(path, data, lambda n: self._told(path, done + n, self._total))
        except OSError as error:
            if error.errno == ENOSPC:
                raise UsageError(
                    f"the board is full ({path} does not fit): remove files of your own from it,"
                    " or send fewer recordings; then deploy again"
                ) from None
            raise UsageError(
                f"the board cannot write {path} ({error.strerror or error}): if it goes on, its"
                " file system is damaged: paebiru flash --erase, then deploy again"
            ) from None
        self._done += len(data)

    def _check(self, paths: Iterable[str]) -> None:
        """Compare what has arrived."""
        there = _hashes(self._repl, paths, folders=())
        hashes = self._bundle.hashes
        for path in paths:
            if _differs(there, path, hashes[path]):
                raise UsageError(f"{path} did not arrive whole: deploy again")


def _prepare(repl: Repl, bundle: Bundle) -> tuple[str, int]:
    """See that it is the right board and get it ready; return its id and its free bytes."""
    board = bundle.board
    if repl.runtime != board.runtime:
        raise UsageError(
            f"the board on {repl.port} runs {repl.runtime}, {board.name} is described as running"
            f" {board.runtime}: give another --board"
        )
    mpy, free, device = ast.literal_eval(repl.run(_FACTS))
    if bundle.format:
        _check_format(repl.port, bundle, mpy)
    return device, free


def _check_format(port: str, bundle: Bundle, mpy: int) -> None:
    assert bundle.format
    version, sub, march = bundle.format
    found = mpy >> 10
    its = _MARCHES[found] if found < len(_MARCHES) else f"machine code {found}"
    if mpy & 255 != version or (march and mpy >> 8 & 3 != sub):
        raise UsageError(
            f"the board's MicroPython reads .mpy files {mpy & 255}.{mpy >> 8 & 3}, these are"
            f" {version}.{sub}: flash a newer MicroPython (paebiru flash)"
        )
    if march and march != found:
        raise UsageError(
            f"the board on {port} runs {its or 'no machine'} code, {bundle.board.name} has"
            f" {_MARCHES[march]}: give the right --board, or --no-twin to do without"
        )


def _hashes(repl: Repl, paths: Iterable[str], folders: Iterable[str] = OURS) -> dict[str, Found]:
    """Return those of the files that are on the board, and all that are in the folders."""
    single = [path for path in paths if not folders or not path.startswith(OURS)]
    code = _HASH + f"for d in {list(folders)!r}:\n    walk(d)\n"
    code += f"for p in {single!r}:\n    try:\n        h(p)\n    except OSError:\n        pass\n"
    found = {}
    for line in repl.run(code).splitlines():
        path, size, digest = ast.literal_eval(line)
        found[path] = Found(size, digest)
    return found


def _differs(there: dict[str, Found], path: str, digest: str) -> bool:
    return path not in there or there[path].hash != digest


def _check_room(
    bundle: Bundle,
    there: dict[str, Found],
    changed: Iterable[str],
    stale: Iterable[str],
    free: int,
) -> None:
    """Refuse what cannot fit before anything is changed; blocks may still make it too much."""
    freed = sum(there[path].size for path in (*changed, *stale) if path in there)
    needed = sum(len(bundle.files[path]) for path in changed) - freed
    if 0 <= free < needed:
        raise UsageError(
            f"the board is full: {needed} bytes are to come, {free} are free: remove files of"
            " your own from it, or send fewer recordings"
        )


def _folders(paths: Iterable[str]) -> Iterator[str]:
    """Yield the folders of files, parents first."""
    seen: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")[1:-1]
        for count in range(1, len(parts) + 1):
            seen["/" + "/".join(parts[:count])] = None
    yield from seen
