"""A board's parts on MicroPython: buses, analog inputs, streams, outputs."""

from sil.compat import const

from . import Entry

try:
    import select
except ImportError:
    select = None  # type: ignore[assignment]

try:
    import machine
except ImportError:  # a VM without hardware: asking for a part says so
    machine = None  # type: ignore[assignment]

_AUDIO_BUFFER = const(8192)  # 256 ms of 16 kHz, 16 bits: what a slow step may take
_CAMERA_BUFFER = const(8192)
_ITEM = const(2)  # bytes a sample
_HALF = const(128)


class Bus:
    """I2C."""

    def __init__(self, entry: Entry) -> None:
        self._i2c = machine.I2C(
            entry["id"],
            scl=machine.Pin(entry["scl"]),
            sda=machine.Pin(entry["sda"]),
            freq=entry.get("freq", 100000),
        )

    def read(self, address: int, register: int, buf: "bytearray | memoryview") -> None:
        """Fill ``buf`` from an 8-bit register on."""
        self._i2c.readfrom_mem_into(address, register, buf)

    def receive(self, address: int, buf: "bytearray | memoryview") -> None:
        """Fill ``buf`` without naming a register."""
        self._i2c.readfrom_into(address, buf)

    def write(self, address: int, data: "bytes | bytearray | memoryview") -> None:
        """Send all of ``data``."""
        self._i2c.writeto(address, data)


class Analog:
    """An analog input, calibrated by the chip's own fuses."""

    def __init__(self, entry: Entry) -> None:
        self._adc = machine.ADC(machine.Pin(entry["pin"]), atten=machine.ADC.ATTN_11DB)

    def millivolts(self) -> int:
        """Return the voltage now."""
        return self._adc.read_uv() // 1000


class I2SStream:
    """A digital microphone: signed 16-bit samples, little-endian."""

    def __init__(self, entry: Entry) -> None:
        self._i2s = machine.I2S(
            entry["id"],
            sck=machine.Pin(entry["sck"]),
            ws=machine.Pin(entry["ws"]),
            sd=machine.Pin(entry["sd"]),
            mode=machine.I2S.RX,
            bits=16,
            format=machine.I2S.MONO,
            rate=entry["rate"],
            ibuf=_AUDIO_BUFFER,
        )
        # Being polled is what makes an I2S object's reads return at once (machine_i2s.c).
        self._ready = select.poll()
        self._ready.register(self._i2s, select.POLLIN)

    def readinto(self, buf: "bytearray | memoryview") -> int:
        """Take as many whole samples as are there."""
        for _ in self._ready.ipoll(0):
            return (self._i2s.readinto(buf) or 0) // _ITEM * _ITEM
        return 0


class UartStream:
    """A camera, or another part that sends by itself over a UART."""

    def __init__(self, entry: Entry) -> None:
        self._uart = machine.UART(
            entry["id"],
            baudrate=entry["baud"],
            rx=machine.Pin(entry["rx"]),
            rxbuf=_CAMERA_BUFFER,
            timeout=0,
        )

    def readinto(self, buf: "bytearray | memoryview") -> int:
        """Take what is there."""
        return self._uart.readinto(buf) or 0


class Digital:
    """A pin that is on from the middle of the range on."""

    def __init__(self, entry: Entry) -> None:
        self._pin = machine.Pin(entry["pin"], machine.Pin.OUT, value=0)

    def write(self, level: int) -> None:
        """Set it: 0..127 off, 128..255 on."""
        self._pin.value(1 if level >= _HALF else 0)


class Pwm:
    """A pin whose mean follows the level."""

    def __init__(self, entry: Entry) -> None:
        self._pwm = machine.PWM(machine.Pin(entry["pin"]), freq=entry["freq"], duty_u16=0)

    def write(self, level: int) -> None:
        """Set it: 0 off .. 255 always on."""
        self._pwm.duty_u16(level * 257)


def stream(entry: Entry) -> "I2SStream | UartStream":
    """Make a stream of its kind."""
    return I2SStream(entry) if entry["kind"] == "i2s" else UartStream(entry)


def output(entry: Entry) -> "Digital | Pwm":
    """Make an output of its kind."""
    return Digital(entry) if entry["kind"] == "digital" else Pwm(entry)
