"""The form of ``boards/*.toml``: which keys there are, and what each may be.

What only a chip's pins or its flash can contradict is looked at in `check`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

Pin = StrictInt | StrictStr
"""A GPIO's number; in CircuitPython a name of its module `board`."""
Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,15}$")]
Unit = Annotated[int, Field(strict=True, ge=0, le=7)]
Baud = Annotated[int, Field(strict=True, ge=1200, le=5_000_000)]
Bytes = Annotated[int, Field(strict=True, ge=0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Memory(_Table):
    """Bytes of RAM, and of PSRAM beside it."""

    ram: Annotated[int, Field(strict=True, gt=0)]
    psram: Bytes = 0
    octal: StrictBool = False
    """PSRAM on eight data lines: takes more pins of an ESP32-S3."""


class Radio(_Table):
    """What the board can send by."""

    wifi: StrictBool = False
    espnow: StrictBool = False
    ble: StrictBool = False


class Usb(_Table):
    """Vendor and product, as ``10c4:ea60``, by which the board's port can be found."""

    ids: list[Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]] = []


class Region(_Table):
    """A part of the flash, in bytes."""

    offset: Bytes
    size: Annotated[int, Field(strict=True, gt=0)]

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


class Flash(_Table):
    """Where things are; a combined image is written at `bootloader`."""

    size: Annotated[int, Field(strict=True, gt=0)]
    bootloader: Bytes
    application: Region
    filesystem: Region


class I2c(_Table):
    """An I2C bus."""

    id: Unit | None = None
    scl: Pin
    sda: Pin
    freq: Annotated[int, Field(strict=True, ge=10_000, le=1_000_000)] = 400_000


class Analog(_Table):
    """A pin whose voltage is read."""

    pin: Pin


class I2s(_Table):
    """A microphone's samples: clock, word select, data in."""

    kind: Literal["i2s"]
    id: Unit | None = None
    sck: Pin
    ws: Pin
    sd: Pin
    rate: Annotated[int, Field(strict=True, ge=8000, le=48_000)]


class UartStream(_Table):
    """Bytes that come by themselves, as a camera's lines of pixels."""

    kind: Literal["uart"]
    id: Unit | None = None
    rx: Pin
    tx: Pin | None = None
    baud: Baud


class Digital(_Table):
    """A pin that is on or off."""

    kind: Literal["digital"]
    pin: Pin


class Pwm(_Table):
    """A pin that is on for a share of the time."""

    kind: Literal["pwm"]
    pin: Pin
    freq: Annotated[int, Field(strict=True, ge=1, le=40_000)]


class Stdio(_Table):
    """The console: USB, or the UART that stands for it."""

    kind: Literal["stdio"]


class UartLink(_Table):
    """A serial line to the hub."""

    kind: Literal["uart"]
    id: Unit | None = None
    tx: Pin
    rx: Pin
    baud: Baud = 115_200


class Tcp(_Table):
    """A connection to the hub; who and where are given when the board is set up."""

    kind: Literal["tcp"]
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 7353


class EspNow(_Table):
    """Espressif's radio datagrams; the peer is given when the board is set up."""

    kind: Literal["espnow"]
    channel: Annotated[int, Field(strict=True, ge=1, le=14)] = 1


Stream = Annotated[I2s | UartStream, Field(discriminator="kind")]
Output = Annotated[Digital | Pwm, Field(discriminator="kind")]
Link = Annotated[Stdio | UartLink | Tcp | EspNow, Field(discriminator="kind")]


class Sensor(BaseModel):
    """A sensor that is wired as the board comes; further keys are its driver's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    driver: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    layer: Annotated[int, Field(strict=True, ge=0, le=4)]
    role: Role | None = None
    address: Annotated[int, Field(strict=True, ge=0x08, le=0x77)] | None = None


class Board(_Table):
    """One board.  `name` is its file's, and is no key of it."""

    name: str
    description: StrictStr
    chip: StrictStr
    runtime: Literal["micropython", "circuitpython"]
    arch: Literal["xtensawin", "rv32imc", "armv7m", "x64"] | None = None
    """What mpy-cross compiles for; None: source files only."""
    firmware: StrictStr = ""
    """Where the image to flash is to be had."""
    checked: Literal["hardware", "emulated", "vm", "compiled", "typed"]
    """How far it has been tried; boards/HARDWARE-STATUS.md tells the rest."""
    watchdog_ms: Annotated[int, Field(strict=True, ge=0, le=120_000)]
    """0: the board has none."""
    strapping: list[StrictInt] = []
    """Pins that the chip reads at reset and that are used all the same."""
    memory: Memory
    radio: Radio = Radio()
    usb: Usb = Usb()
    flash: Flash | None = None
    pins: dict[str, StrictInt] = {}
    """CircuitPython: the GPIO behind each name that is used."""
    buses: dict[Role, I2c] = {}
    analog: dict[Role, Analog] = {}
    streams: dict[Role, Stream] = {}
    outputs: dict[Role, Output] = {}
    links: dict[Role, Link]
    sensors: list[Sensor] = []
