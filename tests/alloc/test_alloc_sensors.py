"""Drivers poll, judge and recover with the heap locked, at the largest values of their chips."""

import unittest

from locked import locked
from paebiru_node.sensors import make, scale
from paebiru_node.sensors.sgp40 import crc8
from sensor_parts import File, Port, StillBus, recorded
from sil import jsil


class StillAnalog:
    def __init__(self):
        self.value = 0

    def millivolts(self):
        self.value = (self.value + 700) % 5000
        return self.value


class Noise:
    """A stream that is always ready and never quiet."""

    def __init__(self):
        self.state = 1

    def readinto(self, buf):
        i = 0
        while i < len(buf):
            self.state = (self.state * 75 + 74) % 65537
            buf[i] = self.state & 0xFF
            i += 1
        return i


def still(driver, *changes):
    """Return a bus with the first answers of the driver's trace in its registers."""
    registers = {}
    for written, read in recorded(driver)["trace"]:
        if len(written) == 2 and int(written, 16) not in registers:
            registers[int(written, 16)] = bytes.fromhex(read)
    for at, data in changes:
        registers[at] = data
    return StillBus(registers)


class Polls(unittest.TestCase):
    def poll(self, sensor, wanted=3, step=1000):
        """Poll with the heap locked, past a failure that has everything set up again."""
        sensor.poll(0)
        good = 0
        k = 1
        with locked():
            while k < 20:
                if k == 8:
                    sensor._lost = True
                if sensor.poll(k * step):
                    good += 1
                    sensor.byte()
                k += 1
        self.assertTrue(good >= wanted, sensor.name)
        self.assertTrue(sensor.byte() != 0)

    def chip(self, driver, *changes):
        bus = still(driver, *changes)
        bus.answer = bytearray(b"\xff\xff\xac" * 3)  # what `receive` gives, with its CRC
        entry = {"driver": driver, "role": "a", "address": recorded(driver)["address"]}
        self.poll(make(entry, Port(buses={"a": bus})))

    def test_light(self):
        self.chip("bh1750")
        self.chip("tsl2591")
        self.chip("tsl2591", (0xB4, b"\xff\x8f\x00\x00"))

    def test_air(self):
        self.chip("bme280")
        self.chip("bme280", (0xF7, b"\x20\x00\x00\xbf\xff\xf0\xff\xff"))
        self.chip("bme688")
        gas = bytearray.fromhex(recorded("bme688")["trace"][6][1])
        gas[15:17] = b"\x00\x30"  # the greatest resistance
        self.chip("bme688", (0x1D, gas))

    def test_gas(self):
        self.assertEqual(crc8(b"\xff\xff", 0, 2), 0xAC)
        bus = StillBus({})
        bus.answer = bytearray(b"\xff\xff\xac" * 3)
        sensor = make({"driver": "sgp40", "role": "a"}, Port(buses={"a": bus}))
        sensor._tested = True  # a bus that stands still cannot answer the self-test too
        sensor.poll(0)
        good = 0
        k = 1
        with locked():
            sensor._setup()
            sensor._tested = True
            while k < 9:
                if sensor.poll(k * 1000):
                    good += 1
                k += 1
        self.assertTrue(good >= 3)

    def test_motion(self):
        rails = b"\x80\x00\x7f\xff" * 4
        self.chip("mpu6050", (0x3B, rails))
        self.chip("lsm6ds", (0x22, b"\x00\x80\xff\x7f" * 3))

    def test_analog(self):
        port = Port(analogs={"a": StillAnalog()})
        points = [[0, -200000], [5000, 200000]]
        entry = {"driver": "probe", "role": "a", "points": points, "limits": [-400000, 400000]}
        self.poll(make(entry, port))
        self.poll(make({"driver": "analog_gas", "role": "a", "load": 1000000}, port))

    def test_streams(self):
        port = Port(streams={"a": Noise()})
        self.poll(make({"driver": "microphone", "role": "a", "window": 256}, port))
        self.poll(make({"driver": "camera", "role": "a", "width": 19, "height": 11}, port))

    def test_replay(self):
        frames = [bytes([k * i & 255 for i in range(65)]) for k in range(7)]
        for mode in range(5):
            data = jsil.pack(frames, mode, 3)
            entry = {"driver": "replay", "file": "r", "inputs": 64, "labelled": True}
            self.poll(make(entry, Port(files={"r": data})), 18)
        self.assertEqual(File(data).seek(0), 0)


class Scales(unittest.TestCase):
    def test_the_largest_values(self):
        most = (1 << 30) - 1
        scale.prepare()
        with locked():
            a = scale.strength(most, 1)
            b = scale.strength(1, most)
            c = scale.direction((1 << 28) - 1, -(1 << 28) + 1)
            d = scale.mulshift(most, 1 << 18, 18)
            e = scale.mulshift(-most, 65535, 16)
            f = scale.ratio(most, (1 << 28) - 1, 1)
            g = scale.ratio(1 << 29, 3, (1 << 28) - 1)
            h = scale.code(scale.trend(-most, 1 << 25), 20)
        self.assertEqual((a, b, c, d), (7, -8, 14, most))
        self.assertEqual((e, f, g), (-1073725440, (1 << 29) - 1, 6))
        self.assertTrue(h != 0)


if __name__ == "__main__":
    unittest.main()
