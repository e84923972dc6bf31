"""A recording is a sensor: whole, in pieces, looped; damaged ones are refused, with the reason."""

import unittest

from paebiru_node.errors import SensorError
from paebiru_node.sensors import make
from sensor_parts import Port, readings
from sil import jsil

INPUTS = 6


def frame(k):
    """Inputs and a label."""
    return bytes([k, 255 - k, 0, 3 * k & 255, 200, 7, k % 10])


FRAMES = [frame(k) for k in range(30)]


def port(data, piece=1 << 20):
    return Port(files={"a.jsil": data}, piece=piece)


def entry(**more):
    base = {"driver": "replay", "layer": 0, "file": "a.jsil", "inputs": INPUTS, "labelled": True}
    base.update(more)
    return base


class Frames(unittest.TestCase):
    def play(self, data, piece, count):
        sensor = make(entry(), port(data, piece))
        self.assertEqual((sensor.byte(), sensor.label), (0, -1))
        seen = []
        for now in range(count):
            self.assertTrue(sensor.poll(now))
            self.assertEqual(list(sensor.values), list(sensor.inputs))
            self.assertTrue(sensor.byte() != 0)
            seen.append(bytes(sensor.inputs) + bytes([sensor.label]))
        return seen

    def test_every_mode_and_group_in_pieces_of_any_size_over_and_over(self):
        for mode in range(5):
            for group, piece in ((1, 13), (7, 1)):
                data = jsil.pack(FRAMES, mode, group)
                self.assertEqual(self.play(data, piece, 40), (FRAMES * 2)[:40])

    def test_one_frame(self):
        self.assertEqual(self.play(jsil.pack(FRAMES[:1]), 5, 3), FRAMES[:1] * 3)

    def test_a_torn_tail_is_left_out(self):
        data = jsil.pack(FRAMES, group=10)
        self.assertEqual(self.play(data[:-5], 64, 21), FRAMES[:20] + FRAMES[:1])

    def test_all_of_it_at_once_then_from_its_beginning(self):
        sensor = make(entry(), port(jsil.pack(FRAMES, group=7), 64))
        for _ in range(2):
            sensor.poll(0)
            sensor.rewind()
            seen = []
            while sensor.next():
                seen.append(bytes(sensor.inputs) + bytes([sensor.label]))
            self.assertEqual(seen, FRAMES)
        self.assertTrue(sensor.poll(1))
        self.assertEqual(bytes(sensor.inputs), FRAMES[0][:INPUTS])

    def test_signed_inputs_are_signed_values(self):
        data = jsil.pack([bytes([0, 1, 127, 128, 255, 32])])
        sensor = make(entry(labelled=False, signed=True), port(data))
        values, code = readings(sensor, 1)[0]
        self.assertEqual(values, [0, 1, 127, -128, -1, 32])
        self.assertEqual(bytes(sensor.inputs), bytes([0, 1, 127, 128, 255, 32]))
        self.assertEqual(sensor.label, -1)
        # The mean size is 48.2 of 32 a unit: ln 1.5 is 0.41.  -128 is in the ninth sixteenth.
        self.assertEqual(code >> 4, 8)

    def test_the_byte_is_the_mean_size_and_the_strongest_sixteenth(self):
        for at in range(16):
            inputs = bytearray(64)
            for i in range(4 * at, 4 * at + 4):
                inputs[i] = 255
            sensor = make(
                entry(inputs=64, labelled=False), port(jsil.pack([bytes(inputs)], group=1))
            )
            code = readings(sensor, 1)[0][1]
            self.assertEqual(code, (8 - 3) << 4 | at)  # ln(1020 / 64 / 256) = -2.78
        black = make(entry(inputs=64, labelled=False), port(jsil.pack([bytes(64)], group=1)))
        self.assertEqual(readings(black, 1)[0][1], 0x10)  # a reading, though of nothing

    def test_a_period_is_kept(self):
        sensor = make(entry(period=100), port(jsil.pack(FRAMES, group=10)))
        polls = [sensor.poll(now) for now in range(0, 301, 50)]
        self.assertEqual(polls, [True, False, True, False, True, False, True])


class States(unittest.TestCase):
    def test_the_byte_is_the_layers(self):
        states = [bytes([(17 * k + layer) & 255 for layer in range(16)]) for k in range(9)]
        data = jsil.pack(states, group=4)
        for layer in range(5):
            sensor = make({"driver": "replay", "layer": layer, "file": "a.jsil"}, port(data))
            found = readings(sensor, 12)
            for k in range(12):
                self.assertEqual(found[k], (list(states[k % 9]), states[k % 9][layer]))


class Refusals(unittest.TestCase):
    def refused(self, data, *words, **more):
        with self.assertRaises(SensorError) as caught:
            sensor = make(entry(**more), port(data))
            for now in range(60):
                sensor.poll(now)
        for word in words + ("a.jsil",):
            self.assertIn(word, str(caught.exception))

    def test_no_file(self):
        with self.assertRaises(SensorError) as caught:
            make(entry(file="b.jsil"), port(b""))
        self.assertIn("b.jsil cannot be opened", str(caught.exception))
        with self.assertRaises(SensorError):
            make({"driver": "replay", "layer": 0}, port(b""))

    def test_other_frames_than_the_entry_says(self):
        data = jsil.pack(FRAMES, group=10)
        self.refused(data, "frames of 7 bytes", "asks for 6", labelled=False)
        self.refused(data, "frames of 7 bytes", "asks for 65", inputs=64)

    def test_no_stream(self):
        self.refused(b"", "no JSIL")
        self.refused(b"JS", "no JSIL")
        self.refused(b"JSIL", "no JSIL")
        self.refused(b"RIFF" + bytes(60), "no JSIL")
        self.refused(b"JSIL" + bytes(60), "damaged")

    def test_no_frame(self):
        data = jsil.pack(FRAMES, group=10)
        self.refused(data[:20], "no whole frame")

    def test_a_damaged_block_is_said_and_nothing_of_it_given_out(self):
        data = bytearray(jsil.pack(FRAMES, group=10))
        last = list(jsil.blocks(bytes(data)))[-1]
        data[last[1] - 10] ^= 4
        sensor = make(entry(), port(bytes(data)))
        for k in range(20):
            self.assertTrue(sensor.poll(k))
            self.assertEqual(bytes(sensor.inputs), FRAMES[k][:INPUTS])
        for k in range(2):
            with self.assertRaises(SensorError) as caught:
                sensor.poll(20 + k)
            self.assertIn("a.jsil: a damaged", str(caught.exception))

    def test_options_that_make_no_sense(self):
        for more in ({"inputs": 0}, {"inputs": 1025}, {"inputs": "6"}, {"labelled": 1},
                     {"signed": 0}, {"file": 3}, {"layer": 5}, {"x": 1}):  # fmt: skip
            with self.assertRaises(SensorError) as caught:
                make(entry(**more), port(jsil.pack(FRAMES, group=10)))
            self.assertIn("replay", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
