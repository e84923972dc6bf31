"""The chip around the VM: it answers what `machine` and `esp32` ask, and watches the watchdog."""

import json
import time
from dataclasses import dataclass, field
from typing import TextIO

from paebiru.vboard.state import State
from paebiru.vboard.world import World

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_EINVAL = 22


@dataclass
class Life:
    """What the VM has told since its start."""

    heap: int = -1  # bytes that the board's own modules take; -1 until the board is up
    runs: bool = False  # boot.py or main.py, not what is before, between and behind them
    deadline: float | None = None  # when the watchdog bites
    timeout: float = 0.0
    end: int | None = None  # the cause of the reset that it asked for
    sleep: float | None = 0.0  # s until then; None: for ever
    broken: str = ""  # why the board cannot come up
    rest: bytes = field(default=b"", repr=False)


class Chip:
    """Everything of the board that a reset of the VM does not touch."""

    def __init__(self, state: State, world: World, log: TextIO) -> None:
        self._state = state
        self._world = world
        self._log = log
        self.cause = PWRON_RESET
        self.outputs: dict[int, int] = {}
        self.life = Life()

    def born(self, is_soft: bool) -> None:
        """Begin with a new life of the VM; after a soft reset the watchdog still waits for food."""
        before, self.life = self.life, Life()
        if is_soft:
            self.life.deadline, self.life.timeout = before.deadline, before.timeout

    def hear(self, data: bytes) -> list[bytes]:
        """Take what the VM told; return the answers to what it asked."""
        *lines, self.life.rest = (self.life.rest + data).split(b"\n")
        answers = []
        for line in lines:
            first, *words = line.decode().split(" ")
            if first.endswith("?"):
                errno, data = self._answer(words)
                head = bytes([int(first[:-1]), errno])
                answers.append(head + len(data).to_bytes(2, "big") + data)
            else:
                self._told(first, words)
        return answers

    def _told(self, what: str, words: list[str]) -> None:
        life = self.life
        now = time.monotonic()
        if what == "feed":
            if life.deadline is not None:
                life.deadline = now + life.timeout
        elif what == "wdt":
            life.timeout = int(words[0]) / 1000
            life.deadline = now + life.timeout
        elif what in ("pin", "pwm"):
            self._put_out(what, int(words[0]), int(words[1]))
        elif what == "ready":
            life.heap = int(words[0])
        elif what in ("reset", "soft"):
            life.end = HARD_RESET if what == "reset" else SOFT_RESET
        elif what == "broken":
            life.broken = " ".join(words)
        elif what == "sleep":
            life.end = DEEPSLEEP_RESET
            life.sleep = int(words[0]) / 1000 or None

    def _answer(self, words: list[str]) -> tuple[int, bytes]:
        try:
            return 0, self._asked(words[0], words[1:])
        except OSError as error:
            return error.errno or error.args[0], b""
        except (ValueError, IndexError, OverflowError):
            return _EINVAL, b""

    def _asked(self, what: str, words: list[str]) -> bytes:
        if what in ("listen", "end"):
            self.life.runs = what == "listen"
            return b""
        if what == "id":
            return self._state.id
        if what == "cause":
            return bytes([self.cause])
        if what == "nvs":
            return self._nvs(*words)
        if what == "i2c" and len(words) == 1:
            return self._world.scan(int(words[0]))
        if what == "i2c":
            bus, address, written, count = words
            data = b"" if written == "-" else bytes.fromhex(written)
            return self._world.i2c(int(bus), int(address), data, int(count))
        if what == "adc":
            return self._world.millivolts(int(words[0])).to_bytes(2, "big")
        if what == "pin":
            return bytes([self._world.level(int(words[0]))])
        if what in ("i2s", "uart"):
            return self._world.stream(what, int(words[0]), int(words[1]))
        raise ValueError(what)

    def _nvs(self, name: str, value: str = "") -> bytes:
        if not value:
            found = self._state.load(name)
            return b"\0" if found is None else b"\1" + found
        data = None if value == "-" else bytes.fromhex(value[1:])
        return bytes([self._state.save(name, data)])

    def _put_out(self, kind: str, pin: int, level: int) -> None:
        self.outputs[pin] = level
        entry = {"time": round(time.time(), 3), "pin": pin, "as": kind, "level": level}
        self._log.write(json.dumps(entry) + "\n")
        self._log.flush()
