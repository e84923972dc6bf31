"""Boards' descriptions: those that come along are right, and a wrong one says where and why."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import test_stubs as stubs
from paebiru import boards
from paebiru.boards import check, chips
from paebiru.errors import UsageError
from targets import ROOT

ALL = ("esp32_devkit", "esp32c3_supermini", "esp32s3_devkitc", "qemu_arm", "qemu_rv32",
       "qtpy_esp32s3", "vm")  # fmt: skip


def text(name: str) -> str:
    return (ROOT / "boards" / f"{name}.toml").read_text(encoding="utf-8")


def refused(described: str) -> str:
    with pytest.raises(UsageError) as caught:
        boards.parse(described, Path("own.toml"))
    message = str(caught.value)
    assert message.startswith("own.toml: ")
    assert "\n" not in message
    return message.removeprefix("own.toml: ")


def changed(name: str, old: str, new: str) -> str:
    described = text(name)
    assert described.count(old) == 1, f"{old!r} is not once in {name}"
    return described.replace(old, new)


def test_every_board_loads() -> None:
    assert tuple(boards.names()) == ALL
    assert boards.folder() == ROOT / "boards"
    for name in ALL:
        assert boards.load(name).name == name


def test_a_board_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(text("esp32_devkit"), encoding="utf-8")
    assert boards.load(str(own)).name == "mine"
    with pytest.raises(UsageError, match="cannot be read"):
        boards.load(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="take one of esp32_devkit"):
        boards.load("none")
    own.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is no text"):
        boards.load(str(own))


# One breach each of a good description: (board, what is replaced, by what, what is said).
BREACHES = [
    ("esp32_devkit", 'chip = "esp32"', 'chip = "esp33"', "chip: esp33 is not known"),
    ("esp32_devkit", 'chip = "esp32"', 'chip = "esp32"\nchipp = 1', "chipp: no such key"),
    ("esp32_devkit", 'chip = "esp32"', 'name = "x"\nchip = "esp32"', "name: a board is called"),
    ("esp32_devkit", 'chip = "esp32"\n', "", "chip: missing: add it"),
    ("esp32_devkit", 'chip = "esp32"', "chip = ", "Invalid value"),
    ("esp32_devkit", '"xtensawin"', '"x64"', 'arch: x64, but esp32 runs xtensawin'),
    ("esp32_devkit", '"micropython"', '"lua"', "runtime: 'lua' cannot be"),
    ("esp32_devkit", "watchdog_ms = 30000", "watchdog_ms = -1", "watchdog_ms: -1 cannot be"),
    ("esp32_devkit", "watchdog_ms = 30000", 'watchdog_ms = "9"', "watchdog_ms: '9' cannot be"),
    ("esp32_devkit", "10c4:ea60", "10C4-EA60", "usb.ids.0: '10C4-EA60' is not of the form"),
    ("esp32_devkit", "scl = 22", "scl = 21", "buses.i2c0.sda: pin 21 is that of buses.i2c0.scl"),
    ("esp32_devkit", "scl = 22", "scl = 24", "buses.i2c0.scl: pin 24 is none of esp32"),
    ("esp32_devkit", "scl = 22", "scl = 7", "buses.i2c0.scl: pin 7 carries the flash"),
    ("esp32_devkit", "scl = 22", "scl = 39", "buses.i2c0.scl: pin 39 can only read"),
    ("esp32_devkit", "scl = 22", "scl = 1", "buses.i2c0.scl: pin 1 carries the console"),
    ("esp32_devkit", "scl = 22", "scl = 12", "add strapping = [12]"),
    ("esp32_devkit", "scl = 22", 'scl = "D5"', "buses.i2c0.scl: pin \"D5\" is a name"),
    ("esp32_devkit", "scl = 22", "scl = true", "buses.i2c0.scl: True cannot be"),
    ("esp32_devkit", "scl = 22, ", "", "buses.i2c0.scl: missing: add it"),
    ("esp32_devkit", "pin = 36", "pin = 27", "analog.gas.pin: pin 27 is of ADC2, which Wi-Fi"),
    ("esp32_devkit", "pin = 36", "pin = 5", "analog.gas.pin: pin 5 reads no voltage"),
    ("esp32_devkit", "psram = 0", "psram = 4194304", "streams.camera.rx: pin 16 carries this"),
    ("esp32_devkit", "freq = 400000", "freq = 40", "buses.i2c0.freq: 40 cannot be"),
    ("esp32_devkit", "id = 0, scl", "id = 2, scl", "buses.i2c0.id: 2, but esp32 has these"),
    ("esp32_devkit", "id = 0, scl", "scl", "buses.i2c0.id: missing, but esp32 has these"),
    ("esp32_devkit", "id = 1, tx", "id = 2, tx", "links.uart1.id: uart 2 is that of streams."),
    ("esp32_devkit", "id = 1, tx", "id = 0, tx", "links.uart1.id: 0, but esp32 has these to"),
    ("esp32_devkit", '"espnow"', '"lora"', "links.radio.kind: lora is unknown: take one of"),
    ("esp32_devkit", 'kind = "espnow", ', "", "links.radio.kind: missing"),
    ("esp32_devkit", "espnow = true", "espnow = false", "links.radio: needs ESP-NOW"),
    ("esp32_devkit", "wifi = true", "wifi = false", "links.wifi: needs Wi-Fi"),
    ("esp32_devkit", "lamp = {", "ph = {", "outputs.ph: analog.ph has a role of that name"),
    ("esp32_devkit", "lamp = {", "Lamp = {", "outputs.Lamp: 'Lamp' is not of the form"),
    ("esp32_devkit", "size = 0x400000", "size = 0x500000", "flash.size: 0x500000 is no size"),
    ("esp32_devkit", "bootloader = 0x1000", "bootloader = 0", "looks for it at 0x1000: set that"),
    ("esp32_devkit", "offset = 0x10000,", "offset = 0x12000,", "flash.application.offset: 0x12000"),
    ("esp32_devkit", "offset = 0x10000,", "offset = 0x8000,", "flash.application.offset: 0x8000"),
    ("esp32_devkit", "size = 0x1F0000", "size = 0x200000", "flash.filesystem: overlaps the appl"),
    ("esp32_devkit", "offset = 0x200000,", "offset = 0x210000,", "flash.filesystem: ends at 0x41"),
    ("esp32_devkit", "offset = 0x200000,", "offset = 0x1000,", "overlaps the partition table"),
    ("esp32_devkit", "size = 0x200000", "size = 0x1FF001", "flash.filesystem: offset and size"),
    ("esp32_devkit", "[buses]", '[[sensors]]\ndriver = "bh1750"\nlayer = 0\nrole = "i2c9"\n[buses]',
     "sensors.0.role: no bus, analog input or stream is called i2c9"),
    ("esp32_devkit", "[buses]", '[[sensors]]\ndriver = "bh1750"\nlayer = 9\n[buses]',
     "sensors.0.layer: 9 cannot be"),
    ("esp32s3_devkitc", "scl = 9", "scl = 19", "buses.i2c0.scl: pin 19 carries USB"),
    ("esp32s3_devkitc", "scl = 9", "scl = 20", "buses.i2c0.scl: pin 20 carries USB"),
    ("esp32s3_devkitc", "scl = 9", "scl = 32", "buses.i2c0.scl: pin 32 carries the flash"),
    ("esp32s3_devkitc", "scl = 9", "scl = 37", "buses.i2c0.scl: pin 37 carries this board's PS"),
    ("esp32s3_devkitc", "scl = 9", "scl = 23", "buses.i2c0.scl: pin 23 is none of esp32s3"),
    ("esp32s3_devkitc", "scl = 9", "scl = 45", "decides at reset"),
    ("esp32c3_supermini", "scl = 7", "scl = 11", "buses.i2c0.scl: pin 11 carries the flash"),
    ("esp32c3_supermini", "scl = 7", "scl = 18", "buses.i2c0.scl: pin 18 carries USB"),
    ("esp32c3_supermini", "scl = 7", "scl = 22", "buses.i2c0.scl: pin 22 is none of esp32c3"),
    ("esp32c3_supermini", "strapping = [8]", "", "outputs.lamp.pin: pin 8 decides at reset"),
    ("esp32c3_supermini", "strapping = [8]", "strapping = [8, 4]", "does not read GPIO4 at reset"),
    ("qtpy_esp32s3", '"SCL1"', "40", "buses.i2c0.scl: pin 40 is a number: CircuitPython takes"),
    ("qtpy_esp32s3", '"SCL1"', '"IO40"', "buses.i2c0.scl: IO40 is no GPIO that [pins] names"),
    ("qtpy_esp32s3", "NEOPIXEL = 39", "NEOPIXEL = 99", "pins.NEOPIXEL: esp32s3 has no GPIO99"),
    ("qtpy_esp32s3", "A0 = 18", "A0 = 9", "outputs.relay.pin: pin A0 is that of analog.ph.pin"),
    ("qtpy_esp32s3", '{ scl = "SCL1"', '{ id = 0, scl = "SCL1"', "buses.i2c0.id: CircuitPython ch"),
    ("qtpy_esp32s3", 'chip = "esp32s3"', 'chip = "esp32s3"\narch = "xtensawin"', "arch: CircuitPy"),
    ("qemu_arm", 'usb = { kind = "stdio" }', "", "links: a board needs a way to its hub"),
    ("qemu_arm", "[links]", "[links]\nlan = { kind = 'tcp' }", "links.lan: needs Wi-Fi"),
    ("qemu_arm", "[links]", "[analog]\nph = { pin = 4 }\n[links]", "analog.ph.pin: pin 4 is none"),
    ("qemu_arm", "[links]", "[pins]\nA = 4\n[links]", "pins.A: mps2-an385 has no GPIO4"),
    ("vm", "pin = 34", "pin = 49", "analog.ph.pin: pin 49 is none of unix"),
    ("vm", "id = 0, scl", "id = 2, scl", "buses.i2c0.id: 2, but unix has these"),
    ("vm", "[links]", "[flash]\nsize = 1\nbootloader = 0\napplication = {offset = 0, size = 1}\n"
     "filesystem = {offset = 1, size = 1}\n[links]", "flash: unix is not flashed"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "said"), BREACHES)
def test_what_cannot_be_says_where_and_why(name: str, old: str, new: str, said: str) -> None:
    assert said in refused(changed(name, old, new))


def test_flash_is_asked_for_and_findings_are_counted() -> None:
    without = re.sub(r"(?s)\[flash\].*?\n\n", "", text("esp32_devkit"))
    assert "flash: missing: esp32 needs" in refused(without)
    assert refused(changed("esp32_devkit", "scl = 22, sda = 21", "scl = 6, sda = 7")).endswith(
        "(and 1 more)"
    )


@given(name=st.sampled_from(ALL), data=st.data())
def test_any_damage_is_one_line_or_a_board(name: str, data: st.DataObject) -> None:
    lines = text(name).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(
            st.sampled_from(["", *lines, "x = 1", "[x]", "[[links]]", "pins = 3"])
        )
    try:
        board = boards.parse("\n".join(lines), Path("own.toml"))
    except UsageError as error:
        assert str(error).startswith("own.toml: ")
        assert "\n" not in str(error)
    else:
        json.dumps(boards.device_board(board))


def test_no_pin_is_two_things_on_a_chip() -> None:
    """The table itself: what is taken is there, and is taken once."""
    for chip in chips.CHIPS.values():
        taken = [chip.flash, chip.psram, chip.usb, chip.console]
        if chip is not chips.CHIPS["esp32s3"]:
            taken.append(chip.strapping - chip.psram)
        assert sum(map(len, taken)) == len(frozenset[int]().union(*taken))
        assert frozenset[int]().union(*taken, chip.input_only, chip.adc1, chip.adc2) <= chip.pins
    assert set(chips.CHIPS) == set(chips.ARCHS)


def test_bootloaders_are_where_esptool_writes_them() -> None:
    targets = pytest.importorskip("esptool.targets")
    flashed = [name for name, chip in chips.CHIPS.items() if chip.bootloader is not None]
    assert flashed
    for name in flashed:
        assert chips.CHIPS[name].bootloader == targets.CHIP_DEFS[name].BOOTLOADER_FLASH_OFFSET


def test_circuitpythons_names_are_those_of_its_board() -> None:
    """Each name, and the GPIO behind it, as CircuitPython's own stub of the board has them."""
    check_stubs = stubs.load_check()
    try:
        place = Path(check_stubs.fetch())
    except check_stubs.FetchError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the stubs must be there in CI: {error}")
        pytest.skip(str(error))
    stub = place / "cp" / "board_definitions" / check_stubs.CP_BOARD / "__init__.pyi"
    lines = stub.read_text(encoding="utf-8")
    there = dict(re.findall(r"^(\w+): microcontroller.Pin  # GPIO(\d+)$", lines, re.MULTILINE))
    named = boards.load("qtpy_esp32s3").pins
    assert len(named) > 10
    assert {name: int(there[name]) for name in named} == named


