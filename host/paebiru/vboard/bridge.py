"""The virtual board at work: lives of the VM, one after the other, behind one line.

One thread, one selector.  What arrives on the line goes to the VM; what the VM prints goes to
the line; when the VM ends, the board starts over as the cause of the end asks for.
"""

import os
import selectors
import signal
import time
from contextlib import suppress
from threading import Condition
from typing import TextIO

from paebiru.vboard import chip as chips
from paebiru.vboard.ends import End
from paebiru.vboard.output import FRIENDLY, Output
from paebiru.vboard.state import State
from paebiru.vboard.vm import Vm
from paebiru.vboard.world import World

_ROOM = 16 * 1024  # bytes that wait in either direction
_PIECE = 16 * 1024
_LOOK = 0.02  # s between looks at a line that nobody has open
_BIRTH = 30.0  # s for the board to come up
_STILLBORN = 3  # lives in a row that ended before the board was up
_ETX = b"\x03"
_ENTER_RAW = b"\x01"

_CAUSES = {
    chips.PWRON_RESET: "POWERON_RESET",
    chips.HARD_RESET: "SW_RESET",
    chips.WDT_RESET: "WDT_RESET",
    chips.DEEPSLEEP_RESET: "DEEPSLEEP_RESET",
}


class BoardError(Exception):
    """The VM does not come up; the message has what it printed."""


