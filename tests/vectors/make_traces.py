"""Write tests/firmware/traces: registers of sensors, and what a driver has to make of them.

Run by ``make vectors``.
A trace is as ``host/paebiru/vboard/WORLD.md`` says.  What is expected comes from the data
sheets' worked examples and floating-point formulas, written down here and nowhere else:
nothing of the firmware is used.  ``boards/vm-world.json``, the virtual board's sensors, is made
of the same traces.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests" / "firmware" / "traces"
WORLD = ROOT / "boards" / "vm-world.json"
Trace = list[list[str]]


def solve(f: Callable[[int], float], wanted: float, most: int) -> int:
    """Return the raw value of which monotone `f` is nearest to `wanted`."""
    rising = f(most) > f(0)
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if (f(middle) < wanted) == rising:
            low = middle + 1
        else:
            high = middle
    return low


def bh1750() -> dict:
    counts = [33680, 400, 420, 3, 0]
    return {
        "origin": "ROHM BH1750FVI data sheet rev. D: p. 7, 0x8390 is 28067 lx; lx = count / 1.2",
        "address": 0x23,
        "trace": [["20", f"{count:04x}"] for count in counts],
        "lux": [int(count / 1.2 + 0.5) for count in counts],
        "counts": counts,
    }


# The calibration of the worked example in BMP280's data sheet (BST-BMP280-DS001, 3.12), which
# BME280 shares; those of humidity are of one chip.
T280 = (27504, 26435, -1000)
P280 = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
H280 = (75, 362, 0, 313, 50, 30)


def t_fine(raw: int, t: tuple[int, ...]) -> float:
    one = (raw / 16384 - t[0] / 1024) * t[1]
    return one + (raw / 131072 - t[0] / 8192) ** 2 * t[2]


def p280(raw: int, fine: float, p: tuple[int, ...]) -> float:
    """Return pascals: BST-BME280-DS002, 8.1."""
    v1 = fine / 2 - 64000
    v2 = v1 * v1 * p[5] / 32768 + v1 * p[4] * 2
    v2 = v2 / 4 + p[3] * 65536
    v1 = (p[2] * v1 * v1 / 524288 + p[1] * v1) / 524288
    v1 = (1 + v1 / 32768) * p[0]
    pa = (1048576 - raw - v2 / 4096) * 6250 / v1
    return pa + (p[8] * pa * pa / 2147483648 + pa * p[7] / 32768 + p[6]) / 16


def h280(raw: int, fine: float, h: tuple[int, ...]) -> float:
    """Return percent: BST-BME280-DS002, 8.1."""
    v = fine - 76800
    v = (raw - (h[3] * 64 + h[4] / 16384 * v)) * (
        h[1] / 65536 * (1 + h[5] / 67108864 * v * (1 + h[2] / 67108864 * v))
    )
    return max(0.0, min(100.0, v * (1 - h[0] * v / 524288)))


def bme280() -> dict:
    table = struct.pack("<H2hH8hBB", *T280, *P280, 0, H280[0])
    h4, h5 = H280[3], H280[4]
    table_h = struct.pack(
        "<hBbBbb", H280[1], H280[2], h4 >> 4, h4 & 15 | (h5 & 15) << 4, h5 >> 4, H280[5]
    )
    raws = [(519888, 415148, 30000), (519888, 415148, 20000), (480000, 380000, 36000)]
    raws += [(560000, 440000, 65535), (519888, 415148, 1000)]
    trace = [["d0", "60"], ["88", table.hex()], ["e1", table_h.hex()]]
    readings = []
    for t, p, h in raws:
        data = (p << 4).to_bytes(3, "big") + (t << 4).to_bytes(3, "big") + h.to_bytes(2, "big")
        trace.append(["f7", data.hex()])
        fine = t_fine(t, T280)
        readings.append([fine / 5120, h280(h, fine, H280), p280(p, fine, P280)])
    assert abs(readings[0][0] - 25.08) < 0.005 and abs(readings[0][2] - 100653.27) < 0.01
    return {
        "origin": "BST-BMP280-DS001, 3.12: 519888 and 415148 are 25.08 degrees and 100653.27 Pa; "
        "the others by the formulas of BST-BME280-DS002, 8.1",
        "address": 0x76,
        "trace": trace,
        "readings": readings,
    }


# Printed by a program that read a real chip (github.com/wrclark/bme680, README), beside
# 22.7519 degrees, 99711.8 Pa, 62.3145 %; those of the heater are made up, within their ranges.
T688, P688 = (26203, 26519, 3), (35008, -10284, 88, 9692, -202, 30, 24, -516, -3469, 30)
H688, G688 = (794, 1007, 0, 45, 20, 120, -100), (-37, -11035, 18)
HEAT_RANGE, HEAT_VALUE = 1, 46


def p688(raw: int, fine: float, p: tuple[int, ...]) -> float:
    v1 = fine / 2 - 64000
    v2 = v1 * v1 * p[5] / 131072 + v1 * p[4] * 2
    v2 = v2 / 4 + p[3] * 65536
    v1 = (p[2] * v1 * v1 / 16384 + p[1] * v1) / 524288
    v1 = (1 + v1 / 32768) * p[0]
    pa = (1048576 - raw - v2 / 4096) * 6250 / v1
    parts = p[8] * pa * pa / 2147483648 + pa * p[7] / 32768 + (pa / 256) ** 3 * p[9] / 131072
    return pa + (parts + p[6] * 128) / 16


def h688(raw: int, celsius: float, h: tuple[int, ...]) -> float:
    v = raw - (h[0] * 16 + h[2] / 2 * celsius)
    v *= h[1] / 262144 * (1 + h[3] / 16384 * celsius + h[4] / 1048576 * celsius * celsius)
    return max(0.0, min(100.0, v + (h[5] / 16384 + h[6] / 2097152 * celsius) * v * v))


def heat688(target: int, ambient: int) -> int:
    """Return the heater's register value: BST-BME688-DS000, 3.6.5."""
    v = (G688[0] / 16 + 49) * (1 + (G688[1] / 32768 * 0.0005 + 0.00235) * target)
    v += G688[2] / 1024 * ambient
    return int(3.4 * (v * (4 / (4 + HEAT_RANGE)) * (1 / (1 + HEAT_VALUE * 0.002)) - 25))


