"""A board's part in a masked sum: golden messages, one question a sum, nothing told to a lie."""

import unittest
from array import array

import vectors
from sil import groups, masks
from sil.errors import RangeError, SilError


class TestMasks(unittest.TestCase):
    def setUp(self):
        self.golden = vectors.load("masks")

    def board(self, case, i):
        group = groups.unpack(vectors.unhex(case["stored"][i]))
        return masks.Masker(group, case["weights"])

    def masked(self, case, i):
        board = self.board(case, i)
        out = bytearray(board.size)
        changes = array("h", case["changes"][i])
        size = board.mask(case["ticket"], changes, case["clip"], out)
        self.assertEqual(size, board.size)
        return board, bytes(out), changes

    def test_golden_updates(self):
        for case in self.golden:
            for i in range(case["members"]):
                _, out, rest = self.masked(case, i)
                self.assertEqual(vectors.tohex(out), case["masked"][i])
                kept = [case["changes"][i][k] - case["taken"][i][k] for k in range(len(rest))]
                self.assertEqual(list(rest), kept)

    def test_golden_answers(self):
        for case in self.golden:
            for k in range(len(case["present"])):
                i = case["present"][k] - 1
                request = vectors.unhex(case["requests"][k])
                part = self.masked(case, i)[0]
                # One that was not there when masks were made can still help.
                for board in (part, self.board(case, i)):
                    self.assertEqual(vectors.tohex(board.answer(request)), case["answers"][k])
                    self.assertEqual(vectors.tohex(board.answer(request)), case["answers"][k])
                    self.assertEqual(board.group.ticket, case["ticket"])

    def test_a_membership_is_stored(self):
        for stored in self.golden[1]["stored"]:
            stored = vectors.unhex(stored)
            self.assertEqual(groups.unpack(stored).pack(), stored)
        for bit in range(8 * len(stored)):
            wrong = bytearray(stored)
            wrong[bit >> 3] ^= 1 << (bit & 7)
            with self.assertRaises(SilError):
                groups.unpack(bytes(wrong))
        for cut in range(len(stored)):
            with self.assertRaises(SilError):
                groups.unpack(stored[:cut])

    def test_masks_are_used_once(self):
        case = self.golden[0]
        board, out, _ = self.masked(case, 0)
        changes = array("h", case["changes"][0])
        for ticket in (case["ticket"], case["ticket"] - 1, 0, -1, 1 << 29):
            with self.assertRaises(RangeError):
                board.mask(ticket, changes, 0, bytearray(board.size))
        self.assertEqual(list(changes), case["changes"][0])
        other = bytearray(board.size)
        board.mask(case["ticket"] + 1, changes, 0, other)
        same = 0
        for k in range(masks.HEAD, masks.HEAD + 2 * case["weights"]):
            same += out[k] == other[k]
        self.assertTrue(same < case["weights"])

    def test_a_board_that_helped_has_no_part_later(self):
        case = self.golden[0]
        board = self.board(case, 0)
        board.answer(vectors.unhex(case["requests"][0]))
        with self.assertRaises(RangeError):
            board.mask(case["ticket"], array("h", case["changes"][0]), 0, bytearray(board.size))

    def test_what_was_never_summed_waits_again(self):
        """The changes come back whole; then neither they nor a share leave for that sum."""
        for case in self.golden:
            board, out, rest = self.masked(case, 0)
            body = bytearray(out)
            board.take_back(body, rest)
            self.assertEqual(list(rest), case["changes"][0])
            with self.assertRaises(RangeError):
                board.take_back(bytearray(out), rest)
            with self.assertRaises(SilError):
                board.answer(vectors.unhex(case["requests"][0]))
            self.assertEqual(list(rest), case["changes"][0])

    def test_what_may_have_been_summed_is_not_taken_back(self):
        case = self.golden[0]
        board, out, rest = self.masked(case, 0)
        kept = list(rest)
        with self.assertRaises(RangeError):
            board.take_back(bytearray(vectors.unhex(case["masked"][1])), rest)
        with self.assertRaises(RangeError):
            board.take_back(bytearray(out[1:]), rest)
        board.answer(vectors.unhex(case["requests"][0]))
        with self.assertRaises(RangeError):
            board.take_back(bytearray(out), rest)
        self.assertEqual(list(rest), kept)

    def test_another_question_is_refused(self):
        """The same sum, other boards present: the two answers together would tell too much."""
        case = self.golden[0]
        request = vectors.unhex(case["requests"][0])
        fewer = bytearray(request[: len(request) - masks.sealed_size(3)])
        fewer[14] = 3  # boards 1 and 2 alone
        for first, second in ((request, fewer), (fewer, request)):
            board = self.masked(case, 0)[0]
            answer = board.answer(first)
            with self.assertRaises(SilError):
                board.answer(second)
            self.assertEqual(board.answer(first), answer)
            # Nor by the memory that a restart leaves: it is kept with the membership.
            again = self.board(case, 0)
            again.group.ticket = board.group.ticket
            again.group.told = board.group.told
            with self.assertRaises(SilError):
                again.answer(second)

    def test_too_few_boards_are_never_summed(self):
        case = self.golden[1]
        board = self.board(case, 0)
        request = vectors.unhex(case["requests"][0])
        few = bytearray(request[: masks.ASK_HEAD + masks.sealed_size(4)])
        few[14] = 5
        with self.assertRaises(SilError):
            board.answer(few)

    def test_a_damaged_request_tells_nothing(self):
        case = self.golden[0]
        request = vectors.unhex(case["requests"][0])
        board = self.masked(case, 0)[0]
        for bit in range(8 * len(request)):
            if bit == 112:
                continue  # board 1 is absent, by its own count too: a question that can be asked
            wrong = bytearray(request)
            wrong[bit >> 3] ^= 1 << (bit & 7)
            with self.assertRaises(SilError):
                board.answer(wrong)
        for cut in range(len(request)):
            with self.assertRaises(SilError):
                board.answer(request[:cut])
        with self.assertRaises(SilError):
            board.answer(request + b"\0")
        self.assertEqual(vectors.tohex(board.answer(request)), case["answers"][0])

    def test_wrong_arguments(self):
        case = self.golden[0]
        board = self.board(case, 0)
        changes = array("h", case["changes"][0])
        for wrong in (
            (changes[1:], 0, board.size),
            (changes, -1, board.size),
            (changes, 1 << 24, board.size),
            (changes, 0, board.size - 1),
        ):
            with self.assertRaises(RangeError):
                board.mask(case["ticket"], wrong[0], wrong[1], bytearray(wrong[2]))
        self.assertEqual(list(changes), case["changes"][0])
        name, secrets = bytes(8), bytes(32 * 4)
        for wrong in (
            (name, 0, 3, secrets),
            (name, 5, 3, secrets),
            (name, 1, 2, secrets),
            (name, 1, 5, secrets),
            (name, 1, 3, secrets[1:]),
            (name[1:], 1, 3, secrets),
            (name, 1, 2, bytes(64)),
            (name, 1, 17, bytes(32 * 17)),
        ):
            with self.assertRaises(RangeError):
                groups.Group(wrong[0], wrong[1], wrong[2], wrong[3])

    def test_roots_of_48_bits(self):
        for root in (1, 4095, 4096, 16777215, 16777216, 33554431):
            for over in (-1, 0, 1, 2 * root):
                square = root * root + over
                found = masks.isqrt48(square >> 24, square & 0xFFFFFF)
                self.assertEqual(found, root - 1 if over < 0 else root)


if __name__ == "__main__":
    unittest.main()