class Bridge:
    """The board; `run` until `stop`, everything else from other threads."""

    def __init__(self, state: State, world: World, end: End, heap: int, log: TextIO) -> None:
        self._state = state
        self._end = end
        self._heap = heap
        self.chip = chips.Chip(state, world, log)
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        self._stopped = False
        self._wakes_at = 0.0  # a sleeping board
        self._stillborn = 0
        self._incoming = bytearray()  # from the line, for the VM
        self._outgoing = bytearray()  # from the VM, for the line
        self._output = Output(b"", False)
        self._born_at = 0.0
        self._words = b""  # what the VM prints before the board is up: why it cannot
        self._is_counted = False
        self.vm: Vm | None = None
        self.changed = Condition()
        self.starts = 0

    def stop(self) -> None:
        """End `run`."""
        with self.changed:
            if not self._stopped:
                self._stopped = True
                os.write(self._wake, b".")

    def kill(self) -> None:
        """Cut the power of the VM: kill -9; it comes back by itself."""
        with self.changed:
            if self.vm is not None:
                self.vm.kill()

    def run(self) -> None:
        """Be a board until `stop`; BoardError when the VM does not come up."""
        try:
            self._start()
            while not self._stopped:
                self._turn()
        finally:
            self._finish()
            with self.changed:
                self._stopped = True
                os.close(self._woken)
                os.close(self._wake)
                self.changed.notify_all()

    def _turn(self) -> None:
        vm = self.vm
        ready = self._wait()
        if vm is None:
            if time.monotonic() >= self._wakes_at:
                self._start()
            elif self._end.fileno() in ready:
                self._end.read()  # a sleeping board hears nothing
            return
        if vm.tells in ready:
            self._hear(vm)
        if vm.stdout in ready:
            self._print(vm)
        if self._end.fileno() in ready:
            self._incoming += self._end.read()
        self._pass_on(vm)
        self._flush()
        life = self.chip.life
        if life.deadline is not None and time.monotonic() > life.deadline:
            self._hear(vm)  # it may have fed while this process was not running
            if life.deadline is not None and time.monotonic() > life.deadline:
                life.end = chips.WDT_RESET
        if life.broken or FRIENDLY in self._words:
            raise self._stillbirth()
        if life.heap < 0 and time.monotonic() > self._born_at + _BIRTH:
            raise BoardError(f"the virtual board did not come up within {_BIRTH:.0f} s")
        if vm.ended in ready or life.end is not None:
            self._over(vm)

    def _wait(self) -> set[int]:
        """Wait for what can be done next; return the descriptors that are ready."""
        vm = self.vm
        waits: dict[int, int] = {self._woken: selectors.EVENT_READ}
        limit = 1.0
        line = self._end.fileno()
        if line < 0:
            limit = _LOOK
        elif len(self._incoming) < _ROOM:
            waits[line] = selectors.EVENT_READ
        if line >= 0 and self._outgoing and self._end.is_connected():
            waits[line] = waits.get(line, 0) | selectors.EVENT_WRITE
        now = time.monotonic()
        if vm is None:
            limit = min(limit, self._wakes_at - now)
        else:
            waits[vm.tells] = waits[vm.ended] = selectors.EVENT_READ
            if len(self._outgoing) < _ROOM:
                waits[vm.stdout] = selectors.EVENT_READ
            if self._incoming and self._takes_input():
                waits[vm.stdin] = selectors.EVENT_WRITE
            if self.chip.life.deadline is not None:
                limit = min(limit, self.chip.life.deadline - now)
        return self._select(waits, max(limit, 0.0))

    def _select(self, waits: dict[int, int], limit: float) -> set[int]:
        for key in list(self._selector.get_map().values()):
            if waits.get(key.fd) != key.events:
                self._selector.unregister(key.fd)
        for fd, events in waits.items():
            if fd not in self._selector.get_map():
                self._selector.register(fd, events)
        return {key.fd for key, _ in self._selector.select(limit)} if waits else set()

    def _hear(self, vm: Vm) -> None:
        with suppress(BlockingIOError):
            while data := os.read(vm.tells, _PIECE):
                has_run = self.chip.life.runs
                answers = self.chip.hear(data)
                if self.chip.life.runs and not has_run:
                    self._pass_on(vm)  # a Ctrl-C that waits for a program comes before it runs
                for answer in answers:
                    with suppress(BlockingIOError, BrokenPipeError):
                        os.write(vm.answers, answer)
                if self.chip.life.heap >= 0:
                    self._is_up()

    def _print(self, vm: Vm) -> bool:
        """Take what the VM has printed; return whether there was something."""
        try:
            data = os.read(vm.stdout, _PIECE)
        except BlockingIOError:
            return False
        if self.chip.life.heap < 0:
            self._words += data
        self._outgoing += self._output.pass_on(data)
        if self._output.asks_raw():
            with suppress(BrokenPipeError):
                os.write(vm.stdin, _ENTER_RAW)
        return bool(data)

    def _takes_input(self) -> bool:
        """Return whether someone is there to read: a program or the REPL, not the ROM."""
        if self._output.has_repl:
            return not self._output.is_quiet
        return self.chip.life.runs

    def _pass_on(self, vm: Vm) -> None:
        """Give the VM what has arrived; 03 interrupts a program that listens for it."""
        while self._incoming and self._takes_input():
            at = self._incoming.find(_ETX)
            if at == 0 and vm.interrupt():
                del self._incoming[:1]
                continue
            end = at if at > 0 and vm.listens() else len(self._incoming)
            try:
                del self._incoming[: os.write(vm.stdin, self._incoming[:end])]
            except BrokenPipeError:
                self._incoming.clear()
            except BlockingIOError:
                if at > 0 and vm.interrupt():  # it overtakes what nobody reads
                    del self._incoming[at]
                elif len(self._incoming) >= _ROOM and vm.listens():
                    self._incoming.clear()  # Ctrl-C may be behind it; a UART overruns too
                else:
                    return

    def _flush(self) -> None:
        """Give the line what the VM printed; what nobody is there to hear is gone."""
        if not self._end.is_connected():
            self._outgoing.clear()
        elif self._outgoing:
            del self._outgoing[: self._end.write(bytes(self._outgoing))]

    def _start(self, is_raw: bool = False, is_soft: bool = False) -> None:
        self.chip.born(is_soft)
        vm = Vm(self._state.flash, self._heap, is_raw, kept=(self._state.lock,))
        self._output = Output(vm.mark, is_raw)
        self._words = b""
        self._born_at = time.monotonic()
        self._is_counted = False
        with self.changed:
            self.vm = vm

    def _is_up(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._stillborn = 0
            with self.changed:
                self.starts += 1
                self.changed.notify_all()

    def _over(self, vm: Vm) -> None:
        """The VM has ended, or is to: start over as the cause asks for."""
        code = self._bury(vm)
        life = self.chip.life
        if life.heap < 0 and code != -signal.SIGKILL:
            self._stillborn += 1
            if self._stillborn >= _STILLBORN:
                raise self._stillbirth()
        if life.end == chips.SOFT_RESET or (life.end is None and code >= 0):
            self.chip.cause = chips.SOFT_RESET
            self._outgoing += b"MPY: soft reboot\r\n"
            self._start(self._output.is_raw, is_soft=True)
            return
        self.chip.cause = life.end or chips.PWRON_RESET
        self.chip.outputs.clear()
        self._incoming.clear()
        self._wakes_at = time.monotonic() + life.sleep if life.sleep is not None else float("inf")
        cause = f"{self.chip.cause:#x} ({_CAUSES[self.chip.cause]})"
        self._outgoing += f"\r\nrst:{cause}, virtual board {self._state.id.hex()}\r\n".encode()

    def _stillbirth(self) -> BoardError:
        """Return the error of a VM that does not get as far as a board's start-up."""
        words = self._words.replace(FRIENDLY, b"").decode(errors="replace").splitlines()
        why = self.chip.life.broken or next((w for w in reversed(words) if "Error" in w), "")
        return BoardError(f"the virtual board does not come up: {why or 'its VM ends at once'}")

    def _bury(self, vm: Vm) -> int:
        """End the VM, take its last words, and return its exit code."""
        if self.chip.life.end is not None:
            vm.kill()
        code = vm.wait()
        self._hear(vm)
        while self._print(vm):
            pass
        with self.changed:
            self.vm = None
        self._select({}, 0.0)  # the next life may have pipes of the same numbers
        vm.close()
        return code

    def _finish(self) -> None:
        if self.vm is not None:
            self.vm.kill()
            self._bury(self.vm)
        self._selector.close()
