"""A board's rounds: the golden payloads, and what a damaged one does (nothing)."""

import unittest
from array import array

import vectors
from sil import nn, update
from sil.errors import ModelError, RangeError, SilError
from sil.learner import Learner


class TestLearner(unittest.TestCase):
    def setUp(self):
        self.golden = vectors.load("learner")
        self.sizes = tuple(self.golden["sizes"])
        self.first = vectors.unhex(self.golden["first"])
        self.data = [[vectors.unhex(part) for part in pair] for pair in self.golden["data"]]

    def board(self):
        return Learner(self.sizes, False, self.first, self.golden["share"])

    def report(self, board, number, i):
        """Train board i of a round and return its payload."""
        x, y = self.data[i]
        seed = self.golden["seed"] + 10 * number + i
        board.train(x, y, self.orders[i], 2, seed)
        out = bytearray(board.limit)
        return bytes(out[: board.report(out)])

    def test_golden_payloads(self):
        boards = [self.board(), self.board()]
        self.orders = [array("H", range(len(y))) for _, y in self.data]
        for number in range(len(self.golden["rounds"])):
            ups = [self.report(boards[i], number, i) for i in range(2)]
            self.assertEqual([vectors.tohex(up) for up in ups], self.golden["rounds"][number])
            for board in boards:
                board.receive(ups[0])
        for board in boards:
            self.assertEqual(vectors.tohex(nn.encode(board.base)), self.golden["model"])

    def test_a_damaged_payload_changes_nothing(self):
        payload = vectors.unhex(self.golden["rounds"][0][0])
        board = self.board()
        before = bytes(board.base)
        for bit in range(8 * len(payload)):
            wrong = bytearray(payload)
            wrong[bit >> 3] ^= 1 << (bit & 7)
            with self.assertRaises(SilError):
                board.receive(bytes(wrong))
            self.assertEqual(bytes(board.base), before)
        for cut in range(len(payload)):
            with self.assertRaises(SilError):
                board.receive(payload[:cut])
        with self.assertRaises(SilError):
            board.receive(payload + payload)
        self.assertEqual(bytes(board.base), before)
        board.receive(payload)
        self.assertNotEqual(bytes(board.base), before)

    def test_a_payload_for_another_base_is_refused(self):
        first, second = [vectors.unhex(self.golden["rounds"][n][0]) for n in (0, 1)]
        with self.assertRaises(SilError):
            self.board().receive(second)
        board = self.board()
        board.receive(first)
        with self.assertRaises(SilError):
            board.receive(first)

    def test_nothing_learned_is_lost(self):
        """What was sent and what is kept add up to what was learned."""
        board = self.board()
        self.orders = [array("H", range(len(y))) for _, y in self.data]
        board.train(self.data[0][0], self.data[0][1], self.orders[0], 1, 5)
        learned = [board.trainer.masters[i] - board.base[i] for i in range(len(board.base))]
        out = bytearray(board.limit)
        other = self.board()
        other.receive(bytes(out[: board.report(out)]))
        sent = [other.base[i] - board.base[i] for i in range(len(board.base))]
        kept = board.residual
        self.assertEqual([sent[i] + kept[i] for i in range(len(sent))], learned)

    def test_the_codes_are_those_of_the_model(self):
        board = self.board()
        self.assertEqual(board.codes, nn.encode(board.base))
        self.orders = [array("H", range(len(y))) for _, y in self.data]
        report = self.report(board, 0, 0)
        self.assertEqual(board.codes, nn.encode(board.base))
        board.receive(report)
        self.assertEqual(board.codes, nn.encode(board.base))
        with self.assertRaises(SilError):
            board.receive(report)
        self.assertEqual(board.codes, nn.encode(board.base))
        other = self.board()
        before = list(other.residual)
        other.take_back(report)
        self.assertEqual(other.codes, nn.encode(other.base))
        self.assertNotEqual(list(other.residual), before)

    def test_wrong_arguments(self):
        with self.assertRaises(RangeError):
            self.board().report(bytearray(3))
        with self.assertRaises(ModelError):
            Learner(self.sizes, False, self.first[1:], 500)
        for share in (0, 10001):
            with self.assertRaises(RangeError):
                update.count(100, share)


if __name__ == "__main__":
    unittest.main()
