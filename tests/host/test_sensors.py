"""Drivers against formulas in floating point, over all that their chips can say."""

import json
import math
import random
from array import array
from pathlib import Path
from typing import Any

import make_traces as sheet
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checked import Checked, checked
from paebiru.vboard.silicon.traces import Trace, TraceBus
from paebiru_node.sensors import bme280, bme688, bosch, make, scale
from sensor_parts import Bus, Port, Stream, readings, recorded
from sil import bytesil
from sil.kernels import bands, image
from targets import ROOT

MOST = (1 << 30) - 1


@given(st.integers(1, MOST), st.integers(1, MOST))
def test_strength_is_the_rounded_logarithm(value: int, one: int) -> None:
    exact = math.log(value / one)
    found = scale.strength(value, one)
    assert -8 <= found <= 7
    if -8.5 < exact < 7.5:
        assert abs(found - exact) <= 0.502


@given(st.integers(0, MOST), st.integers(0, MOST), st.integers(1, MOST))
def test_strength_is_monotone(a: int, b: int, one: int) -> None:
    assert scale.strength(min(a, b), one) <= scale.strength(max(a, b), one)
    assert scale.strength(one, one) == 0


@given(st.integers(-8, 7), st.integers(-16, 31))
def test_a_code_is_never_null(rho: int, theta: int) -> None:
    code = scale.code(rho, theta)
    assert code != bytesil.NULL
    assert bytesil.phase(code) == theta % 16
    assert bytesil.rho(code) == rho or (rho == -8 and theta % 16 == 0)


@given(st.integers(-(1 << 28) + 1, (1 << 28) - 1), st.integers(-(1 << 28) + 1, (1 << 28) - 1))
def test_direction_is_the_nearest_sixteenth(x: int, y: int) -> None:
    assume(x or y)
    turn = math.atan2(y, x) / (2 * math.pi) * 16
    apart = (scale.direction(x, y) - turn + 8) % 16 - 8
    assert abs(apart) <= 0.501


@given(st.integers(-100000, 100000), st.integers(1, 1000))
def test_trend_doubles(change: int, step: int) -> None:
    turns = (scale.trend(change, step) ^ 8) - 8
    assert turns == 0 or (turns > 0) == (change > 0)
    size = 0 if abs(change) < step else math.floor(math.log2(abs(change) / step)) + 1
    assert abs(turns) == min(size, 4)


@given(st.integers(-MOST, MOST), st.integers(-(1 << 18), 1 << 18), st.integers(0, 30))
def test_mulshift_is_exact(a: int, b: int, shift: int) -> None:
    assume(abs(a * b >> shift) < 1 << 30)
    assert scale.mulshift(a, b, shift) == a * b >> shift


@given(st.integers(0, MOST), st.integers(0, (1 << 28) - 1), st.integers(1, (1 << 28) - 1))
def test_ratio_is_exact(a: int, b: int, c: int) -> None:
    exact = (2 * a * b + c) // (2 * c)
    if exact < 1 << 28:
        assert scale.ratio(a, b, c) == exact
    else:
        assert scale.ratio(a, b, c) >= 1 << 28


def pressure_of(p: list[int]) -> bosch.Pressure:
    return bosch.Pressure(array("i", p))


@given(
    st.integers(-4000, 8500), st.integers(30000, 110000), st.integers(0, 10000),
    st.sampled_from([(0, 0, 0), (150, -80, 300), (-400, 60, -200)]),
)  # fmt: skip
def test_bme280_over_its_whole_range(
    centi: int, pascals: int, percent: int, spread: tuple[int, int, int]
) -> None:
    """-40..85 degrees, 300..1100 hPa: within 0.01 degrees, 1 Pa and 0.02 % of the formula."""
    t = (sheet.T280[0] + spread[0], sheet.T280[1] + spread[1], sheet.T280[2])
    p = (sheet.P280[0] + spread[2], *sheet.P280[1:])
    raw_t = sheet.solve(lambda raw: sheet.t_fine(raw, t) / 5120, centi / 100, 1 << 20)
    exact = sheet.t_fine(raw_t, t)
    fine = bosch.fine(raw_t, *t)
    assert abs(bosch.centidegrees(fine) - 100 * exact / 5120) <= 1
    raw_p = sheet.solve(lambda raw: sheet.p280(raw, exact, p), pascals, (1 << 20) - 1)
    assume(0 < raw_p < (1 << 20) - 1)
    table = [*p[:5], 4 * p[5], *p[6:], 0]
    assert abs(pressure_of(table).eighths(raw_p, fine) / 8 - sheet.p280(raw_p, exact, p)) < 1
    raw_h = sheet.solve(lambda raw: sheet.h280(raw, exact, sheet.H280), percent / 100, 65535)
    found = bme280.humidity(raw_h, fine, array("i", sheet.H280)) / 1024
    assert abs(found - sheet.h280(raw_h, exact, sheet.H280)) < 0.02