def bme688() -> dict:
    one = bytearray(23)
    struct.pack_into("<hb", one, 0, T688[1], T688[2])
    struct.pack_into("<Hhb", one, 4, *P688[:3])
    struct.pack_into("<hhbb", one, 10, P688[3], P688[4], P688[6], P688[5])
    struct.pack_into("<hhB", one, 18, P688[7], P688[8], P688[9])
    low = (H688[1] & 15) << 4 | H688[0] & 15
    two = struct.pack("<BBBbbbBb", H688[1] >> 4, low, H688[0] >> 4, *H688[2:])
    two += struct.pack("<Hhbb", T688[0], G688[1], G688[0], G688[2])
    raw_t = solve(lambda raw: t_fine(raw, (*T688[:2], T688[2] * 16)) / 5120, 22.7519, 1 << 20)
    fine = t_fine(raw_t, (*T688[:2], T688[2] * 16))
    raw_p = solve(lambda raw: p688(raw, fine, P688), 99711.8, 1 << 20)
    raw_h = solve(lambda raw: h688(raw, fine / 5120, H688), 62.3145, 65535)
    trace = [["d0", "61"], ["f0", "01"], ["8a", one.hex()], ["e1", two.hex()]]
    trace += [["02", f"{HEAT_RANGE << 4:02x}"], ["00", f"{HEAT_VALUE:02x}"]]
    readings = []
    for gas, gas_range, flags in ((512, 4, 0x30), (511, 4, 0x10), (700, 8, 0x30), (80, 3, 0x30)):
        data = bytearray(17)
        data[0] = 0x80
        data[2:5] = (raw_p << 4).to_bytes(3, "big")
        data[5:8] = (raw_t << 4).to_bytes(3, "big")
        data[8:10] = raw_h.to_bytes(2, "big")
        data[15] = gas >> 2
        data[16] = (gas & 3) << 6 | flags | gas_range
        trace.append(["1d", data.hex()])
        if flags == 0x30:
            ohms = 1000000 * (262144 >> gas_range) / (4096 + 3 * (gas - 512))
            celsius = fine / 5120
            readings.append([ohms, celsius, h688(raw_h, celsius, H688), p688(raw_p, fine, P688)])
    return {
        "origin": "coefficients and readings of a real chip as its owner printed them "
        "(wrclark/bme680, README); formulas of BST-BME688-DS000, 3.6, in floating point",
        "address": 0x76,
        "trace": trace,
        "readings": readings,
        "heater": heat688(320, 25),
    }


def motion(values: list[list[int]], layout: str, order: list[int]) -> list[str]:
    return [struct.pack(layout, *[row[i] for i in order]).hex() for row in values]


