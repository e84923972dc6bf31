"""Drivers make of recorded registers what the data sheets say, and say what is wrong with a chip.

Traces and expectations: tests/firmware/traces, written from data sheets by make_traces.py.
"""

import unittest

from paebiru_node.errors import SensorError
from paebiru_node.sensors import DRIVERS, make
from paebiru_node.sensors.bme688 import heat_time
from paebiru_node.sensors.sgp40 import crc8
from sensor_parts import Bus, Port, readings, recorded

CHIPS = ("bh1750", "bme280", "bme688", "lsm6ds", "mpu6050", "sgp40", "tsl2591")


def near(found, wanted, most):
    if not wanted - most <= found <= wanted + most:
        raise AssertionError("%r is not within %r of %r" % (found, most, wanted))


def bus_of(driver, **more):
    about = recorded(driver)
    return about, Bus({about["address"]: about["trace"]})


def sensor_on(bus, driver, **more):
    entry = {"driver": driver, "role": "i2c0", "address": recorded(driver)["address"]}
    entry.update(more)
    return make(entry, Port(buses={"i2c0": bus}))


def rho(code):
    return (code >> 4) - 8


class Readings(unittest.TestCase):
    def test_bh1750(self):
        about, bus = bus_of("bh1750")
        sensor = sensor_on(bus, "bh1750")
        found = readings(sensor, 5, 200)
        self.assertEqual([values[0] for values, _ in found], about["lux"])
        self.assertEqual(found[0][0][0], 28067)  # the data sheet's own
        near(found[1][0][1], 8851, 2)  # 1024 log2 400
        self.assertEqual([rho(code) for _, code in found], [4, 0, 0, -5, -8])
        # Darker, by far; a twelfth brighter; darker; dark.
        self.assertEqual([code & 15 for _, code in found], [0, 12, 0, 12, 12])

    def test_bme280(self):
        about, bus = bus_of("bme280")
        sensor = sensor_on(bus, "bme280")
        for k, (values, _) in enumerate(readings(sensor, 5, 20)):
            celsius, percent, pascals = about["readings"][k]
            near(values[0], 100 * celsius, 1)
            near(values[1], 100 * percent, 3)
            near(values[2], pascals / 10, 0.6)
        found = readings(sensor_on(bus_of("bme280")[1], "bme280"), 4, 20)
        self.assertEqual(found[0][0][::2], [2508, 10065])
        self.assertEqual(found[0][1], 0x70)  # 5 above 20 degrees, of 10: ln 0.5; no trend yet
        self.assertEqual(found[2][1], 0x8B)  # 7 below, and falling: 8, turned towards 12 by three
        by_pressure = readings(sensor_on(bus_of("bme280")[1], "bme280", of=1), 3, 20)
        # 672 Pa below 1013.25 hPa, and then 3357 above it and rising, each of 1000.
        self.assertEqual([code for _, code in by_pressure], [0x88, 0x88, 0x93])

    def test_bme688(self):
        about, bus = bus_of("bme688")
        sensor = sensor_on(bus, "bme688")
        found = readings(sensor, 3, 1000)
        self.assertEqual(sensor.skipped, 1)  # a heater that was not stable
        for k in range(3):
            ohms, celsius, percent, pascals = about["readings"][k]
            values = found[k][0]
            near(values[1], ohms / 100, ohms / 20000)
            near(values[2], 100 * celsius, 1)
            near(values[3], 100 * percent, 10)
            near(values[4], pascals / 10, 0.6)
        self.assertEqual(found[0][0][0], 22458)  # 1024 log2 4000000
        # 4 megohms are 40 times clean air's: ln 40 is 3.7.  Less is gas, and coming.
        self.assertEqual([code for _, code in found], [(8 - 4) << 4, 8 - 1 << 4 | 4, 3 << 4 | 12])
        near(bus.writes[0][1], about["heater"], 1)  # whole steps, where the float truncates
        self.assertIn(bytes([0x64, 0x59]), bus.writes)  # 100 ms: 25 times 4
        self.assertEqual([heat_time(ms) for ms in (1, 63, 64, 4032)], [1, 63, 0x50, 0xFF])

    def motion(self, driver):
        about, bus = bus_of(driver)
        sensor = sensor_on(bus, driver)
        found = readings(sensor, 4, 10)
        self.assertEqual([values for values, _ in found], about["values"])
        self.assertEqual(found[0][1], 0x10)  # gravity alone: no motion
        # Half a g along x: four times an eighth, ln 4 is 1.4; along x.
        self.assertEqual(found[2][1], 0x90)
        # To the other rail in x and y: 3.5 g, ln 28 is 3.3; backwards and left.
        self.assertEqual(found[3][1], 0xB6)
        return bus

    def test_mpu6050(self):
        bus = self.motion("mpu6050")
        self.assertEqual(bus.writes[0], b"\x6b\x01")  # awake before anything else

    def test_lsm6ds(self):
        self.motion("lsm6ds")
        for who in (b"69", b"6a", b"6b"):
            sensor_on(Bus({0x6A: [["0f", who.decode()]]}), "lsm6ds")

    def test_ranges(self):
        for driver, wanted in (("mpu6050", b"\x1c\x10"), ("lsm6ds", b"\x10\x4c")):
            bus = bus_of(driver)[1]
            sensor = sensor_on(bus, driver, range_g=8, range_dps=1000)
            self.assertIn(wanted, bus.writes)
            readings(sensor, 2, 10)
            # A g has a quarter of the counts: the same counts are four times as much.
            self.assertEqual(readings(sensor, 1, 10)[0][1], 0xB0)

    def test_sgp40(self):
        about, bus = bus_of("sgp40")
        sensor = sensor_on(bus, "sgp40")
        self.assertEqual("".join(["%02x" % b for b in sensor.serial]), about["serial"])
        found = readings(sensor, 4, 1000)
        self.assertEqual([values[0] for values, _ in found], about["values"])
        self.assertEqual(sensor.skipped, 1)  # a wrong CRC
        # 0, 1000, 3000 below clean air, then above it.
        self.assertEqual([code for _, code in found], [0x10, 0x84, 0x94, 0x0C])
        self.assertEqual(crc8(b"\xbe\xef", 0, 2), 0x92)

    def test_tsl2591(self):
        about, bus = bus_of("tsl2591")
        sensor = sensor_on(bus, "tsl2591")
        found = readings(sensor, 2, 200)
        for k in range(2):
            lux, share = about["readings"][k]
            near(found[k][0][0], lux, 0.6)
            near(found[k][0][1], 1000 * share, 1)
            self.assertEqual(found[k][1] & 15, int(16 * share))
        self.assertEqual(rho(found[0][1]), 3)  # 13056 lx of 400
        gains = [write[1] for write in bus.writes if write[0] == 0xA1]
        self.assertEqual(gains, [0x10, 0x00, 0x10])  # it was too bright, then too dark


