"""A board's parts on CircuitPython: buses, analog inputs, streams, outputs."""

from array import array

import analogio
import board
import busio
import digitalio
import microcontroller
import pwmio

from sil.compat import const

from ..errors import PortError
from . import Entry

try:
    import audioi2sin
except ImportError:  # not in every build: asking for a microphone says so
    audioi2sin = None  # type: ignore[assignment]

_FULL_MV = const(3300)  # `AnalogIn.value` is scaled to the reference, 3.3 V on these boards
_FULL = const(65535)
_CAMERA_BUFFER = const(8192)
_SAMPLES = const(256)  # in one reading: 16 ms at 16 kHz
_HALF = const(128)


def pin(name: str) -> "microcontroller.Pin":
    """Return a pin by the name that CircuitPython gives it on this board."""
    found = getattr(board, name, None)
    if found is None:
        raise PortError("this board has no pin '%s'; `dir(board)` lists its pins" % name)
    return found


class Bus:
    """I2C, locked for good: nothing else of the program uses it."""

    def __init__(self, entry: Entry) -> None:
        self._i2c = busio.I2C(
            pin(entry["scl"]), pin(entry["sda"]), frequency=entry.get("freq", 100000)
        )
        self._i2c.try_lock()
        self._register = bytearray(1)

    def read(self, address: int, register: int, buf: "bytearray | memoryview") -> None:
        """Fill ``buf`` from an 8-bit register on."""
        self._register[0] = register
        self._i2c.writeto_then_readfrom(address, self._register, buf)

    def receive(self, address: int, buf: "bytearray | memoryview") -> None:
        """Fill ``buf`` without naming a register."""
        self._i2c.readfrom_into(address, buf)

    def write(self, address: int, data: "bytes | bytearray | memoryview") -> None:
        """Send all of ``data``."""
        self._i2c.writeto(address, data)


class Analog:
    """An analog input; CircuitPython calibrates it where the chip can."""

    def __init__(self, entry: Entry) -> None:
        self._input = analogio.AnalogIn(pin(entry["pin"]))

    def millivolts(self) -> int:
        """Return the voltage now."""
        return self._input.value * _FULL_MV // _FULL


class I2SStream:
    """A digital microphone: signed 16-bit samples, little-endian.

    CircuitPython's own reading waits until it has what it was asked for.  So this one asks for
    16 ms at most, and a step of the node takes that much longer: the one part that waits.
    """

    def __init__(self, entry: Entry) -> None:
        self._input = audioi2sin.I2SIn(
            pin(entry["sck"]),
            pin(entry["ws"]),
            pin(entry["sd"]),
            sample_rate=entry["rate"],
            bit_depth=16,
        )
        self._samples = array("h", bytes(2 * _SAMPLES))

    def readinto(self, buf: "bytearray | memoryview") -> int:
        """Wait for up to 256 samples."""
        samples = self._samples
        count = self._input.record(samples, min(len(buf) // 2, _SAMPLES))
        for i in range(count):
            value = samples[i] & 0xFFFF
            buf[2 * i] = value & 0xFF
            buf[2 * i + 1] = value >> 8
        return 2 * count


class UartStream:
    """A camera, or another part that sends by itself over a UART."""

    def __init__(self, entry: Entry) -> None:
        self._uart = busio.UART(
            rx=pin(entry["rx"]),
            baudrate=entry["baud"],
            timeout=0,
            receiver_buffer_size=_CAMERA_BUFFER,
        )

    def readinto(self, buf: "bytearray | memoryview") -> int:
        """Take what is there."""
        return self._uart.readinto(buf) or 0


class Digital:
    """A pin that is on from the middle of the range on."""

    def __init__(self, entry: Entry) -> None:
        self._pin = digitalio.DigitalInOut(pin(entry["pin"]))
        self._pin.switch_to_output(False)

    def write(self, level: int) -> None:
        """Set it: 0..127 off, 128..255 on."""
        self._pin.value = level >= _HALF


class Pwm:
    """A pin whose mean follows the level."""

    def __init__(self, entry: Entry) -> None:
        self._pwm = pwmio.PWMOut(pin(entry["pin"]), frequency=entry["freq"], duty_cycle=0)

    def write(self, level: int) -> None:
        """Set it: 0 off .. 255 always on."""
        self._pwm.duty_cycle = level * 257


def stream(entry: Entry) -> "I2SStream | UartStream":
    """Make a stream of its kind."""
    return I2SStream(entry) if entry["kind"] == "i2s" else UartStream(entry)


def output(entry: Entry) -> "Digital | Pwm":
    """Make an output of its kind."""
    return Digital(entry) if entry["kind"] == "digital" else Pwm(entry)