MOVES = [
    [0, 0, 16384, 131, -131, 0],
    [0, 0, 16384, 0, 0, 0],
    [8192, 0, 16384, 0, 0, 262],
    [-32768, 32767, -1, -32768, 32767, 1],
]


def mpu6050() -> dict:
    rows = motion([[*row, 0] for row in MOVES], ">7h", [0, 1, 2, 6, 3, 4, 5])
    return {
        "origin": "RM-MPU-6000A-00: registers; PS-MPU-6000A-00, 6.2: 16384 counts a g at 2 g",
        "address": 0x68,
        "trace": [["75", "68"], *[["3b", row] for row in rows]],
        "values": MOVES,
    }


def lsm6ds() -> dict:
    rows = motion(MOVES, "<6h", [3, 4, 5, 0, 1, 2])
    return {
        "origin": "ST DS12814 (LSM6DSOX): registers, 9; the order of outputs, 9.27",
        "address": 0x6A,
        "trace": [["0f", "6c"], *[["22", row] for row in rows]],
        "values": MOVES,
    }


def crc8(data: bytes) -> int:
    """Return the remainder of data by x^8 + x^5 + x^4 + 1, as a division of polynomials."""
    dividend = int.from_bytes(data, "big") << 8 ^ 0xFF << 8 * len(data)
    for bit in range(8 * len(data) + 7, 7, -1):
        if dividend >> bit & 1:
            dividend ^= 0x131 << bit - 8
    return dividend


def word(value: int) -> str:
    data = value.to_bytes(2, "big")
    return (data + bytes([crc8(data)])).hex()


def sgp40() -> dict:
    assert crc8(b"\xbe\xef") == 0x92 and crc8(b"\x80\x00") == 0xA2 and crc8(b"\x66\x66") == 0x93
    measure = "260f8000a2666693"
    raws = [30000, 29000, 27000, 30500]
    answers = [word(raw) for raw in raws]
    answers.insert(2, answers[2][:4] + "00")  # a wire that flipped bits of the check
    return {
        "origin": "Sensirion SGP40 data sheet 1.2: commands; the CRC of BEEF is 92, of 8000 A2",
        "address": 0x59,
        "trace": [
            ["3682", word(0) + word(0x1234) + word(0xABCD)],
            ["280e", word(0xD400)],
            *[[measure, answer] for answer in answers],
        ],
        "values": raws,
        "serial": "00001234abcd",
    }


def tsl2591() -> dict:
    gains, rows = (1, 25, 428), [(36863, 9000, 1), (5000, 1000, 0), (80, 20, 0), (4000, 2400, 1)]
    readings = []
    for light, infrared, gain in rows[1:2] + rows[3:]:
        lux = (light - infrared) ** 2 / light * 408 / (100 * gains[gain])
        readings.append([lux, infrared / light])
    return {
        "origin": "ams TSL2591 data sheet: registers, gains 1, 25, 428; lux as ams's notes for "
        "the family: (C0 - C1)^2 / C0 * 408 / (ms * gain).  Full at gain 25, then low at gain 1",
        "address": 0x29,
        "trace": [["b2", "50"], *[["b4", struct.pack("<HH", *row[:2]).hex()] for row in rows]],
        "readings": readings,
    }


def world(chips: dict[str, dict]) -> dict:
    """Return a greenhouse on a board's first I2C bus, and a pH probe on pin 34."""
    bus = {
        f"0x{chips[name]['address']:02x}": {"chip": name, "trace": chips[name]["trace"]}
        for name in ("bme280", "bh1750", "mpu6050")
    }
    return {"i2c": {"0": bus}, "adc": {"34": [1500, 1504, 1510, 1521, 1540, 1528, 1512, 1503]}}


def text(value: dict) -> str:
    """Return JSON with one pair of a trace a line."""
    lines = []
    for key, part in value.items():
        if isinstance(part, list):
            rows = ",\n  ".join(json.dumps(row) for row in part)
            lines.append(f' "{key}": [\n  {rows}\n ]')
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(part)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    makers = (bh1750, bme280, bme688, lsm6ds, mpu6050, sgp40, tsl2591)
    chips = {maker.__name__: maker() for maker in makers}
    for name, chip in chips.items():
        (HERE / f"{name}.json").write_text(text(chip))
    WORLD.parent.mkdir(exist_ok=True)
    WORLD.write_text(json.dumps(world(chips), indent=1) + "\n")


if __name__ == "__main__":
    main()