def test_bme280_of_the_data_sheet() -> None:
    """519888, 415148: t_fine 128422, 25.08 degrees, 100653.27 Pa."""
    fine = bosch.fine(519888, *sheet.T280)
    assert fine == 128422
    assert bosch.centidegrees(fine) == 2508
    p = [*sheet.P280[:5], 4 * sheet.P280[5], *sheet.P280[6:], 0]
    assert abs(pressure_of(p).eighths(415148, fine) / 8 - 100653.27) < 0.5


@given(st.integers(-4000, 8500), st.integers(30000, 110000), st.integers(0, 10000))
def test_bme688_over_its_whole_range(centi: int, pascals: int, percent: int) -> None:
    t = (*sheet.T688[:2], 16 * sheet.T688[2])
    raw_t = sheet.solve(lambda raw: sheet.t_fine(raw, t) / 5120, centi / 100, 1 << 20)
    exact = sheet.t_fine(raw_t, t)
    fine = bosch.fine(raw_t, *t)
    assert abs(bosch.centidegrees(fine) - 100 * exact / 5120) <= 1
    p = sheet.P688
    raw_p = sheet.solve(lambda raw: sheet.p688(raw, exact, p), pascals, (1 << 20) - 1)
    assume(0 < raw_p < (1 << 20) - 1)
    table = [*p[:2], 32 * p[2], *p[3:6], 128 * p[6], *p[7:]]
    assert abs(pressure_of(table).eighths(raw_p, fine) / 8 - sheet.p688(raw_p, exact, p)) < 1
    raw_h = sheet.solve(lambda raw: sheet.h688(raw, exact / 5120, sheet.H688), percent / 100, 65535)
    found = bme688.humidity(raw_h, bosch.centidegrees(fine), array("i", sheet.H688))
    assert abs(found / 100 - sheet.h688(raw_h, exact / 5120, sheet.H688)) < 0.15


@given(st.integers(0, 1023), st.integers(0, 15), st.integers(200, 400), st.integers(-20, 60))
def test_bme688_gas_and_heater(raw: int, gas_range: int, target: int, ambient: int) -> None:
    exact = 1000000 * (262144 >> gas_range) / (4096 + 3 * (raw - 512))
    assert abs(bme688.gas_resistance(raw, gas_range) - exact) <= 0.5
    g = array("i", [*sheet.G688, sheet.HEAT_RANGE, sheet.HEAT_VALUE])
    assert abs(bme688.heat_resistance(target, ambient, g) - sheet.heat688(target, ambient)) <= 1


def test_the_coefficients_are_where_bosch_has_them() -> None:
    trace = dict(recorded("bme688")["trace"])
    t, p, h, g = (array("i", [0] * n) for n in (3, 10, 7, 5))
    one, two = bytearray.fromhex(trace["8a"]), bytearray.fromhex(trace["e1"])
    bme688.coefficients(one, two, t, p, h, g)
    assert tuple(t) == (*sheet.T688[:2], 16 * sheet.T688[2])
    assert tuple(h) == sheet.H688
    assert tuple(g[:3]) == sheet.G688
    q = sheet.P688
    assert tuple(p) == (*q[:2], 32 * q[2], *q[3:6], 128 * q[6], *q[7:])


def octaves(samples: np.ndarray[Any, Any], rate: int = 16000) -> list[int]:
    data = samples.astype("<i2").tobytes()
    entry = {"driver": "microphone", "role": "a", "window": 4096}
    sensor = make(entry, Port(streams={"a": Stream(data)}))
    values: list[int] = readings(sensor, 2)[1][0]
    return values


@pytest.mark.parametrize("octave", range(2, 8))
def test_a_tone_is_loudest_in_its_octave(octave: int) -> None:
    """At the middle of each octave: most of the power, and 20 dB to all but neighbours."""
    n = np.arange(8192)
    middle = 0.75 * 16000 / 2 ** (8 - octave)
    cycles = round(middle * 8192 / 16000)  # whole, so that the recording can be repeated
    found = octaves(np.round(10000 * np.sin(2 * np.pi * cycles * n / 8192)))
    power = [v * v for v in found]
    assert max(range(8), key=power.__getitem__) == octave
    for other in range(8):
        if abs(other - octave) > 1:
            assert power[other] < power[octave] / 100
    assert 0.6 < sum(power) / (10000**2 / 2) < 1.2


