"""Whole boards in virtual time: the firmware itself, on simulated ports, with a hub's desk.

    lab = Lab(Coordinator(lab_keys, federation))
    board = lab.add(b"board-01", config, files={"digits.jsil": recording})
    lab.run(60_000)                      # ms
    board.power_cut()                    # as if the plug was pulled
    lab.run_until(lambda: ..., 60_000)

Everything is determined by the seeds: the same run gives the same bytes.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paebiru.device import Desk, Device
from paebiru.sim.flash import Flash, PowerCut
from paebiru.sim.port import Bitten, Clock, SimPort, Wire
from paebiru_node.config import checked
from paebiru_node.errors import Restart
from paebiru_node.port import CAUSE_POWER, CAUSE_RESET, CAUSE_WATCHDOG
from paebiru_node.start import begin, crashed, step
from sil.compat import ticks_add
from sil.link.keys import DeviceKey

_ROLE = "usb"
_STEP = 20  # ms that pass at most before everybody is looked at again
BOARD = {"links": {_ROLE: {"kind": "stdio"}}, "watchdog_ms": 30000}
"""The least ``board`` of a device.json."""


class SimBoard:
    """One board: its flash, and the node that lives on it until the power goes."""

    def __init__(self, device: bytes, given: dict[str, Any], clock: Clock, seed: int) -> None:
        self.given = given
        self.flash = Flash()
        self.boots = 0
        self.port = SimPort(given["board"], clock, device, flash=self.flash, seed=seed)
        self._life: Any = None

    @property
    def node(self) -> Any:
        """The running `paebiru_node.app.Node`."""
        return self._life.node

    @property
    def wire(self) -> Wire:
        """The line to the hub; the hub's end."""
        return self.port.wire(_ROLE)

    def start(self) -> None:
        """Begin a life."""
        self.boots += 1
        self._life = begin(self.port, checked(self.given), "")

    def power_cut(self) -> None:
        """Pull the plug and put it back: a new life on the same flash."""
        self._again(CAUSE_POWER)

    def step(self) -> None:
        """Let the node do what is due; whatever ends its life begins the next one."""
        try:
            step(self._life, self.port)
        except PowerCut:
            self._again(CAUSE_POWER)
        except Restart:
            self._again(CAUSE_RESET)
        except Bitten:
            self._again(CAUSE_WATCHDOG)
        except Exception as error:
            with suppress(Restart):
                crashed(self.port, error)
            self._again(CAUSE_RESET)

    def _again(self, cause: int) -> None:
        while True:
            self.port = self.port.again(cause)
            try:
                self.start()
                return
            except PowerCut:
                cause = CAUSE_POWER


class Lab:
    """A clock, a desk, and boards with a line each to it."""

    def __init__(self, desk: Desk, seed: int = 0) -> None:
        self.desk = desk
        self.seed = seed
        self.clock = Clock()
        self.boards: dict[bytes, SimBoard] = {}
        self.devices: dict[bytes, Device] = {}
        self._out = bytearray(4096)

    def add(
        self,
        device: bytes,
        config: dict[str, Any],
        files: dict[str, bytes] | None = None,
        key: DeviceKey | None = None,
    ) -> SimBoard:
        """Put up a board; `config` is its device.json, `files` what was copied onto it."""
        board = SimBoard(device, {"board": BOARD, **config}, self.clock, self.seed)
        board.flash.files.update(files or {})
        if key:
            board.flash.values["key"] = key.pack()
        self.boards[device] = board
        self.devices[device] = Device(self.desk, hide_etx=True)
        board.start()
        return board

    def run(self, ms: int) -> None:
        """Let time pass."""
        end = self.clock.now + ms
        while self.clock.now < end:
            self.step(end)

    def run_until(self, done: Callable[[], bool], limit: int) -> int:
        """Let time pass until `done()`; return the ms it took, or raise `TimeoutError`."""
        start = self.clock.now
        while not done():
            if self.clock.now - start > limit:
                raise TimeoutError(f"nothing after {limit} ms of virtual time")
            self.step(self.clock.now + _STEP)
        return self.clock.now - start

    def step(self, end: int) -> None:
        """Let everybody do what is due once; then a little time passes."""
        for name, board in self.boards.items():
            board.step()
            self._hub_end(self.devices[name], board.wire)
        self.clock.advance(min(_STEP, end - self.clock.now))

    def _hub_end(self, device: Device, wire: Wire) -> None:
        session = device.session
        session.tick(ticks_add(0, self.clock.now))
        _drain(device)
        data = wire.take()
        at = 0
        while at < len(data):
            at = session.feed(data, at, len(data))
            _drain(device)
        while size := session.pull(self._out, len(self._out)):
            wire.give(bytes(self._out[:size]))
        _drain(device)


def _drain(device: Device) -> None:
    while event := device.session.next_event():
        device.act(event)
