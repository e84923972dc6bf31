"""Inference, training, updates and rho_sil run with the heap locked, at their largest values."""

import unittest
from array import array

from locked import locked
from sil import nn, rho, train, update

BIG = 0xF0  # a master of +8; 0xF8 is -8
SMALL = 0x54


class Inference(unittest.TestCase):
    def classify(self, weight, value, signed):
        """Drive a unit to within 6 % of 2**29, the limit that `nn.check` sets."""
        sizes = (90, 100, 3)
        codes = bytearray([SMALL] * nn.check_sizes(sizes))
        codes[0:90] = bytes([weight] * 90)
        network = nn.Network(sizes, codes, signed)
        x = bytes([value] * 90)
        with locked():
            best = network.classify(x)
            best += network.classify(x)
            top = network.logit(0)
        self.assertEqual(best, 0)
        self.assertTrue(top > 0)
        self.assertEqual(top, network.logit(2))

    def test_unsigned_inputs(self):
        self.classify(0x93, 255, False)

    def test_signed_inputs(self):
        self.classify(0x98, 0x80, True)


class Training(unittest.TestCase):
    def epoch(self, sizes, signed, high):
        """Train from the largest weights on the largest inputs, then once more."""
        trainer = train.Trainer(sizes, signed, 3, 0)
        trainer.load(bytes([BIG, BIG, 0xF8] * (trainer.weights // 3 + 1))[: trainer.weights])
        n = 11  # a whole batch and a smaller one
        x = bytearray([high] * (n * sizes[0]))
        y = bytearray([i % sizes[-1] for i in range(n)])
        order = array("H", range(n))
        before = trainer.masters[:]
        with locked():
            trainer.epoch(x, y, order, 7)
            right = trainer.epoch(x, y, order, (1 << 30) - 1)
        self.assertTrue(0 <= right <= n)
        self.assertEqual(sorted(order), list(range(n)))
        self.assertNotEqual(trainer.masters, before)

    def test_one_layer(self):
        self.epoch((100, 3), False, 255)

    def test_hidden_layers_of_which_one_is_wide(self):
        self.epoch((5, 4, 130, 3), True, 0x80)

    def test_all_classes(self):
        self.epoch((6, 70, 64), False, 255)


class Updates(unittest.TestCase):
    def take(self, share):
        n = 300
        changes = array("h", [32767, -32767, 0, 1, -1, 100] * 50)
        model = array("h", [32767, -32767, 0] * 100)
        selector = update.Selector(n, share)
        frame = bytearray(n)
        with locked():
            taken = selector.take(changes, frame)
            update.apply(model, frame)
        self.assertEqual(taken, len([c for c in frame if c]))
        self.assertTrue(0 < taken <= selector.k)

    def test_sparse(self):
        self.take(500)

    def test_dense(self):
        self.take(10000)


class Rho(unittest.TestCase):
    def test_a_stream(self):
        meter = rho.RhoMeter()
        stream = bytes([0xF0, 0x00, 0x80, 0x10] * 64)
        with locked():
            meter.feed(stream, 0, 1)
            meter.feed(stream, 1, 256)
            first = meter.value()
            meter.reset()
            i = 0
            while i < 64:
                meter.feed(stream, 0, 256)
                i += 1
            zone = rho.zone(meter.value())
            critical = rho.rho_critical(32768, 32768, 32768, 32768)
        self.assertTrue(first > 0)
        self.assertEqual((zone, critical), (rho.FAR, 11469))

    def test_the_longest_stream(self):
        meter = rho.RhoMeter()
        block = bytes([0xF0] * 4096)
        i = 0
        while i < 256:
            meter.feed(block, 0, 4096)
            i += 1
        with locked():
            value = meter.value()
        self.assertEqual((meter.length, value), (rho.MAX_LENGTH, 0))


if __name__ == "__main__":
    unittest.main()