def test_noise_has_the_power_that_the_spectrum_has() -> None:
    """White noise: each octave within a third of what numpy's FFT finds between its limits."""
    rng = np.random.default_rng(3)
    samples = np.round(rng.normal(0, 4000, 8192))
    spectrum = np.abs(np.fft.rfft(samples)) ** 2 / 8192**2 * 2
    found = octaves(samples)
    for octave in range(3, 8):
        low, high = (int(8192 / 2 ** (9 - octave - k)) for k in (0, 1))
        wanted = math.sqrt(spectrum[low:high].sum())
        assert abs(found[octave] - wanted) < wanted / 3


def test_sound_kernels_stay_within_31_bits() -> None:
    rng = random.Random(1)
    for samples in (
        [-32768] * 256, [32767] * 256, [-32768, 32767] * 128, [-32768] * 6 + [32767] * 250,
        [rng.choice((-32768, 32767)) for _ in range(256)],
    ):  # fmt: skip
        energy, out = array("i", [0] * 16), array("i", [0] * 8)
        past = array("h", [samples[0]] * 80)
        for _ in range(16):  # the longest window
            a, b, n = array("h", [0] * 10 + samples), array("h", [0] * 138), 256
            for band in range(8):
                n = checked(bands.split)(a, n, b, past, 10 * band, energy, band)
                a, b = b, a
        Checked.peak = 0
        checked(bands.levels)(energy, 8, 4096, out)
        assert max(out) <= 32767
    data = bytes([0, 128, 255, 127])
    assert checked(bands.gather)(data, 0, 2, array("h", [0] * 3), 1) == 3


def test_picture_kernels_stay_within_31_bits() -> None:
    width, height = 1024, 1024
    sums = array("i", [255 * (128 * 128 - 1)] * 64)
    assert checked(image.add)(b"\xff" * 64, 0, 64, width, height, width * height - 64, sums)
    out = bytearray(64)
    checked(image.means)(sums, width, height, 255, out)
    rng = random.Random(2)
    for _ in range(50):
        picture = bytes(rng.choices((0, 255, 128), k=64))
        assert 0 <= checked(image.brightens)(picture, array("i", [0] * 16)) < 16


class PlayedBus:
    """The port's bus over the virtual board's player, as `paebiru_node.port.mp` has it."""

    def __init__(self, described: dict[int, Any]) -> None:
        self._bus = TraceBus({at: Trace(chip) for at, chip in described.items()})

    def read(self, address: int, register: int, buf: bytearray) -> None:
        self._bus.readfrom_mem_into(address, register, buf)

    def receive(self, address: int, buf: bytearray) -> None:
        self._bus.readfrom_into(address, buf)

    def write(self, address: int, data: bytes) -> None:
        self._bus.writeto(address, data)


@pytest.mark.parametrize(
    "driver", ["bh1750", "bme280", "bme688", "lsm6ds", "mpu6050", "sgp40", "tsl2591"]
)
def test_the_virtual_boards_player_gives_the_same(driver: str) -> None:
    about = recorded(driver)
    entry = {"driver": driver, "role": "a", "address": about["address"]}
    buses = (PlayedBus({about["address"]: about["trace"]}), Bus({about["address"]: about["trace"]}))
    found = [readings(make(entry, Port(buses={"a": bus})), 4) for bus in buses]
    assert found[0] == found[1]


def test_traces_and_world_are_those_of_the_data_sheets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """make_traces.py, run again, writes what is committed."""
    monkeypatch.setattr(sheet, "HERE", tmp_path)
    monkeypatch.setattr(sheet, "WORLD", tmp_path / "world" / "vm-world.json")
    sheet.main()
    written = sorted(tmp_path.glob("*.json"))
    assert len(written) == 7
    for path in written:
        committed = ROOT / "tests" / "firmware" / "traces" / path.name
        assert path.read_text() == committed.read_text(), path.name
    world = ROOT / "boards" / "vm-world.json"
    assert (tmp_path / "world" / "vm-world.json").read_text() == world.read_text()


def test_the_world_has_a_greenhouse() -> None:
    world = json.loads((ROOT / "boards" / "vm-world.json").read_text())
    bus = PlayedBus({int(at, 0): chip["trace"] for at, chip in world["i2c"]["0"].items()})
    port = Port(buses={"i2c0": bus})
    for driver in ("bme280", "bh1750", "mpu6050"):
        entry = {"driver": driver, "role": "i2c0"}
        assert len(readings(make(entry, port), 3)) == 3
    assert all(0 < mv < 3300 for mv in world["adc"]["34"])