class Turns(unittest.TestCase):
    def test_a_conversion_is_not_fetched_before_its_time(self):
        bus = bus_of("bh1750")[1]
        sensor = sensor_on(bus, "bh1750")
        start = (1 << 29) - 100  # the clock turns over on the way
        polls = [sensor.poll((start + ms) % (1 << 29)) for ms in range(0, 401, 20)]
        self.assertEqual([20 * k for k in range(21) if polls[k]], [180, 380])

    def test_a_longer_period_is_kept(self):
        sensor = sensor_on(bus_of("mpu6050")[1], "mpu6050", period=500)
        polls = [sensor.poll(ms) for ms in range(0, 1001, 50)]
        self.assertEqual([50 * k for k in range(21) if polls[k]], [0, 500, 1000])

    def test_the_byte_is_null_before_the_first_reading(self):
        for driver in CHIPS:
            sensor = sensor_on(bus_of(driver)[1], driver)
            self.assertEqual(sensor.byte(), 0)
            readings(sensor, 1)
            self.assertTrue(sensor.byte() != 0)


class Faults(unittest.TestCase):
    def refused(self, driver, bus, *words):
        with self.assertRaises(SensorError) as caught:
            sensor = sensor_on(bus, driver)
            for now in range(0, 5000, 500):
                sensor.poll(now)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_a_chip_that_is_not_there(self):
        for driver in CHIPS:
            address = "0x%02x on i2c0 does not answer" % recorded(driver)["address"]
            self.refused(driver, Bus({}), driver, address, "wiring")

    def test_another_chip(self):
        for driver, register, found, words in (
            ("bme280", "d0", "58", ("chip id 0x58 is a BMP280", "0x60", "address")),
            ("bme280", "d0", "61", ("BME680 or BME688",)),
            ("bme280", "d0", "ff", ("chip id 0xff, not 0x60",)),
            ("bme688", "d0", "60", ("BME280", "0x61")),
            ("mpu6050", "75", "71", ("MPU-9250", "0x68")),
            ("lsm6ds", "0f", "70", ("LSM6DSV", "0x69 or 0x6a or 0x6b or 0x6c")),
            ("tsl2591", "b2", "44", ("TCS34725", "0x50")),
        ):
            address = recorded(driver)["address"]
            self.refused(driver, Bus({address: [[register, found]]}), *words)
        self.refused("bme688", Bus({0x76: [["d0", "61"], ["f0", "00"]]}), "BME680", "variant")

    def test_an_sgp40_that_is_none_or_broken(self):
        trace = recorded("sgp40")["trace"]
        self.refused("sgp40", Bus({0x59: [["3682", "000000123400abcd00"]] + trace[1:]}), "serial")
        broken = [trace[0], ["280e", "4b00%02x" % crc8(b"\x4b\x00", 0, 2)]]
        self.refused("sgp40", Bus({0x59: broken}), "self-test", "4b00")

    def test_a_transfer_that_fails_anywhere_is_an_error_and_then_it_goes_on(self):
        """One missing acknowledgement, at each place: OSError once, then readings again."""
        for driver in CHIPS:
            for at in range(1, 24):
                bus = bus_of(driver)[1]
                sensor = sensor_on(bus, driver)
                bus.fail = at
                failed = 0
                good = 0
                for now in range(0, 12000, 250):
                    try:
                        good += sensor.poll(now)
                    except OSError:
                        failed += 1
                # Between two readings in one poll, a failure is left for the next poll to find.
                self.assertTrue(failed <= 1)
                self.assertTrue(good >= 4, "%s, transfer %d: %d" % (driver, at, good))

    def test_a_chip_that_is_unplugged_and_comes_back_is_set_up_anew(self):
        for driver in CHIPS:
            bus = bus_of(driver)[1]
            sensor = sensor_on(bus, driver)
            readings(sensor, 1)
            bus.dead = True
            failed = 0
            for now in range(20000, 23000, 500):
                try:
                    sensor.poll(now)
                except OSError:
                    failed += 1
            self.assertEqual(failed, 6)
            bus.dead = False
            before = len(bus.writes)
            readings(sensor, 1, 500, 25000)
            self.assertTrue(len(bus.writes) > before, driver)

    def test_a_chip_that_lost_its_power_is_woken(self):
        for driver, key in (("mpu6050", "3b"), ("lsm6ds", "22")):
            about = recorded(driver)
            identity = about["trace"][0]
            bus = Bus({about["address"]: [identity, [key, "00" * 14], about["trace"][2]]})
            sensor = sensor_on(bus, driver)
            before = len(bus.writes)
            self.assertFalse(sensor.poll(0))
            self.assertEqual(sensor.skipped, 1)
            self.assertTrue(sensor.poll(10))
            self.assertTrue(len(bus.writes) > before)

    def test_a_conversion_that_did_not_take_place_is_no_reading(self):
        about = recorded("bme280")
        trace = about["trace"][:3] + [["f7", "8000008000008000"]] + about["trace"][3:4]
        sensor = sensor_on(Bus({0x76: trace}), "bme280")
        readings(sensor, 1)
        self.assertEqual(sensor.skipped, 1)

    def test_coefficients_of_a_chip_that_was_still_starting_are_read_again(self):
        for driver, table in (("bme280", "88"), ("bme688", "8a")):
            about = recorded(driver)
            trace = [[table, "00" * 26]] + about["trace"]
            sensor = sensor_on(Bus({about["address"]: trace}), driver)
            self.assertTrue(readings(sensor, 1)[0][0] != [0] * sensor.channels)
            self.assertTrue(sensor.skipped >= 1)


