"""A port of recorded parts, for tests of drivers on every interpreter.

An I2C chip is a register trace, ``[[written hex, read hex], …]``, played as
``host/paebiru/vboard/WORLD.md`` says: a read is answered by the next answer to what was
written last.  tests/host/test_sensors.py plays the same files through the virtual board's own
player, which boards without a host folder cannot import.
"""

import json
from binascii import unhexlify

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
_ENODEV = 19


def recorded(driver):
    """Return what ``tests/firmware/traces/<driver>.json`` holds."""
    with open(_HERE + "/../firmware/traces/" + driver + ".json") as file:
        return json.load(file)


class Chip:
    """One chip that answers as its trace says."""

    def __init__(self, trace):
        self.answers = {}
        for written, read in trace:
            if read:
                self.answers.setdefault(unhexlify(written), []).append(unhexlify(read))
        self.places = {}
        self.last = b""

    def write(self, data):
        if data in self.answers:
            self.last = data

    def read(self, buf):
        answers = self.answers.get(self.last)
        if answers is None:
            raise OSError(_ENODEV)
        place = self.places.get(self.last, 0)
        if len(answers[place]) < len(buf):
            raise OSError(_ENODEV)
        self.places[self.last] = (place + 1) % len(answers)
        buf[:] = answers[place][: len(buf)]


class Bus:
    """The port's I2C bus.  `fail` counts the transfers until one is not acknowledged."""

    def __init__(self, chips):
        self.chips = {address: Chip(trace) for address, trace in chips.items()}
        self.writes = []
        self.fail = -1
        self.dead = False
        self.transfers = 0

    def _chip(self, address):
        self.transfers += 1
        if self.fail >= 0:
            self.fail -= 1
        if self.dead or self.fail == 0 or address not in self.chips:
            raise OSError(_ENODEV)
        return self.chips[address]

    def read(self, address, register, buf):
        chip = self._chip(address)
        if bytes([register]) not in chip.answers:
            raise OSError(_ENODEV)
        chip.write(bytes([register]))
        chip.read(buf)

    def receive(self, address, buf):
        self._chip(address).read(buf)

    def write(self, address, data):
        self._chip(address).write(bytes(data))
        self.writes.append(bytes(data))


class StillBus:
    """A bus that gives the same register contents for ever and allocates nothing doing so."""

    def __init__(self, registers):
        self.memory = bytearray(256)
        for at, data in registers.items():
            for i in range(len(data)):
                self.memory[at + i] = data[i]
        self.answer = self.memory

    def read(self, address, register, buf):
        i = 0
        while i < len(buf):
            buf[i] = self.memory[register + i]
            i += 1

    def receive(self, address, buf):
        i = 0
        while i < len(buf):
            buf[i] = self.answer[i]
            i += 1

    def write(self, address, data):
        pass


class Analog:
    """An input whose millivolts are given, one a conversion."""

    def __init__(self, millivolts):
        self.given = millivolts
        self.at = 0

    def millivolts(self):
        value = self.given[self.at]
        self.at = (self.at + 1) % len(self.given)
        return value


class Stream:
    """Bytes that come `piece` at a time, over and over; nothing every other time."""

    def __init__(self, data, piece=1 << 20, gaps=False):
        self.data = data
        self.piece = piece
        self.at = 0
        self.gaps = gaps
        self.gap = False

    def readinto(self, buf):
        self.gap = self.gaps and not self.gap
        if self.gap:
            return 0
        i = 0
        while i < len(buf) and i < self.piece:
            buf[i] = self.data[self.at]
            self.at += 1
            if self.at == len(self.data):
                self.at = 0
            i += 1
        return i


class File:
    """A file in memory, read in pieces of at most `piece` bytes."""

    def __init__(self, data, piece=1 << 20):
        self.data = data
        self.piece = piece
        self.at = 0

    def readinto(self, buf):
        i = 0
        while i < len(buf) and i < self.piece and self.at < len(self.data):
            buf[i] = self.data[self.at]
            self.at += 1
            i += 1
        return i

    def seek(self, offset):
        self.at = offset
        return offset

    def close(self):
        pass


class Port:
    """What a driver's maker asks of a port."""

    def __init__(self, buses=None, analogs=None, streams=None, files=None, piece=1 << 20):
        self.buses = buses or {}
        self.analogs = analogs or {}
        self.streams = streams or {}
        self.files = files or {}
        self.piece = piece

    def bus(self, role):
        return self.buses[role]

    def analog(self, role):
        return self.analogs[role]

    def stream(self, role):
        return self.streams[role]

    def open(self, name, mode):
        if name not in self.files:
            raise OSError(2)
        return File(self.files[name], self.piece)


def readings(sensor, count, step=1000, start=0, most=1000):
    """Poll every `step` ms; return the values of `count` readings and their bytes."""
    found = []
    now = start
    for _ in range(most):
        if sensor.poll(now):
            found.append((list(sensor.values), sensor.byte()))
            if len(found) == count:
                return found
        now = (now + step) % (1 << 29)
    raise AssertionError("%d readings in %d polls, %d were wanted" % (len(found), most, count))
