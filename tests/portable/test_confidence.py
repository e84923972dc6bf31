"""How sure a network is: the logarithm of softmax, at values that can be worked out by hand."""

import unittest

from sil import bytesil, nn
from sil.confidence import answer_byte, log_confidence


def network(biases, signed=True):
    """Return a network of one input and no weights but `biases`, Q14: its sums are these."""
    codes = bytearray(2 * len(biases))
    for k in range(len(biases)):
        codes[len(biases) + k] = bytesil.encode(biases[k])
    return nn.Network((1, len(biases)), codes, signed)


class TestConfidence(unittest.TestCase):
    def rho(self, biases, signed=True):
        net = network(biases, signed)
        return log_confidence(net, net.classify(bytes(1)))

    def test_equal_sums_share_the_probability(self):
        # ln(1/2) = -0.69, ln(1/4) = -1.39, ln(1/5) = -1.61, ln(1/12) = -2.48, ln(1/64) = -4.16
        for classes, rho in ((2, -1), (4, -1), (5, -2), (12, -2), (13, -3), (64, -4)):
            self.assertEqual(self.rho([0] * classes), rho)

    def test_a_clear_answer_is_certain(self):
        self.assertEqual(self.rho([0, 8 << 14, 0]), 0)
        self.assertEqual(self.rho([0, 8 << 14, 0], False), 0)

    def test_a_lead_of_ln_2_doubles_the_odds(self):
        lead = 11357  # ln 2, Q14: two of three, ln(2/3) = -0.41; against 8 others, ln(2/10) = -1.61
        self.assertEqual(self.rho([lead, 0]), 0)
        self.assertEqual(self.rho([lead] + [0] * 8), -2)

    def test_hidden_layers_have_other_scales(self):
        # One input, one hidden unit that passes it on, two classes: the second is it times 1.
        sizes = (1, 1, 2)
        codes = bytearray(nn.check_sizes(sizes))
        one = bytesil.encode(16384)
        codes[0] = one
        codes[3] = one
        net = nn.Network(sizes, codes, True)
        self.assertEqual(net.classify(bytes([127])), 1)  # 4 against 0: ln 0.98
        self.assertEqual(log_confidence(net, 1), 0)
        self.assertEqual(net.classify(bytes([1])), 1)  # 1/32 against 0: ln 0.51
        self.assertEqual(log_confidence(net, 1), -1)

    def test_the_byte_has_the_class_in_theta(self):
        net = network([0] * 19 + [8 << 14])
        byte = answer_byte(net, net.classify(bytes(1)))
        self.assertEqual((bytesil.rho(byte), bytesil.phase(byte)), (0, 19 & 15))
        self.assertFalse(bytesil.is_null(byte))
