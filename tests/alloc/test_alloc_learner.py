"""A round of a federation on a board: hear the hub, train, report, nothing allocated."""

import unittest
from array import array

from locked import locked
from sil import nn
from sil.kernels import dense
from sil.learner import Learner

SIZES = (6, 8, 3)


class Rounds(unittest.TestCase):
    def setUp(self):
        first = nn.initial_codes(SIZES, 3)
        self.board = Learner(SIZES, False, first, 1500)
        self.hub = Learner(SIZES, False, first, 1500)
        self.x = bytes([(7 * i) % 251 for i in range(6 * 20)])
        self.y = bytes([i % 3 for i in range(20)])
        self.order = array("H", range(20))
        self.out = bytearray(self.board.limit)

    def test_the_second_round(self):
        """The first builds the stream's coder; from then on nothing is allocated."""
        board = self.board
        board.train(self.x, self.y, self.order, 1, 1)
        first = bytes(self.out[: board.report(self.out)])
        board.receive(first)
        self.hub.receive(first)
        self.hub.train(self.x, self.y, self.order, 1, 7)
        down = bytes(self.out[: self.hub.report(self.out)])
        with locked():
            board.receive(down)
            board.train(self.x, self.y, self.order, 2, 2)
            n = board.report(self.out)
        self.assertTrue(8 < n < board.limit)

    def test_a_round_drawn_to_its_base(self):
        board = self.board
        with locked():
            board.train(self.x, self.y, self.order, 2, 2, 32768)
        self.assertNotEqual(board.trainer.masters, board.base)

    def test_the_longest_way_to_a_base(self):
        masters = array("h", [32767, -32767])
        base = array("h", [-32767, 32767])
        with locked():
            dense.pull(masters, 2, base, 32768, 7, 65535)
            dense.pull(masters, 2, base, 32768, 15, 65535)
        self.assertEqual(masters, base)


if __name__ == "__main__":
    unittest.main()
