"""Memory that outlives the power, on MicroPython: NVS where there is one, files else."""

import os

from sil.compat import const

from .common import check_name, check_size

try:
    import esp32
except ImportError:  # no ESP32: files
    esp32 = None  # type: ignore[assignment]

_SPACE = "paebiru"
_NOT_FOUND = const(-0x1102)  # ESP_ERR_NVS_NOT_FOUND, as an OSError tells it
_ENOENT = const(2)


class Nvs:
    """The ESP32's key-value store; it survives a new file system."""

    def __init__(self) -> None:
        self._nvs = esp32.NVS(_SPACE)
        self._buf = bytearray(512)

    def load(self, name: str) -> bytes:
        """Return what was saved; ``b""`` when nothing was."""
        check_name(name)
        try:
            size = self._nvs.get_blob(name, self._buf)
        except OSError as error:
            if error.args[0] != _NOT_FOUND:
                raise
            return b""
        return bytes(self._buf[:size])

    def save(self, name: str, data: "bytes | bytearray") -> None:
        """Store durably; an empty value is forgotten."""
        check_name(name)
        check_size(name, len(data))
        if data:
            self._nvs.set_blob(name, data)
        elif self.load(name):
            self._nvs.erase_key(name)
        self._nvs.commit()


class Files:
    """One file a name.  A rename replaces the old file whole on littlefs and POSIX.

    It does not on FAT, where MicroPython removes the old file first: a board without NVS
    keeps its file system as littlefs, which is MicroPython's own choice.
    """

    def load(self, name: str) -> bytes:
        """Return what was saved; ``b""`` when nothing was."""
        check_name(name)
        try:
            with open("paebiru." + name, "rb") as file:
                return bytes(file.read())
        except OSError as error:
            if error.args[0] != _ENOENT:
                raise
            return b""

    def save(self, name: str, data: "bytes | bytearray") -> None:
        """Store durably."""
        check_name(name)
        check_size(name, len(data))
        partial = "paebiru.%s.tmp" % name
        with durable(partial) as file:
            file.write(data)
        os.rename(partial, "paebiru." + name)
        sync()


def store() -> "Nvs | Files":
    """Return the board's store."""
    return Files() if esp32 is None else Nvs()


def sync() -> None:
    """Have file systems that hold writes back (FAT) write them."""
    if hasattr(os, "sync"):
        os.sync()


class durable:
    """A file to be written, on the medium when it was closed."""

    def __init__(self, name: str) -> None:
        self._file = open(name, "wb")  # noqa: SIM115
        self.write = self._file.write

    def __enter__(self) -> "durable":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def flush(self) -> None:
        """Put what was written so far onto the medium."""
        self._file.flush()
        sync()

    def close(self) -> None:
        """Write the rest; the file is whole when this returns."""
        try:
            self._file.flush()  # VfsPosix: fsync
        finally:
            self._file.close()  # littlefs and FAT: the directory's entry
        sync()


def remove(name: str) -> None:
    """Remove a file; no error when it is not there."""
    try:
        os.remove(name)
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise
