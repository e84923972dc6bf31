"""What the ports do without hardware: text beside frames, pieces, console lines, nvm."""

import unittest

from paebiru_node.errors import PortError
from paebiru_node.port import common, console
from paebiru_node.port.cp_nvm import NvmStore
from paebiru_node.port.pieces import PIECE, Pieces
from sil.intmath import Rand16


def noise(random, size):
    return bytes(random.next() & 0xFF for _ in range(size))


class TestGate(unittest.TestCase):
    def setUp(self):
        self.gate = common.Gate()

    def sent(self, data):
        self.gate.passed(b"--" + data + b"--", 2, 2 + len(data))

    def test_text_waits_for_the_end_of_the_frame_however_it_is_cut(self):
        frame = b"\xc0\x10abc\xc0"
        for size in (1, 2, 3, 5):
            gate = self.gate = common.Gate()
            gate.put("hello", 0)
            self.assertTrue(gate.is_due(0))
            stream = frame * 3
            for at in range(0, len(stream), size):
                self.sent(stream[at : at + size])
                end = min(at + size, len(stream))
                self.assertEqual(gate.is_due(0), end % len(frame) == 0, (size, end))
            self.assertEqual(gate.take(), "hello")
            self.assertFalse(gate.is_due(0))

    def test_after_text_a_frame_starts_anew(self):
        self.sent(b"\xc0ab\xc0")
        self.gate.put("one", 5)
        self.gate.put("two", 5)
        self.assertEqual(self.gate.take(), "one")
        self.assertTrue(self.gate.is_due(5))
        self.assertEqual(self.gate.take(), "two")
        self.sent(b"\xc0")
        self.gate.put("three", 5)
        self.assertFalse(self.gate.is_due(6))

    def test_text_waits_a_second_at_most(self):
        self.sent(b"\xc0ab")
        self.gate.put("late", (1 << 29) - 500)
        self.assertFalse(self.gate.is_due(400))
        self.assertTrue(self.gate.is_due(501))

    def test_too_many_lines_are_counted(self):
        self.sent(b"\xc0ab")
        for i in range(11):
            self.gate.put("line\n%d" % i, 0)
        self.assertEqual(self.gate.lost, 3)
        self.assertEqual(self.gate.take(), "line 0")


class TestLookUps(unittest.TestCase):
    def test_what_goes_wrong_names_the_part(self):
        def fails_with(error):
            def make(entry):
                raise error

            return make

        for error, words in (
            (KeyError("scl"), "lacks 'scl'"),
            (AttributeError("I2C"), "no such hardware"),
            (ImportError("machine"), "no such hardware"),
            (ValueError("invalid pin"), "invalid pin"),
            (OSError(19), "19"),
            (PortError("as it is"), "as it is"),
        ):
            with self.assertRaises(PortError) as caught:
                common.made("buses.i2c0", fails_with(error), {})
            self.assertIn(words, str(caught.exception))
        self.assertEqual(common.made("buses.i2c0", lambda entry: entry["id"], {"id": 7}), 7)


class TestPieces(unittest.TestCase):
    def setUp(self):
        self.random = Rand16(7)
        self.data = noise(self.random, 6000)
        self.there = Pieces()
        self.here = Pieces()

    def pieces(self):
        """Return the stream's pieces, as they go out."""
        out = []
        at = 0
        while at < len(self.data):
            size = self.there.cut(self.data, at, len(self.data))
            again = self.there.cut(self.data, at, len(self.data))  # the radio was busy
            self.assertEqual(size, again)
            self.assertLessEqual(size, PIECE)
            out.append(bytes(self.there.out[:size]))
            self.there.sent()
            at += size - 1
        return out

    def read(self, room):
        got = b""
        buf = bytearray(room)
        while not self.here.is_empty():
            end = self.here.readinto(buf, 0)
            got += bytes(buf[:end])
        return got

    def test_repeats_are_dropped_and_losses_counted(self):
        got = b""
        pieces = self.pieces()
        kept = b""
        for i in range(len(pieces)):
            if i % 5 == 3:
                continue  # lost
            kept += pieces[i][1:]
            for _ in range(1 + i % 2):
                if self.here.arrived(pieces[i]):
                    got += self.read(100)
        self.assertEqual(got, kept)
        self.assertEqual(self.here.lost, len([i for i in range(len(pieces)) if i % 5 == 3]))
        self.assertGreater(self.here.repeated, 5)

    def test_numbers_wrap(self):
        self.data = noise(self.random, 1000) * 80
        got = 0
        for piece in self.pieces():
            self.assertTrue(self.here.arrived(piece))
            got += len(self.read(300))
        self.assertEqual(got, len(self.data))
        self.assertEqual(self.here.lost, 0)

    def test_what_is_no_piece_is_dropped(self):
        self.assertFalse(self.here.arrived(b""))
        self.assertFalse(self.here.arrived(b"\x00"))
        self.assertFalse(self.here.arrived(bytes(PIECE + 1)))