# device.json


def plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(each) for key, each in value.items())
    return isinstance(value, str | int)


@pytest.mark.parametrize("name", ALL)
def test_the_device_part_is_small_and_plain(name: str) -> None:
    made = boards.device_board(boards.load(name))
    assert plain(made)
    assert len(json.dumps(made)) < 800
    assert set(made) == {
        "name", "runtime", "buses", "analog", "streams", "outputs", "links", "watchdog_ms"
    }  # fmt: skip
    assert made["links"]["usb"] == {"kind": "stdio"}
    # Nobody said where to: such a link would be of no use.
    assert all(link["kind"] in ("stdio", "uart") for link in made["links"].values())


def test_the_device_part_of_a_board_that_is_set_up() -> None:
    made = boards.device_board(
        boards.load("esp32_devkit"),
        {
            "links": {
                "wifi": {"ssid": "home", "password": "12345678", "host": "192.168.1.2"},
                "radio": {"peer": "AA:BB:CC:DD:EE:FF", "channel": 6},
            },
            "roles": ["i2c0", "relay"],
            "watchdog_ms": 5000,
        },
    )
    assert made == {
        "name": "esp32_devkit",
        "runtime": "micropython",
        "buses": {"i2c0": {"id": 0, "scl": 22, "sda": 21, "freq": 400000}},
        "analog": {},
        "streams": {},
        "outputs": {"relay": {"kind": "digital", "pin": 23}},
        "links": {
            "usb": {"kind": "stdio"},
            "uart1": {"kind": "uart", "id": 1, "tx": 18, "rx": 19, "baud": 115200},
            "wifi": {
                "kind": "tcp",
                "port": 7353,
                "ssid": "home",
                "password": "12345678",
                "host": "192.168.1.2",
            },
            "radio": {"kind": "espnow", "peer": "aabbccddeeff", "channel": 6},
        },
        "watchdog_ms": 5000,
    }


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({"lan": {}}, "esp32_devkit has no link 'lan': take one of usb, uart1, wifi, radio"),
        ({"wifi": {"ssid": "a", "password": ""}}, "link wifi of esp32_devkit needs host"),
        ({"wifi": {"pass": "a"}}, "link wifi has no setting 'pass': it has ssid, password"),
        ({"usb": {"baud": 9600}}, "link usb has no setting 'baud': it has none"),
        ({"wifi": {"ssid": "x" * 33, "password": "", "host": "h"}}, "it has 1..32 bytes"),
        ({"wifi": {"ssid": "x", "password": "short", "host": "h"}}, "8..63 bytes, or none"),
        ({"wifi": {"ssid": "x", "password": "", "host": ""}}, "host of link wifi is empty"),
        ({"wifi": {"ssid": "x", "password": 7, "host": "h"}}, "password 7 of link wifi is no"),
        ({"wifi": {"port": 70000}}, "port 70000 of link wifi cannot be: give 1..65535"),
        ({"radio": {"peer": "aabb"}}, "peer 'aabb' of link radio is no address"),
        ({"radio": {"peer": "xx"}}, "peer 'xx' of link radio is no address"),
    ],
)
def test_wrong_settings_are_told(links: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        boards.device_board(boards.load("esp32_devkit"), {"links": links})
    assert said in str(caught.value)
    assert "short" not in str(caught.value)  # a password is not repeated


def test_a_role_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="qemu_arm has no role 'i2c0': take one of none"):
        boards.device_board(boards.load("qemu_arm"), {"roles": ["i2c0"]})
    with pytest.raises(UsageError, match="vm has no role 'i2c9': take one of i2c0, ph"):
        boards.device_board(boards.load("vm"), {"roles": ["i2c9"]})


