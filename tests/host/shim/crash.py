"""Lives as a hub again and again, each time in a process that cut.c ends somewhere.

Run with cut.so preloaded and the module of a life, which has `prepare` and `live` (as
durable_fleet.py); a line of JSON on stdin asks for a life, one on stdout tells of it:

    {"folder": …, "mode": 1, "at": 17, "acks": file, "log": file or "", "unsafe": …}
    {"signal": 9, "code": 0, "points": 0}

Forked, so that the modules are loaded once.
"""

import contextlib
import ctypes
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from paebiru import memberships
from paebiru.store import StoreError, blobs, database

libc = ctypes.CDLL(None)
STORE_ERROR = 3
LIFE = importlib.import_module(sys.argv[1])


def one(ask: dict[str, Any]) -> int:
    acks = os.open(ask["acks"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log = os.open(ask["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if ask["log"] else -1
    folder = ask["folder"].encode()
    _make_unsafe(ask.get("unsafe", ""))

    def say(text: str) -> None:
        libc.cut_mark(text.encode())
        os.write(acks, f"{text}\n".encode())

    def freed() -> None:
        points = libc.cut_points()
        libc.cut_arm(folder, 0, 0, log)
        say(f"full {points}")

    libc.cut_arm(folder, ask["mode"], ctypes.c_long(ask["at"]), log)
    try:
        LIFE.live(
            Path(ask["folder"]),
            lambda word, number, device: say(f"{word} {number} {device.hex()}"),
            freed if ask.get("goes_on") else None,
        )
    except StoreError as error:
        say(f"error {error}")
        return STORE_ERROR
    say(f"points {libc.cut_points()}")
    return 0


def _make_unsafe(what: str) -> None:
    """Leave out what makes the store safe, to see that the tests see it."""
    if what == "normal":
        prepare = database.Database._prepare

        def careless(self: database.Database) -> None:
            prepare(self)
            self._db.execute("PRAGMA synchronous=NORMAL")

        database.Database._prepare = careless  # type: ignore[method-assign]
    elif what == "tickets":
        draw = memberships.Memberships.new_ticket

        def hasty(self: memberships.Memberships, name: bytes) -> int:
            self._file.run("PRAGMA synchronous=NORMAL")
            return draw(self, name)

        memberships.Memberships.new_ticket = hasty  # type: ignore[method-assign]
    elif what == "blobs":
        real = os.fsync
        blobs.os = _Os(real)  # type: ignore[attr-defined]


class _Os:
    """`os` without a sync."""

    def __init__(self, real: Any) -> None:
        self.fsync = lambda handle: None

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def main() -> None:
    LIFE.prepare()  # what the boards will send is coded once, before the forks
    for line in sys.stdin:
        ask = json.loads(line)
        child = os.fork()
        if not child:
            code = 4
            with contextlib.suppress(BaseException):
                try:
                    code = one(ask)
                except BaseException:
                    traceback.print_exc()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        said = {"signal": status & 127, "code": status >> 8}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
