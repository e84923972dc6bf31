"""Drivers on the virtual board: the real VM, MicroPython's port, and boards/vm-world.json."""

import json
import shutil
from collections.abc import Iterator

import pytest

from paebiru.vboard import VirtualBoard
from sensor_parts import recorded
from sil import jsil
from targets import ROOT
from vboards import mpremote, run

BOARD = {
    "buses": {"i2c0": {"id": 0, "scl": 22, "sda": 21, "freq": 400000}},
    "analog": {"ph": {"pin": 34}},
}
SENSORS = [
    {"driver": "bme280", "role": "i2c0"},
    {"driver": "bh1750", "role": "i2c0"},
    {"driver": "mpu6050", "role": "i2c0"},
    {"driver": "probe", "role": "ph", "points": [[2032, 4010], [1500, 6860]]},
    {"driver": "replay", "layer": 0, "file": "a.jsil", "inputs": 4, "labelled": True},
]
CODE = """
import json
from paebiru_node.port.mp import Port
from paebiru_node.sensors import make
from sil.compat import ticks_diff
port = Port(%r)
sensors = [make(entry, port) for entry in %r]
found = [[] for _ in sensors]
start = port.ticks_ms()
while min([len(f) for f in found]) < 3 and ticks_diff(port.ticks_ms(), start) < 10000:
    for sensor, readings in zip(sensors, found):
        if len(readings) < 3 and sensor.poll(port.ticks_ms()):
            readings.append([list(sensor.values), sensor.byte(), getattr(sensor, "label", -1)])
print(json.dumps(found))
"""
LIGHT = (
    "import json\nfrom paebiru_node.port.mp import Port\nfrom paebiru_node.sensors import make\n"
)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    folder = tmp_path_factory.mktemp("board")
    lib = folder / "lib"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyi", "*.md", "link", "cp*.py")
    shutil.copytree(ROOT / "shared" / "sil", lib / "sil", ignore=ignored)
    node = ROOT / "firmware" / "paebiru_node"
    for name in ("port", "sensors"):
        shutil.copytree(node / name, lib / "paebiru_node" / name, ignore=ignored)
    for name in ("__init__.py", "coding.py", "errors.py"):
        shutil.copy(node / name, lib / "paebiru_node" / name)
    (folder / "a.jsil").write_bytes(jsil.pack([bytes([k, 9, 9, 9, k + 1]) for k in range(5)]))
    world = ROOT / "boards" / "vm-world.json"
    # A MiB: what a board is given compiled, this one compiles itself.
    with VirtualBoard(folder / "flash", world=world, heap=1 << 20) as virtual:
        mpremote(virtual, "fs", "cp", "-r", str(lib), str(folder / "a.jsil"), ":")
        yield virtual


def test_three_readings_of_each(board: VirtualBoard) -> None:
    found = json.loads(run(board, CODE % (BOARD, SENSORS)))
    air, light, motion, ph, replay = found
    for k, (celsius, percent, pascals) in enumerate(recorded("bme280")["readings"][:3]):
        values = air[k][0]
        assert abs(values[0] - 100 * celsius) <= 1
        assert abs(values[1] - 100 * percent) <= 3
        assert abs(values[2] - pascals / 10) <= 1
    assert [reading[0][0] for reading in light] == recorded("bh1750")["lux"][:3]
    assert [reading[0] for reading in motion] == recorded("mpu6050")["values"][:3]
    conversions = json.loads((ROOT / "boards" / "vm-world.json").read_text())["adc"]["34"]
    for (value, mv), _, _ in ph:  # the port converts once by itself, when the input is made
        assert mv in conversions
        assert abs(value - (6860 - (mv - 1500) * 2850 / 532)) <= 0.5
    assert [(reading[0], reading[2]) for reading in replay] == [
        ([k, 9, 9, 9], k + 1) for k in range(3)
    ]
    assert all(reading[1] for readings in found for reading in readings)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"driver": "bme280", "role": "i2c0", "address": 0x77}, "0x77 on i2c0 does not answer"),
        ({"driver": "tsl2591", "role": "i2c0"}, "0x29 on i2c0 does not answer"),
        ({"driver": "bme281", "role": "i2c0"}, "unknown: take one of analog_gas"),
        ({"driver": "replay", "file": "b.jsil"}, "b.jsil cannot be opened"),
    ],
)
def test_what_is_wrong_is_said(board: VirtualBoard, entry: dict[str, object], words: str) -> None:
    code = f"try:\n make({entry!r}, Port({BOARD!r}))\nexcept ValueError as e:\n print(e)\n"
    assert words in run(board, LIGHT + code)
