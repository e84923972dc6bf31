"""Windows and scaling run with the heap locked, at the values that need the most bits."""

import unittest
from array import array

from locked import locked
from sil import features


class Features(unittest.TestCase):
    def test_rails_through_windows_and_scaler(self):
        windows = features.Windows(2, 1024)
        samples = array("h", [-32768, 32767, 32767, -32768] * 512)
        most = features.MAX_OFFSET - 1
        scaler = features.Scaler(
            features.SIGNED, [(most, 4095, 26), (-most, 4095, 0)] * features.FEATURES
        )
        inputs = bytearray(2 * features.FEATURES)
        i = 0
        end = len(samples)
        with locked():
            while i < end:
                i = windows.feed(samples, i, end)
            scaler.apply(windows.out, inputs)
        self.assertTrue(windows.ready)
        self.assertEqual(list(windows.out), [0, 32767, -32768, 32767, 65535] * 2)

    def test_frame_by_frame(self):
        windows = features.Windows(3, 4)
        samples = array("h", [-32768, 0, 32767] * 4)
        i = 0
        with locked():
            while i < 12:
                i = windows.feed(samples, i, i + 3)
            windows.reset()
        self.assertEqual(list(windows.out[:5]), [-32768, 0, -32768, -32768, 0])


if __name__ == "__main__":
    unittest.main()
