"""Probes and resistive gas sensors: calibrated, refused when that cannot be, silent when dry."""

import unittest

from paebiru_node.errors import SensorError
from paebiru_node.sensors import make
from sensor_parts import Analog, Port, readings

PH = [[2032, 4010], [1500, 6860]]


def on(millivolts, **entry):
    entry["role"] = "a"
    return make(entry, Port(analogs={"a": Analog(millivolts)}))


class Probes(unittest.TestCase):
    def test_two_points_and_between_and_beyond(self):
        sensor = on([2032, 1500, 1766, 1100, 2600], driver="probe", points=PH)
        found = readings(sensor, 5, 100)
        # 2850 milli-pH over 532 mV: 5.357 a mV.
        values = [4010, 6860, 5435, 9003, 967]
        self.assertEqual([values for values, _ in found], [list(p) for p in zip(values, (
            2032, 1500, 1766, 1100, 2600))])  # fmt: skip
        # Acid by 2.99 (ln 1.1), by 0.14 (ln -1.97) and rising, ...: 8 is below, 0 above.
        self.assertEqual([code >> 4 for _, code in found], [9, 6, 8, 9, 10])
        self.assertEqual([code & 15 for _, code in found], [8, 8 - 3, 8 + 3, 3, 8 + 3])

    def test_the_order_and_the_slope_do_not_matter(self):
        for points in (PH, [PH[1], PH[0]]):
            for mv in range(0, 3300, 37):
                exact = 4010 + (mv - 2032) * (6860 - 4010) / (1500 - 2032)
                sensor = on([mv], driver="probe", points=points, limits=[-9000, 20000])
                value = readings(sensor, 1)[0][0][0]
                self.assertTrue(abs(value - exact) <= 0.51)
        rising = on([210, 2300, 1255], driver="probe", points=[[210, 84], [2300, 1413]],
                    neutral=0, one=500, limits=[0, 20000])  # fmt: skip
        self.assertEqual([v[0] for v, _ in readings(rising, 3)], [84, 1413, 749])

    def test_a_dry_probe_gives_no_reading(self):
        sensor = on([1500, 0, 4900, 1500], driver="probe", points=PH)
        readings(sensor, 2)
        self.assertEqual(sensor.skipped, 2)

    def test_a_calibration_that_cannot_be(self):
        for points, word in (
            (None, "two pairs"),
            ([[2032, 4010]], "two pairs"),
            ([[2032, 4010], [1500, 6860], [1, 2]], "two pairs"),
            ([[2032, 4010], [1500]], "two pairs"),
            ([[2032, 4010], [1500, "7"]], "two pairs"),
            ([[2032, 4010], [1500, True]], "two pairs"),
            ([[2032, 4010], [2040, 6860]], "at least 20 mV apart"),
            ([[2032, 4010], [1500, 4010]], "other values"),
            ([[-1, 4010], [1500, 6860]], "0..5000 mV"),
            ([[2032, 4010], [1500, 300000]], "out of 0..5000 mV, or its value"),
            ([[2032, 4010], [1500, 16860]], "limits"),
        ):
            with self.assertRaises(SensorError) as caught:
                on([1], driver="probe", points=points)
            self.assertIn(word, str(caught.exception))
        for wrong in ({"limits": [0]}, {"limits": 3}, {"one": 0}, {"neutral": "7"}):
            entry = {"driver": "probe", "points": PH}
            entry.update(wrong)
            with self.assertRaises(SensorError):
                on([1], **entry)


class Gas(unittest.TestCase):
    def test_resistance_of_a_divider(self):
        sensor = on([1250, 2000, 500], driver="analog_gas", divider=[2, 1], load=10000, clean=10000)
        found = readings(sensor, 3)
        self.assertEqual([values[0] for values, _ in found], [2500, 4000, 1000])
        # Rs: 10000, 2500 and 40000 ohms; the second is gas, coming.
        self.assertEqual([values[1] for values, _ in found], [1000, 250, 4000])
        self.assertEqual([code for _, code in found], [0x80, 0x94, 0x7C])
        self.assertEqual(found[0][0][2], 13606)  # 1024 log2 10000 is 13606.4

    def test_cut_wires_and_a_short_are_no_readings(self):
        sensor = on([0, 2499, 2500, 2600, 1000], driver="analog_gas", divider=[2, 1])
        found = readings(sensor, 2)
        self.assertEqual(sensor.skipped, 3)
        self.assertTrue(found[0][0][1] <= 1)

    def test_options_that_cannot_be(self):
        for wrong in ({"divider": [1, 2]}, {"divider": [0, 1]}, {"divider": 2}, {"divider": [2]},
                      {"divider": ["2", 1]}, {"load": 0}, {"supply": 3}, {"clean": 0}):  # fmt: skip
            entry = {"driver": "analog_gas"}
            entry.update(wrong)
            with self.assertRaises(SensorError) as caught:
                on([1], **entry)
            self.assertIn("analog_gas: option", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
