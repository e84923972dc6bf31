"""Whether a board can be as its description says: pins, units and flash against the chip."""

from collections.abc import Iterator
from typing import NamedTuple

from paebiru.boards.chips import ARCHS, CHIPS, Chip
from paebiru.boards.model import (
    Analog,
    Board,
    Digital,
    EspNow,
    I2c,
    I2s,
    Pin,
    Pwm,
    Tcp,
    UartLink,
    UartStream,
)

Problem = tuple[str, str]
"""(key, what is wrong and what to do)"""

_TABLE_END = 0x9000  # ESP-IDF's partition table is at 0x8000 and takes a sector
_SECTOR = 0x1000
_APPLICATION_ALIGN = 0x10000  # the MMU's page, which ESP-IDF asks of application partitions
_MIB = 1024 * 1024


class Use(NamedTuple):
    """One pin in one role; `way` is how it is used: in, out or analog."""

    key: str
    pin: Pin
    way: str


def problems(board: Board) -> Iterator[Problem]:
    """Yield everything about a well-formed description that cannot be."""
    chip = CHIPS.get(board.chip)
    if chip is None:
        yield "chip", f"{board.chip} is not known: take one of {', '.join(CHIPS)}"
        return
    yield from _arch(board)
    yield from _roles(board)
    yield from _pins(board, chip)
    yield from _units(board, chip)
    yield from _links(board, chip)
    yield from _flash(board, chip)


def uses(board: Board) -> Iterator[Use]:
    """Yield every pin of every role."""
    groups = (
        ("buses", board.buses),
        ("analog", board.analog),
        ("streams", board.streams),
        ("outputs", board.outputs),
        ("links", board.links),
    )
    for group, parts in groups:
        for role, part in parts.items():
            at = f"{group}.{role}"
            if isinstance(part, I2c):
                yield Use(f"{at}.scl", part.scl, "out")
                yield Use(f"{at}.sda", part.sda, "out")
            elif isinstance(part, Analog):
                yield Use(f"{at}.pin", part.pin, "analog")
            elif isinstance(part, I2s):
                yield Use(f"{at}.sck", part.sck, "out")
                yield Use(f"{at}.ws", part.ws, "out")
                yield Use(f"{at}.sd", part.sd, "in")
            elif isinstance(part, UartStream | UartLink):
                yield Use(f"{at}.rx", part.rx, "in")
                if part.tx is not None:
                    yield Use(f"{at}.tx", part.tx, "out")
            elif isinstance(part, Digital | Pwm):
                yield Use(f"{at}.pin", part.pin, "out")


def _arch(board: Board) -> Iterator[Problem]:
    if board.runtime == "circuitpython":
        if board.arch is not None:
            yield "arch", "CircuitPython gets source files only: leave the key out"
    elif board.arch != ARCHS[board.chip]:
        found = board.arch or "missing"
        yield "arch", f'{found}, but {board.chip} runs {ARCHS[board.chip]}: "{ARCHS[board.chip]}"'


def _roles(board: Board) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for group in ("buses", "analog", "streams", "outputs"):
        for role in getattr(board, group):
            if role in seen:
                yield f"{group}.{role}", f"{seen[role]} has a role of that name: give another"
            seen.setdefault(role, f"{group}.{role}")
    inputs = {*board.buses, *board.analog, *board.streams}
    for n, sensor in enumerate(board.sensors):
        if sensor.role is not None and sensor.role not in inputs:
            have = ", ".join(sorted(inputs)) or "none"
            yield (
                f"sensors.{n}.role",
                f"no bus, analog input or stream is called {sensor.role}: add it, or take"
                f" one of {have}",
            )


def _pins(board: Board, chip: Chip) -> Iterator[Problem]:
    for name, number in board.pins.items():
        if number not in chip.pins:
            yield f"pins.{name}", f"{board.chip} has no GPIO{number}: see the board's drawing"
    if board.pins and board.runtime == "micropython":
        yield "pins", "MicroPython's pins are numbers: leave the table out"
    for number in board.strapping:
        if number not in chip.strapping:
            yield "strapping", f"{board.chip} does not read GPIO{number} at reset: leave it out"
    taken: dict[int, str] = {}
    for use in uses(board):
        if isinstance(use.pin, str) != (board.runtime == "circuitpython"):
            yield use.key, _wrong_kind(board, use.pin)
            continue
        number = use.pin if isinstance(use.pin, int) else board.pins.get(use.pin, -1)
        if number < 0:
            yield use.key, f"{use.pin} is no GPIO that [pins] names: add it there with its number"
            continue
        if number in taken:
            yield use.key, f"pin {use.pin} is that of {taken[number]} too: give it another"
        taken.setdefault(number, use.key)
        what = _unfit(board, chip, number, use.way)
        if what:
            yield use.key, f"pin {use.pin} {what}"


def _wrong_kind(board: Board, pin: Pin) -> str:
    if board.runtime == "circuitpython":
        return f'pin {pin} is a number: CircuitPython takes a name of its module board, as "IO8"'
    return f'pin "{pin}" is a name: MicroPython takes the GPIO\'s number'