class Registry(unittest.TestCase):
    def refused(self, entry, port, *words):
        with self.assertRaises(SensorError) as caught:
            make(entry, port)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_an_unknown_driver(self):
        self.refused({"driver": "bme281"}, Port(), "bme281", "bme280", "replay", "take one")
        self.refused({"layer": 0}, Port(), "None", "bme280")

    def test_options(self):
        port = Port(buses={"a": bus_of("bme280")[1]})
        base = {"driver": "bme280", "role": "a"}
        for more, word in (
            ({"adress": 3}, "adress is unknown"),
            ({"address": 3}, "address must be"),
            ({"address": "0x76"}, "address must be"),
            ({"layer": 5}, "layer must be"),
            ({"layer": True}, "layer must be"),
            ({"period": 1}, "period must be"),
            ({"of": 2}, "of must be one of 0, 1"),
            ({"role": ""}, "name its role"),
        ):
            entry = dict(base)
            entry.update(more)
            self.refused(entry, port, "bme280", word)

    def test_every_driver_is_there_and_says_what_it_is(self):
        for driver in DRIVERS:
            module = __import__("paebiru_node.sensors." + driver, None, None, ("Driver",))
            self.assertIn(module.Driver.PART, ("bus", "analog", "stream", "port"))

    def test_a_sensor_may_serve_another_layer(self):
        port = Port(buses={"a": bus_of("mpu6050")[1]})
        sensor = make({"driver": "mpu6050", "role": "a", "layer": 1}, port)
        self.assertEqual((sensor.layer, sensor.channels, len(sensor.values)), (1, 6, 6))


if __name__ == "__main__":
    unittest.main()
