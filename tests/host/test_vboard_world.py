"""The virtual board's sensors answer what the world file has recorded, and nothing else does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from paebiru.errors import UsageError
from paebiru.vboard import VirtualBoard
from paebiru.vboard.silicon.traces import Trace, TraceBus
from paebiru.vboard.world import read
from vboards import Raised, run

LIGHT = [["10", "0190"], ["10", "01a2"], ["0102", "ff"], ["", "aa"]]
WORLD = {
    "i2c": {"0": {"0x23": {"chip": "BH1750", "trace": LIGHT}}},
    "adc": {"34": [1210, 3300]},
    "pins": {"4": [0, 1]},
    "i2s": {"0": "sound.pcm"},
    "uart": {"1": "camera.bin"},
}
TRANSFERS = """
got = [bus.readfrom(0x23, 1)]
bus.writeto(0x23, bytes([0x10]))
got += [bus.readfrom(0x23, 2) for _ in range(3)]
bus.writeto(0x23, bytes([0x46]))  # unknown: acknowledged, and changes nothing
bus.writeto_mem(0x23, 5, bytes(3))
bus.writevto(0x23, [bytes([1]), bytes([2])])
got += [bus.readfrom(0x23, 1), bus.readfrom_mem(0x23, 0x10, 1)]
buf = bytearray(1)
bus.readfrom_mem_into(0x23, 0x0102, buf, addrsize=16)
got += [bytes(buf), bus.scan()]
for wrong in (
    lambda: bus.readfrom(0x24, 1),
    lambda: bus.writeto(0x24, bytes(1)),
    lambda: bus.readfrom_mem(0x23, 0x11, 1),
    lambda: bus.readfrom_mem(0x23, 0x10, 3),
):
    try:
        wrong()
        got.append("answered")
    except OSError as error:
        got.append(error.args[0])
"""
ANSWERS = [
    b"\xaa", b"\x01\x90", b"\x01\xa2", b"\x01\x90", b"\xff", b"\x01", b"\xff",
    [0x23], 19, 19, 19, 19,
]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "sound.pcm").write_bytes(bytes(i * 7 & 0xFF for i in range(3000)))
    (tmp_path / "camera.bin").write_bytes(b"camera" * 50)
    path = tmp_path / "world.json"
    path.write_text(json.dumps(WORLD))
    return path


@pytest.fixture
def board(world: Path, tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(tmp_path / "board", world=world) as virtual:
        yield virtual


def test_a_trace_is_the_same_for_drivers_here_and_in_the_vm(board: VirtualBoard) -> None:
    here = {"bus": TraceBus({0x23: Trace(LIGHT)})}
    exec(TRANSFERS, here)
    assert here["got"] == ANSWERS
    code = "from machine import I2C, Pin\nbus = I2C(0, scl=Pin(22), sda=Pin(21))\n"
    assert run(board, code + TRANSFERS + "print(got)").strip() == repr(ANSWERS)


def test_recordings_go_on_through_a_reset(board: VirtualBoard) -> None:
    code = "from machine import ADC, Pin\nadc = ADC(Pin(34), atten=ADC.ATTN_11DB)\n"
    code += "print(adc.read_uv(), adc.read_u16())"  # making it takes a reading as well
    assert run(board, code).split() == ["3300000", "24029"]
    starts = board.starts
    board.kill()
    board.wait(starts + 1)
    assert run(board, code).split() == ["1210000", "65535"]


def test_pins(board: VirtualBoard) -> None:
    code = """
from machine import PWM, Pin
print([Pin(4, Pin.IN).value() for _ in range(3)], Pin(9, Pin.IN).value())
relay = Pin(5, Pin.OUT, value=0)
relay.on()
print(relay.value())
PWM(Pin(6), freq=1000, duty_u16=0).duty_u16(257 * 100)
"""
    assert run(board, code).splitlines() == ["[0, 1, 0] 0", "1"]
    assert board.outputs == {5: 1, 6: 25700}
    log = [json.loads(entry) for entry in (board.folder / "log").read_text().splitlines()]
    assert [(entry["pin"], entry["as"], entry["level"]) for entry in log] == [
        (5, "pin", 0),
        (5, "pin", 1),
        (6, "pwm", 0),
        (6, "pwm", 25700),
    ]


def test_sound_and_pixels(board: VirtualBoard, tmp_path: Path) -> None:
    code = """
import select, time
from machine import I2S, UART, Pin
since = time.ticks_ms()
sound = I2S(0, sck=Pin(1), ws=Pin(2), sd=Pin(3), mode=I2S.RX, bits=16, format=I2S.MONO,
            rate=16000, ibuf=8000)
first = bytearray(1600)
print(sound.readinto(first), time.ticks_diff(time.ticks_ms(), since) >= 49)
poll = select.poll()
poll.register(sound, select.POLLIN)
poll.poll(0)
time.sleep_ms(60)
second = bytearray(800)
print(len(poll.poll(0)), sound.readinto(second))
print((bytes(first) + second).hex())
camera = UART(1, baudrate=115200, rx=Pin(16), rxbuf=1024, timeout=0)
got = b""
while len(got) < 9:
    got += camera.read(9 - len(got)) or b""
print(got, camera.write(b"hi"))
print(UART(2, baudrate=9600).read())
"""
    lines = run(board, code).splitlines()
    assert lines[0] == "1600 True"
    assert lines[1] == "1 800"
    assert bytes.fromhex(lines[2]) == (tmp_path / "sound.pcm").read_bytes()[:2400]
    assert lines[3:] == ["b'cameracam' 2", "None"]


@pytest.mark.parametrize(
    "code",
    [
        "machine.ADC(machine.Pin(35))",
        "machine.I2S(1, sck=1, ws=2, sd=3, mode=0, bits=16, format=0, rate=8000, ibuf=1000)",
        "machine.I2C(1).readfrom(1, 1)",
    ],
)
def test_what_is_not_described_is_not_there(board: VirtualBoard, code: str) -> None:
    with pytest.raises(Raised, match="OSError"):
        run(board, f"import machine\n{code}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no world"),
        ("[]", "is no world"),
        ('{"spi": {}}', "no 'spi'"),
        ('{"adc": {"34": []}}', "numbers from 0 to 5000"),
        ('{"pins": {"3": [2]}}', "numbers from 0 to 1"),
        ('{"i2c": {"0": {"0x23": {}}}}', "is no world"),
        ('{"i2c": {"0": {"0x23": {"trace": [["zz", "00"]]}}}}', "is no world"),
        ('{"i2s": {"0": "nothing.pcm"}}', "No such file"),
    ],
)
def test_worlds_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "world.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read(path)