class TestConsole(unittest.TestCase):
    def sorted(self, characters):
        reader = console.LineReader()
        got = b""
        buf = bytearray(50)
        for code in characters:
            if reader.feed(code):
                while not reader.is_empty():
                    end = reader.readinto(buf, 0)
                    got += bytes(buf[:end])
        return got, reader.dropped

    def test_every_length_and_byte_survives(self):
        data = bytes(range(256))
        for size in range(1, console.PIECE + 1):
            line = console.encode(data, 256 - size, 256)
            self.assertLessEqual(len(line), 245)
            self.assertEqual(console.decode(line[:-1]), data[256 - size :])
            for c in line[:-1]:
                self.assertTrue(32 <= c < 127)

    def test_text_around_is_text(self):
        line = console.encode(b"payload", 0, 7)
        said = b"\r\n>>> print(1)\r\n1\r\n" + line + b"\x1b]0;title\x1b\\" + line + b">>> !P1:\n"
        got, dropped = self.sorted(said + b"x" * 1000 + b"\n" + line.replace(b"\n", b"\r\n"))
        self.assertEqual(got, b"payload" * 3)
        self.assertEqual(dropped, 4)

    def test_a_damaged_line_is_no_line(self):
        line = console.encode(b"some payload", 0, 12)[:-1]
        for at in range(len(line)):
            for other in (b"", b"\x80", b" ", b"-", b"!"):
                broken = line[:at] + other + line[at + 1 :]
                if broken != line:
                    self.assertEqual(console.decode(broken), b"", broken)

    def test_a_changed_letter_changes_the_bytes(self):
        line = console.encode(b"some payload", 0, 12)[:-1]
        for at in range(len(line)):
            for other in (b"=", b"A", b"+"):
                broken = line[:at] + other + line[at + 1 :]
                if broken != line:
                    self.assertNotEqual(console.decode(broken), b"some payload", broken)


class Cut(Exception):
    """The power goes."""


class CutNvm:
    """A `microcontroller.nvm` that loses power after so many bytes, in an order of its own."""

    def __init__(self, size):
        self.cells = bytearray(size)
        self.left = -1
        self.backwards = False

    def __len__(self):
        return len(self.cells)

    def __getitem__(self, index):
        return self.cells[index]

    def __setitem__(self, index, value):
        places = list(range(index.start, index.stop))
        for i in reversed(places) if self.backwards else places:
            if self.left == 0:
                raise Cut
            self.left -= 1
            self.cells[i] = value[i - index.start]


class TestNvm(unittest.TestCase):
    def test_a_cut_at_any_byte_loses_nothing(self):
        random = Rand16(3)
        names = ("key", "boot", "epoch", "a_long_name_15c")
        saved = {}
        nvm = CutNvm(512)
        cuts = 0
        for step in range(8):
            name = names[random.next() % len(names)]
            data = noise(random, random.next() % 12)
            before = bytes(nvm.cells)
            for backwards in (False, True):
                nvm.backwards = backwards
                for at in range(256):
                    nvm.cells[:] = before
                    nvm.left = at
                    try:
                        NvmStore(nvm).save(name, data)
                        break
                    except Cut:
                        cuts += 1
                    # What was missing may have stood there before: then the save is whole.
                    found = [NvmStore(nvm).load(other) for other in names]
                    old = [saved.get(other, b"") for other in names]
                    new = [data if other == name else saved.get(other, b"") for other in names]
                    self.assertTrue(found in (old, new), (step, at))
                else:
                    self.fail("it never ended")
            nvm.left = -1
            saved[name] = data
            for other in names:
                self.assertEqual(NvmStore(nvm).load(other), saved.get(other, b""))
        self.assertGreater(cuts, 300)

    def test_fresh_memory_of_any_content_holds_nothing(self):
        random = Rand16(4)
        for fill in (bytes(256), b"\xff" * 256, noise(random, 256), b"PN" * 128):
            store = NvmStore(bytearray(fill))
            self.assertEqual(store.load("key"), b"")
            store.save("key", b"secret")
            self.assertEqual(store.load("key"), b"secret")

    def test_full_is_said_and_harms_nothing(self):
        store = NvmStore(bytearray(256))
        store.save("key", b"k" * 40)
        with self.assertRaises(PortError) as caught:
            store.save("big", b"b" * 80)
        self.assertIn("'big' finds no room", str(caught.exception))
        self.assertEqual(store.load("key"), b"k" * 40)
        store.save("key", b"")
        store.save("big", b"b" * 80)
        self.assertEqual((store.load("key"), store.load("big")), (b"", b"b" * 80))

    def test_too_small_a_memory(self):
        with self.assertRaises(PortError):
            NvmStore(bytearray(20))


if __name__ == "__main__":
    unittest.main()
