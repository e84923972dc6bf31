"""Octaves of sound and blocks of pictures are the golden ones, in pieces of any size."""

import unittest

import vectors
from paebiru_node.errors import SensorError
from paebiru_node.sensors import make
from sensor_parts import Port, Stream, readings


class Sounds(unittest.TestCase):
    def setUp(self):
        self.cases = vectors.load("bands")["sounds"]

    def hear(self, case, piece, gaps):
        stream = Stream(vectors.unhex(case["samples"]), piece, gaps)
        entry = {"driver": "microphone", "role": "a", "window": case["window"]}
        sensor = make(entry, Port(streams={"a": stream}))
        return [values for values, _ in readings(sensor, len(case["out"]), most=100000)]

    def test_golden_values(self):
        for case in self.cases:
            self.assertEqual(self.hear(case, 1 << 20, False), case["out"], case["name"])

    def test_any_pieces_give_the_same(self):
        for case in self.cases[:2]:
            for piece in (2, 34, 510):
                self.assertEqual(self.hear(case, piece, True), case["out"])

    def test_the_byte_is_loudness_and_octave(self):
        for case in self.cases:
            if case["name"].startswith("a tone in octave"):
                stream = Stream(vectors.unhex(case["samples"]))
                sensor = make({"driver": "microphone", "role": "a"}, Port(streams={"a": stream}))
                code = readings(sensor, 1)[0][1]
                self.assertEqual(code & 15, 2 * int(case["name"][-1]))
                # 12000 / sqrt 2 over 328 is e**3.25, less what neighbouring octaves drop.
                self.assertEqual(code >> 4, 8 + 3)

    def test_silence_is_a_reading(self):
        sensor = make({"driver": "microphone", "role": "a"}, Port(streams={"a": Stream(bytes(2))}))
        values, code = readings(sensor, 1)[0]
        self.assertEqual((max(values), code, sensor.layer), (0, 0x10, 1))

    def test_options_that_cannot_be(self):
        for wrong in ({"window": 100}, {"window": "1024"}, {"one": 0}, {"rate": 8000}):
            entry = {"driver": "microphone", "role": "a"}
            entry.update(wrong)
            with self.assertRaises(SensorError) as caught:
                make(entry, Port(streams={"a": Stream(bytes(2))}))
            self.assertIn("microphone: option", str(caught.exception))


class Pictures(unittest.TestCase):
    def setUp(self):
        self.cases = vectors.load("bands")["pictures"]

    def camera(self, case, data, piece=1 << 20, gaps=False, **more):
        entry = {"driver": "camera", "role": "c", "layer": 0}
        entry.update(more)
        for key in ("width", "height", "invert"):
            entry[key] = case[key]
        return make(entry, Port(streams={"c": Stream(data, piece, gaps)}))

    def test_golden_blocks(self):
        for case in self.cases:
            for piece, gaps in ((1 << 20, False), (7, True)):
                sensor = self.camera(case, vectors.unhex(case["pixels"]), piece, gaps)
                for values, code in readings(sensor, 2, 1):
                    self.assertEqual(values, case["means"], case["name"])
                    self.assertEqual(list(sensor.inputs), case["means"])
                    self.assertEqual(code & 15, case["theta"], case["name"])

    def test_the_byte_is_brightness(self):
        for level, rho in ((255, 1), (64, 0), (24, -1), (1, -4)):
            data = bytes([level] * 64)
            sensor = self.camera({"width": 8, "height": 8, "invert": False}, data)
            self.assertEqual(readings(sensor, 1)[0][1], (rho + 8) << 4)

    def test_a_header_finds_the_frame(self):
        case = self.cases[3]
        pixels = vectors.unhex(case["pixels"])
        # Lost in the middle of a frame, with a false start in front.
        data = pixels[100:] + b"\xfe\x01\xff\xfe\x01\xfe\x01\x02" + pixels
        sensor = self.camera(case, data, 5, True, header="fe0102")
        for values, _ in readings(sensor, 3, 1, most=5000):
            self.assertEqual(values, case["means"])

    def test_a_pause_ends_a_frame_that_was_cut(self):
        case = self.cases[5]
        stream = Stream(vectors.unhex(case["pixels"]))
        entry = {"driver": "camera", "role": "c", "width": 16, "height": 16, "gap": 40}
        sensor = make(entry, Port(streams={"c": stream}))
        cut = Stream(bytes([255] * 100), 100)
        sensor._stream = cut
        for now in range(3):
            cut.piece = 100 if now == 0 else 0
            self.assertFalse(sensor.poll(now * 20))
        self.assertEqual(sensor.skipped, 1)
        sensor._stream = stream
        self.assertTrue(sensor.poll(60))
        self.assertEqual(list(sensor.values), case["means"])

    def test_options_that_cannot_be(self):
        for wrong in ({"width": 7}, {"height": 2000}, {"invert": 1}, {"header": "0x"},
                      {"header": "55aa55"}, {"header": "001122334455667788"}):  # fmt: skip
            entry = {"driver": "camera", "role": "c"}
            entry.update(wrong)
            with self.assertRaises(SensorError) as caught:
                make(entry, Port(streams={"c": Stream(bytes(2))}))
            self.assertIn("camera: option", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