def _unfit(board: Board, chip: Chip, pin: int, way: str) -> str:
    """Return why a pin cannot be used that way, and what to do; "" if it can."""
    if pin not in chip.pins:
        return f"is none of {board.chip}: see its datasheet"
    has_psram = board.memory.octal if board.chip == "esp32s3" else board.memory.psram > 0
    if pin in chip.flash:
        return "carries the flash: take another"
    if pin in chip.psram and has_psram:
        return "carries this board's PSRAM: take another"
    if pin in chip.usb:
        return "carries USB: take another"
    if pin in chip.console:
        return "carries the console (UART0): take another"
    if way == "out" and pin in chip.input_only:
        return "can only read: take one below 34"
    if way == "analog" and pin in chip.adc2:
        return f"is of ADC2, which Wi-Fi stops: take one of ADC1 ({_list(chip.adc1)})"
    if way == "analog" and pin not in chip.adc1:
        return f"reads no voltage: take one of ADC1 ({_list(chip.adc1)})"
    if pin in chip.strapping and pin not in board.strapping:
        return (
            "decides at reset how the chip starts: take another, or, where what is wired to"
            f" it lets the board start, add strapping = [{pin}]"
        )
    return ""


def _list(pins: frozenset[int]) -> str:
    """Return pins as 1-10 or 32, 33, 36."""
    low, high = min(pins), max(pins)
    if len(pins) == high - low + 1:
        return f"{low}-{high}"
    return ", ".join(str(pin) for pin in sorted(pins))


def _units(board: Board, chip: Chip) -> Iterator[Problem]:
    """Two roles cannot share a UART, nor a role have one that the chip lacks."""
    taken: dict[tuple[str, int], str] = {}
    for key, kind, unit in _numbered(board):
        if board.runtime == "circuitpython":
            if unit is not None:
                yield f"{key}.id", "CircuitPython chooses the unit by itself: leave it out"
            continue
        count: int = getattr(chip, kind)
        first = 1 if kind == "uart" and chip.console else 0
        if unit is None or not first <= unit < count:
            found = "missing" if unit is None else str(unit)
            units = ", ".join(str(n) for n in range(first, count)) or "none"
            yield f"{key}.id", f"{found}, but {board.chip} has these to give as {kind}: {units}"
        elif (kind, unit) in taken:
            yield f"{key}.id", f"{kind} {unit} is that of {taken[kind, unit]} too: give another"
        else:
            taken[kind, unit] = key


def _numbered(board: Board) -> Iterator[tuple[str, str, int | None]]:
    for role, bus in board.buses.items():
        yield f"buses.{role}", "i2c", bus.id
    for role, stream in board.streams.items():
        yield f"streams.{role}", "i2s" if isinstance(stream, I2s) else "uart", stream.id
    for role, link in board.links.items():
        if isinstance(link, UartLink):
            yield f"links.{role}", "uart", link.id


def _links(board: Board, chip: Chip) -> Iterator[Problem]:
    if not board.links:
        yield "links", 'a board needs a way to its hub: usb = { kind = "stdio" } is the shortest'
    for role, link in board.links.items():
        if isinstance(link, Tcp) and not (chip.has_network or board.radio.wifi):
            yield f"links.{role}", "needs Wi-Fi: set radio.wifi = true, or leave it out"
        if isinstance(link, EspNow) and not board.radio.espnow:
            yield f"links.{role}", "needs ESP-NOW: set radio.espnow = true, or leave it out"


def _flash(board: Board, chip: Chip) -> Iterator[Problem]:
    flash = board.flash
    if chip.bootloader is None:
        if flash is not None:
            yield "flash", f"{board.chip} is not flashed: leave the table out"
        return
    if flash is None:
        yield "flash", f"missing: {board.chip} needs size, bootloader, application, filesystem"
        return
    if flash.size not in [n * _MIB for n in (1, 2, 4, 8, 16, 32)]:
        yield "flash.size", f"{flash.size:#x} is no size of a flash: 0x400000 is 4 MiB"
    if flash.bootloader != chip.bootloader:
        yield (
            "flash.bootloader",
            f"{flash.bootloader:#x}, but the ROM of {board.chip} looks for it at"
            f" {chip.bootloader:#x}: set that",
        )
    application, files = flash.application, flash.filesystem
    if application.offset < _TABLE_END or application.offset % _APPLICATION_ALIGN:
        yield (
            "flash.application.offset",
            f"{application.offset:#x} cannot be: it starts behind the partition table at a"
            f" multiple of {_APPLICATION_ALIGN:#x}, mostly 0x10000",
        )
    for key, part in (("application", application), ("filesystem", files)):
        if part.offset % _SECTOR or part.size % _SECTOR:
            yield f"flash.{key}", f"offset and size must be multiples of a sector, {_SECTOR:#x}"
        if part.end > flash.size:
            yield f"flash.{key}", f"ends at {part.end:#x}, behind the flash of {flash.size:#x}"
    if files.offset < _TABLE_END:
        yield (
            "flash.filesystem",
            f"overlaps the partition table: start at {_TABLE_END:#x}",
        )
    elif files.offset < application.end and application.offset < files.end:
        yield (
            "flash.filesystem",
            f"overlaps the application, which ends at {application.end:#x}: start it there",
        )
