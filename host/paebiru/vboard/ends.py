"""What the world sees of a virtual board: the end of a pseudo-terminal, or a TCP port."""

import errno
import os
import select
import socket
import tty
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from paebiru.errors import UsageError

_PIECE = 4096


class End(Protocol):
    """Where the board's bytes go and come from."""

    name: str

    def fileno(self) -> int:
        """Return what to wait on, -1 to look again later."""

    def read(self) -> bytes:
        """Return what has arrived, b"" for nothing."""

    def write(self, data: bytes) -> int:
        """Return how many bytes were taken."""

    def is_connected(self) -> bool:
        """Return whether someone listens."""

    def close(self) -> None:
        """Let go."""


class Pty:
    """A pseudo-terminal; `name` is the path that a serial program opens."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.name = os.ttyname(slave)
        tty.setraw(slave)
        # Closed, so that its end tells whether a program has it open.
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, 0)

    def fileno(self) -> int:
        """Return the terminal while a program has it open: it is always readable otherwise."""
        return self._master if self.is_connected() else -1

    def is_connected(self) -> bool:
        """Return whether a program has the terminal open."""
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def read(self) -> bytes:
        """Return what has arrived."""
        try:
            return os.read(self._master, _PIECE)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return b""

    def write(self, data: bytes) -> int:
        """Return how many bytes the terminal took."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Let go of the terminal."""
        os.close(self._master)


class Tcp:
    """A TCP port for one client at a time, as a serial port is for one program."""

    def __init__(self, host: str, port: int) -> None:
        try:
            self._listener = socket.create_server((host, port), backlog=4)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot listen on {host}:{port}: {reason}") from None
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self.name = f"socket://{host}:{self._listener.getsockname()[1]}"

    def fileno(self) -> int:
        """Return the client, or the listener while there is none."""
        return (self._client or self._listener).fileno()

    def is_connected(self) -> bool:
        """Return whether a client is there."""
        return self._client is not None

    def read(self) -> bytes:
        """Return what has arrived; lets a client in, or go."""
        if self._client is None:
            with suppress(BlockingIOError, ConnectionError):
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return b""
        try:
            data = self._client.recv(_PIECE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._leave()
        return data

    def write(self, data: bytes) -> int:
        """Return how many bytes the client's socket took."""
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._leave()
            return len(data)

    def close(self) -> None:
        """Hang up and stop listening."""
        self._leave()
        self._listener.close()

    def _leave(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class Link:
    """A symbolic link to the terminal, under a name that stays."""

    def __init__(self, path: Path, target: str) -> None:
        self._path = path
        if path.exists() and not path.is_symlink():
            raise UsageError(f"{path} is a file: --link takes a name that is free")
        with suppress(FileNotFoundError):
            path.unlink()
        try:
            path.symlink_to(target)
        except OSError as error:
            raise UsageError(f"cannot make the link {path}: {error.strerror}") from None

    def remove(self) -> None:
        """Take it away."""
        with suppress(OSError):
            self._path.unlink()
