"""What goes onto a board, file by file, made before anything is copied.

    bundle = make(board, device, recordings={"digits.jsil": data})
    bundle.files["/lib/sil/nn.mpy"]

``device.json`` and recordings go as they are, modules compiled for the chip (MicroPython) or as
lean source (CircuitPython, whose bytecode differs).  The entry file is the last, so that a board
never starts half of a program.  ``/bundle.json`` lists the rest with the SHA-256 of each.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from paebiru.boards import Board
from paebiru.deploy import sources
from paebiru.deploy.twin import TwinError, compile_source, is_kernel, viper_source
from paebiru.errors import UsageError

LIST = "/bundle.json"
LIB = "/lib"
OURS = tuple(f"{LIB}/{package}" for package in sources.PACKAGES)
"""Folders in which every file is ours."""
_VERSION = 1
_MPY = ".mpy"


@dataclass(frozen=True)
class Bundle:
    """Files by their place on the board, in the order in which they are to be copied."""

    board: Board
    files: dict[str, bytes]

    @property
    def entry(self) -> str:
        """The file that starts the node."""
        return "/" + sources.ENTRIES[self.board.runtime]

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file, hex."""
        return {path: sha256(data).hexdigest() for path, data in self.files.items()}

    def without_modules(self) -> "Bundle":
        """Return what a board needs whose firmware has the modules in it."""
        files = {path: data for path, data in self.files.items() if not path.startswith(OURS)}
        return _listed(Bundle(self.board, files))

    def configured(self, device: Mapping[str, Any]) -> "Bundle":
        """Return this bundle with another device.json, for a board with the same sensors."""
        return _listed(Bundle(self.board, {**self.files, "/device.json": _json(device)}))

    @property
    def format(self) -> tuple[int, int, int] | None:
        """Version, sub-version and machine code of compiled modules; None without any.

        The last two are 0 where there is bytecode alone, which every chip reads.
        """
        heads = [data[:3] for path, data in self.files.items() if path.endswith(_MPY)]
        if not heads:
            return None
        # "M", version, then sub-version in the two lowest bits and machine code in the next six.
        head = max(heads, key=lambda head: head[2])
        return head[1], head[2] & 3, head[2] >> 2 & 63


def make(
    board: Board,
    device: Mapping[str, Any],
    recordings: Mapping[str, bytes] | None = None,
    twin: bool = True,
) -> Bundle:
    """Return the bundle of a board.

    Args:
        board: where it goes.
        device: the object of device.json, checked.
        recordings: files that its sensors replay, by name.
        twin: compile the kernels to machine code.

    Raises:
        UsageError: a module is missing, or cannot be compiled.
    """
    drivers = tuple(sorted({str(entry["driver"]) for entry in device.get("sensors", [])}))
    files: dict[str, bytes] = {}
    modules = sources.modules(board.runtime, drivers)
    texts = sources.program(board.runtime, modules)
    if twin and board.arch:
        texts = {path: _for_viper(text, path) for path, text in texts.items()}
    # mpy-cross is a process a file.  Nothing is parsed in these threads: CPython 3.11's parser
    # fails there when a garbage collection calls back into Python.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda path: _made(texts[path], path, board.arch), modules)
        files.update(zip((_place(path, board.arch) for path in modules), made, strict=True))
    for name, data in sorted((recordings or {}).items()):
        files[f"/{name}"] = data
    files["/device.json"] = _json(device)
    for name in ("boot.py", sources.ENTRIES[board.runtime]):
        files[f"/{name}"] = sources.entry(name, board.runtime).read_bytes()
    return _listed(Bundle(board, files))


def _listed(bundle: Bundle) -> Bundle:
    """Return the bundle with the list of its files, and its entry file last."""
    files = {path: data for path, data in bundle.files.items() if path != LIST}
    whole = listing(Bundle(bundle.board, files).hashes, bundle.board.name)
    last = files.pop(bundle.entry)
    return Bundle(bundle.board, {**files, LIST: whole, bundle.entry: last})


def listing(hashes: Mapping[str, str], board: str) -> bytes:
    """Return the text of ``/bundle.json``: which files of a board are ours."""
    return _json({"version": _VERSION, "board": board, "files": dict(hashes)})


def listed(text: bytes) -> Iterable[str]:
    """Return the files that a ``/bundle.json`` names; none if it is damaged."""
    try:
        found = json.loads(text)["files"]
    except (ValueError, TypeError, KeyError):
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, dict) else []


def _json(given: Mapping[str, Any]) -> bytes:
    return json.dumps(given, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _place(path: Path, march: str | None) -> str:
    name = f"{LIB}/{sources.place(path)}"
    return name.removesuffix(".py") + _MPY if march else name


def _for_viper(source: str, path: Path) -> str:
    return viper_source(source, str(path)) if is_kernel(path) else source


def _made(source: str, path: Path, march: str | None) -> bytes:
    """Return a module as a board is to have it."""
    if march is None:
        return source.encode()
    try:
        return _compile(source, path, march)
    except TwinError as error:
        raise UsageError(str(error)) from None


@lru_cache(maxsize=512)
def _compile(source: str, path: Path, march: str) -> bytes:
    """Return the compiled module; several boards of one kind have it made once."""
    # The core goes without line numbers, of 3 KB: a traceback still names its functions.
    options = ("-O3",) if sources.place(path).parts[0] == "sil" else ()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        compile_source(source, path, out, march, *options)
        return out.read_bytes()