def test_a_machine_has_its_hosts_network() -> None:
    made = boards.device_board(boards.load("vm"), {"links": {"tcp": {"host": "127.0.0.1"}}})
    assert made["links"]["tcp"] == {"kind": "tcp", "port": 7353, "host": "127.0.0.1"}


# The command, the wheel, the page


def paebiru(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paebiru.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def test_the_command_lists_and_shows() -> None:
    listed = paebiru("boards")
    assert listed.returncode == 0, listed.stderr
    for name in ALL:
        assert re.search(rf"^{name} ", listed.stdout, re.MULTILINE)
    shown = paebiru("boards", "show", "esp32_devkit")
    assert shown.returncode == 0, shown.stderr
    for use in check.uses(boards.load("esp32_devkit")):
        assert re.search(rf"\b{use.key.split('.')[-1]} {use.pin}\b", shown.stdout)
    wrong = paebiru("boards", "show", "none")
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1


def test_every_board_has_its_column_in_the_status() -> None:
    told = (ROOT / "boards" / "HARDWARE-STATUS.md").read_text(encoding="utf-8")
    for name in ALL:
        assert f"`{name}`" in told


def test_the_wheel_carries_the_boards(tmp_path: Path) -> None:
    build = "import os, sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from paebiru import boards; print(boards.folder(), *boards.names())"
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {code}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, check=True, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "site" / "paebiru" / "_boards"), *ALL]
