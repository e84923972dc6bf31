"""Thin stand-ins for CircuitPython's modules, shaped as circuitpython-stubs say.

No package runs CircuitPython, so `port/cp.py` has nothing real to run on.  These let its own lines
run on CPython - look-ups, error texts, lines, the drive - and prove nothing of the hardware.
`installed` puts them among the modules while its block lasts.
"""

import gc
import importlib
import io
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from paebiru.vboard.silicon.traces import TraceBus, chips

PIN_NAMES = ("SCL1", "SDA1", "A0", "A1", "A2", "SCK", "MOSI", "MISO", "TX", "RX")


class Reset(BaseException):
    """`microcontroller.reset`: nothing runs on."""


class Board:
    """What the fakes have in common: one board."""

    def __init__(self, folder: Path, world: dict[str, Any]) -> None:
        self.folder = folder
        self.nvm = bytearray(8192)
        self.i2c = TraceBus(chips(world["i2c"]["0"]))
        self.adc = list(world["adc"]["34"])
        self.typed = ""  # characters that wait on the console
        self.printed = ""
        self.has_terminal = True
        self.data: Data | None = None
        self.pc_holds_the_drive = False
        self.is_readonly = True
        self.ssid, self.password = "home", "secret"
        self.written: dict[str, object] = {}

    def modules(self) -> dict[str, ModuleType]:
        """Return the modules by name."""
        makers = (
            self._board,
            self._busio,
            self._parts,
            self._microcontroller,
            self._supervisor,
            self._network,
        )
        found: dict[str, ModuleType] = {}
        for make in makers:
            for name, names in make().items():
                module = ModuleType(name)
                module.__dict__.update(names)
                found[name] = module
        return found

    def _board(self) -> dict[str, dict[str, Any]]:
        return {"board": {name: f"pin {name}" for name in PIN_NAMES}}

    def _busio(self) -> dict[str, dict[str, Any]]:
        trace = self.i2c

        class I2C:
            def __init__(self, scl: str, sda: str, *, frequency: int = 100000) -> None:
                self._is_locked = False

            def try_lock(self) -> bool:
                self._is_locked = True
                return True

            def _check(self) -> None:
                if not self._is_locked:
                    raise RuntimeError("Function requires lock")

            def readfrom_into(self, address: int, buffer: bytearray) -> None:
                self._check()
                trace.readfrom_into(address, buffer)

            def writeto(self, address: int, buffer: bytes) -> None:
                self._check()
                trace.writeto(address, buffer)

            def writeto_then_readfrom(self, address: int, out: bytes, into: bytearray) -> None:
                self._check()
                trace.readfrom_mem_into(address, out[0], into)

        return {"busio": {"I2C": I2C, "UART": Uart}}

    def _parts(self) -> dict[str, dict[str, Any]]:
        adc, written = self.adc, self.written

        class AnalogIn:
            def __init__(self, pin: str) -> None:
                self._at = 0

            @property
            def value(self) -> int:
                self._at += 1
                return -(-adc[self._at % len(adc)] * 65535 // 3300)

        class I2SIn:
            def __init__(self, sck: str, ws: str, sd: str, **options: int) -> None:
                self._next = 0

            def record(self, destination: Any, destination_length: int) -> int:
                for i in range(destination_length):
                    destination[i] = -1 - i
                return destination_length

        class DigitalInOut:
            def __init__(self, pin: str) -> None:
                self._pin = pin

            def switch_to_output(self, value: bool = False) -> None:
                self.value = value

            def __setattr__(self, name: str, value: object) -> None:
                if name == "value":
                    written[self._pin] = value
                super().__setattr__(name, value)

        class PWMOut:
            def __init__(self, pin: str, *, duty_cycle: int, frequency: int) -> None:
                self._pin = pin
                self.duty_cycle = duty_cycle

            def __setattr__(self, name: str, value: object) -> None:
                if name == "duty_cycle":
                    written[self._pin] = value
                super().__setattr__(name, value)

        return {
            "analogio": {"AnalogIn": AnalogIn},
            "audioi2sin": {"I2SIn": I2SIn},
            "digitalio": {"DigitalInOut": DigitalInOut},
            "pwmio": {"PWMOut": PWMOut},
        }

    def _microcontroller(self) -> dict[str, dict[str, Any]]:
        self.watchdog = SimpleNamespace(timeout=None, mode=None, fed=0)
        self.watchdog.feed = lambda: setattr(self.watchdog, "fed", self.watchdog.fed + 1)
        names = "POWER_ON BROWNOUT SOFTWARE DEEP_SLEEP_ALARM RESET_PIN WATCHDOG UNKNOWN"
        reasons = SimpleNamespace(**{name: name for name in names.split()})
        self.cpu = SimpleNamespace(uid=bytearray(b"\1\2\3\4\5\6"), reset_reason="WATCHDOG")

        def reset() -> None:
            raise Reset

        return {
            "microcontroller": {
                "nvm": self.nvm,
                "cpu": self.cpu,
                "watchdog": self.watchdog,
                "ResetReason": reasons,
                "reset": reset,
                "delay_us": lambda us: time.sleep(us / 1_000_000),
            },
            "watchdog": {"WatchDogMode": SimpleNamespace(RESET="reset mode")},
        }

    def _supervisor(self) -> dict[str, dict[str, Any]]:
        fake = self

        class Runtime:
            run_reason = "STARTUP"

            @property
            def serial_connected(self) -> bool:
                return fake.has_terminal

            @property
            def serial_bytes_available(self) -> int:
                return len(fake.typed)

        def remount(path: str, readonly: bool = False) -> None:
            if fake.pc_holds_the_drive:
                raise RuntimeError("Cannot remount path when visible via USB.")
            fake.is_readonly = readonly

        return {
            "supervisor": {
                "ticks_ms": lambda: time.monotonic_ns() // 1_000_000 % (1 << 29),
                "runtime": Runtime(),
                "RunReason": SimpleNamespace(STARTUP="STARTUP"),
            },
            "usb_cdc": {"data": self.data},
            "storage": {"remount": remount},
        }

    def _network(self) -> dict[str, dict[str, Any]]:
        fake = self

        class Radio:
            connected = False

            def connect(self, ssid: str, password: str = "", *, timeout: float) -> None:
                if ssid != fake.ssid:
                    raise ConnectionError("No network with that ssid")
                if password != fake.password:
                    raise ConnectionError("Authentication failure")
                self.connected = True

        class SocketPool:
            AF_INET, SOCK_STREAM = socket.AF_INET, socket.SOCK_STREAM

            def __init__(self, radio: Radio) -> None:
                pass

            def socket(self, family: int, kind: int) -> socket.socket:
                return socket.socket(family, kind)

        return {"wifi": {"radio": Radio()}, "socketpool": {"SocketPool": SocketPool}}

    def open(self, name: str, mode: str = "r") -> Any:
        """Open a file of the drive, as the board's own `open` does."""
        if "w" in mode and self.is_readonly:
            raise OSError(30, "Read-only filesystem")
        return (self.folder / name).open(mode)


class Uart:
    """`busio.UART` whose two wires are joined."""

    def __init__(self, tx: str | None = None, rx: str | None = None, **options: int) -> None:
        assert options["timeout"] == 0  # else its reads wait
        self._bytes = bytearray()

    @property
    def in_waiting(self) -> int:
        return len(self._bytes)

    def readinto(self, buf: bytearray) -> int | None:
        size = min(len(buf), len(self._bytes))
        buf[:size] = self._bytes[:size]
        del self._bytes[:size]
        return size or None

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def reset_input_buffer(self) -> None:
        self._bytes.clear()


class Data:
    """`usb_cdc.data`; the PC's end is `sent` and `waiting`."""

    timeout: float | None = None
    write_timeout: float | None = None

    def __init__(self) -> None:
        self.gone_for = 0  # looks at `connected`
        self.sent = bytearray()
        self.waiting = bytearray()

    @property
    def connected(self) -> bool:
        self.gone_for = max(self.gone_for - 1, 0)
        return self.gone_for == 0

    @property
    def in_waiting(self) -> int:
        return len(self.waiting)

    def readinto(self, buf: bytearray) -> int:
        assert self.timeout == 0  # else it would wait
        size = min(len(buf), len(self.waiting))
        buf[:size] = self.waiting[:size]
        del self.waiting[:size]
        return size

    def write(self, data: bytes) -> int:
        assert self.write_timeout == 0
        self.sent += data
        return len(data)

    def reset_input_buffer(self) -> None:
        self.waiting.clear()


class _Stdin(io.TextIOBase):
    def __init__(self, fake: Board) -> None:
        self._fake = fake

    def read(self, size: int | None = -1) -> str:
        assert size == 1
        character, self._fake.typed = self._fake.typed[0], self._fake.typed[1:]
        return character


class _Stdout(io.TextIOBase):
    def __init__(self, fake: Board) -> None:
        self._fake = fake

    def write(self, text: str) -> int:
        self._fake.printed += text
        return len(text)


def _forget_cp() -> None:
    """Have the files of the port imported anew, with the modules that are there then."""
    for name in list(sys.modules):
        parent, _, stem = name.rpartition(".")
        if parent == "paebiru_node.port" and stem.partition("_")[0] == "cp" and stem != "cp_nvm":
            del sys.modules[name]
            sys.modules[parent].__dict__.pop(stem, None)


@contextmanager
def installed(fake: Board) -> Iterator[ModuleType]:
    """Yield the module `paebiru_node.port.cp` as it runs on the fake board."""
    here = Path.cwd()
    patch = pytest.MonkeyPatch()
    _forget_cp()
    try:
        for name, module in fake.modules().items():
            patch.setitem(sys.modules, name, module)
        patch.setattr(gc, "mem_free", lambda: 100_000, raising=False)
        patch.setattr(os, "sync", lambda: None)
        cp = importlib.import_module("paebiru_node.port.cp")
        patch.setattr(cp, "open", fake.open, raising=False)
        patch.setattr(sys, "stdin", _Stdin(fake))
        patch.setattr(sys, "stdout", _Stdout(fake))
        os.chdir(fake.folder)
        yield cp
    finally:
        os.chdir(here)
        patch.undo()
        _forget_cp()
