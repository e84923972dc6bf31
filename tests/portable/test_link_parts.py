"""The parts of the link, one by one: hashes, frames, replay window, posts, incoming chunks."""

import unittest

import vectors
from sil.errors import RangeError
from sil.intmath import Rand16
from sil.link import frame as fr
from sil.link import messages as m
from sil.link import sha
from sil.link.fields import get16, put16
from sil.link.frame import FrameReader, FrameWriter
from sil.link.incoming import IncomingObject
from sil.link.offer import BytesSource, Offer
from sil.link.outgoing import OutgoingObject
from sil.link.posts import Inbox, Outbox
from sil.link.replay import ReplayWindow

KEY = sha.HmacKey(bytes(range(32)))


class TestSha(unittest.TestCase):
    def test_hmac_of_rfc_4231(self):
        for key, data, expected in (
            (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
            (
                b"\xaa" * 131,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f",
            ),
        ):
            got = sha.tag(sha.HmacKey(key), b"xx" + data, 2, 2 + len(data))
            self.assertEqual(vectors.tohex(got[:16]), expected)

    def test_hkdf_of_rfc_5869(self):
        okm = sha.hkdf(bytes(range(13)), b"\x0b" * 22, bytes(range(0xF0, 0xFA)), 42)
        self.assertEqual(
            vectors.tohex(okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        )

    def test_same_sees_each_byte(self):
        tag = bytes(range(8))
        for i in range(8):
            other = bytearray(tag)
            other[i] ^= 0x80
            self.assertFalse(sha.same(other, 0, tag, 8))
        self.assertTrue(sha.same(b"x" + tag, 1, tag, 8))


def found(reader, data):
    """Return what the reader finds: (kind, bytes) each."""
    out = []
    at = 0
    while at < len(data):
        at = reader.feed(data, at, len(data))
        if reader.found != fr.NOTHING:
            out.append((reader.found, bytes(reader.buf[: reader.end])))
    return out


def framed(payload, hide_etx=False):
    """Return the encoded frame of a payload."""
    writer = FrameWriter(0, hide_etx)
    writer.buf[fr.HEADER : fr.HEADER + len(payload)] = payload
    writer.seal(m.POST, len(payload))
    out = bytearray(fr.MAX_ENCODED)
    return bytes(out[: writer.pull(out, 0, len(out))])


class TestFrame(unittest.TestCase):
    def test_every_byte_value_survives(self):
        payload = bytes(range(256))
        for hide in (False, True):
            data = framed(payload, hide)
            self.assertEqual(hide, 3 not in data)
            ((kind, frame),) = found(FrameReader(), data)
            self.assertEqual(kind, fr.FRAME)
            self.assertEqual(frame[fr.HEADER :], payload)

    def test_text_comes_out_between_frames(self):
        text = b">>> print('caf\xc3\xa9')\r\n\x1b[31mred\x1b[0m"
        data = text + framed(b"one") + b"two lines\nof text" + framed(b"two") + b"rest\n"
        got = found(FrameReader(), data)
        said = b"".join([part for kind, part in got if kind == fr.TEXT])
        self.assertEqual(said, text + b"two lines\nof text" + b"rest\n")
        self.assertEqual([part[8:] for kind, part in got if kind == fr.FRAME], [b"one", b"two"])

    def test_a_lost_delimiter_costs_one_frame(self):
        one, two, three = framed(b"one"), framed(b"two"), framed(b"three")
        for broken in (one[:-1] + two + three, one + two[1:] + three, one + two[:-1] + three):
            frames = [part[8:] for kind, part in found(FrameReader(), broken) if kind == fr.FRAME]
            self.assertEqual(len(frames), 3)

    def test_what_is_too_long_is_dropped(self):
        reader = FrameReader()
        self.assertEqual(found(reader, b"\xc0\x10" + b"\x01" * 5000), [])
        self.assertEqual([part[8:] for _, part in found(reader, framed(b"next"))], [b"next"])
        self.assertEqual(reader.damaged, 1)
        longest = max([len(part) for _, part in found(FrameReader(), b"x" * 5000)])
        self.assertEqual(longest, fr.MAX_TEXT)

    def test_pieces_of_any_size_are_the_same_bytes(self):
        payload = bytes((0xC0, 0xDB, 3, 65, 0xDB)) * 20
        for hide_etx in (False, True):
            whole = framed(payload, hide_etx)
            for piece in (1, 2, 3, 7, len(whole)):
                writer = FrameWriter(0, hide_etx)
                self.assertTrue(writer.is_idle())
                writer.buf[fr.HEADER : fr.HEADER + len(payload)] = payload
                writer.seal(m.POST, len(payload))
                out = bytearray(len(whole) + 9)
                at = 0
                while not writer.is_idle():
                    after = writer.pull(out, at, at + piece)
                    self.assertTrue(at < after <= at + piece)
                    at = after
                self.assertEqual(out[:at], whole)
                self.assertEqual(writer.pull(out, 0, 9), 0)
            writer.seal(m.POST, len(payload))
            writer.pull(out, 0, 30)
            writer.drop()
            self.assertTrue(writer.is_idle())

    def test_a_payload_beyond_the_limit_is_refused(self):
        writer = FrameWriter(0, False)
        with self.assertRaises(RangeError):
            writer.encode(fr.HEADER + fr.MAX_PAYLOAD + fr.MAC + 1)

    def test_mac(self):
        writer = FrameWriter(0, False)
        writer.head(fr.AUTHENTICATED, m.PING, 7, 9)
        writer.encode(writer.sign(KEY, fr.HEADER))
        out = bytearray(100)
        end = writer.pull(out, 0, len(out))
        reader = FrameReader()
        reader.feed(out, 0, end)
        self.assertTrue(reader.is_authentic(KEY))
        self.assertFalse(reader.is_authentic(sha.HmacKey(b"another")))
        reader.buf[5] ^= 1
        self.assertFalse(reader.is_authentic(KEY))


class TestReplayWindow(unittest.TestCase):
    def test_against_a_set(self):
        random = Rand16(5)
        for in_order in (True, False):
            window = ReplayWindow(in_order)
            taken = set()
            for _ in range(3000):
                counter = max(window.newest + random.next() % 90 - 70, 0)
                if in_order:
                    expected = counter > window.newest
                else:
                    known = counter in taken or counter <= 0
                    expected = not known and window.newest - counter < 64
                self.assertEqual(window.is_fresh(counter), expected)
                if expected:
                    window.accept(counter)
                    taken.add(counter)


class TestPosts(unittest.TestCase):
    def test_ring_against_a_list(self):
        random = Rand16(9)
        outbox = Outbox(1, 300)
        out = bytearray(1100)
        for _ in range(65530):  # numbers wrap soon
            outbox.put(16, b"", 0, 0)
            outbox.write_next(out, 0)
            outbox.acknowledge(outbox.next)
        waiting = []
        number = 65530
        inbox = Inbox()
        inbox.resume(1, number)
        got = []
        said = []
        for step in range(2000):
            body = bytes([step & 0xFF]) * (random.next() % 60)
            if outbox.put(16, body, 0, len(body)):
                waiting.append(body)
                said.append(body)
            if random.next() % 3 == 0:
                outbox.rewind()
            while outbox.has_unsent() and random.next() % 4:
                size = outbox.write_next(out, 0)
                if random.next() % 4 and inbox.accept(get16(out, 0)):
                    got.append(bytes(out[3:size]))
            if random.next() % 2:
                outbox.acknowledge(inbox.expected)
        self.assertEqual(got, said[: len(got)])
        self.assertTrue(len(got) > 500)
        self.assertEqual(outbox.waiting() + (outbox.base - number & 0xFFFF), len(said))

    def test_states_that_wait_share_a_post(self):
        outbox = Outbox(1)
        state = bytes(range(16))
        for _ in range(100):
            self.assertTrue(outbox.put_state(state, 0))
        self.assertEqual(outbox.waiting(), 2)
        out = bytearray(1100)
        self.assertEqual(outbox.write_next(out, 0), 3 + 63 * 16)
        self.assertTrue(outbox.put_state(state, 0))
        self.assertEqual(outbox.write_next(out, 0), 3 + 38 * 16)
        self.assertTrue(outbox.put_state(state, 0))
        self.assertEqual(outbox.waiting(), 3)

    def test_a_state_never_joins_a_post_that_has_left(self):
        outbox = Outbox(1)
        out = bytearray(1100)
        outbox.put_state(bytes(range(16)), 0)
        self.assertEqual(outbox.write_next(out, 0), 3 + 16)
        outbox.rewind()  # the acknowledgement is late: the peer may have the post
        outbox.put_state(bytes(range(16)), 0)
        self.assertEqual(outbox.write_next(out, 0), 3 + 16)
        self.assertEqual(outbox.waiting(), 2)

    def test_an_acknowledgement_may_come_late_or_twice_but_not_for_what_never_left(self):
        outbox = Outbox(1)
        out = bytearray(1100)
        for _ in range(5):
            outbox.put(16, b"post", 0, 4)
        for _ in range(4):
            outbox.write_next(out, 0)
        outbox.rewind()
        self.assertTrue(outbox.acknowledge(3))
        self.assertTrue(outbox.acknowledge(2))
        self.assertEqual(outbox.waiting(), 2)
        outbox.write_next(out, 0)
        self.assertEqual(get16(out, 0), 3)
        self.assertFalse(outbox.acknowledge(5))
        self.assertTrue(outbox.acknowledge(4))
        self.assertEqual(outbox.waiting(), 1)

    def test_a_full_outbox_says_so(self):
        outbox = Outbox(1, 100)
        self.assertTrue(outbox.put(16, bytes(60), 0, 60))
        self.assertFalse(outbox.put(16, bytes(60), 0, 60))
        with self.assertRaises(RangeError):
            outbox.put(16, bytes(1009), 0, 1009)


class TestIncoming(unittest.TestCase):
    def setUp(self):
        self.body = bytes((i * 3) & 0xFF for i in range(1000))
        self.incoming = IncomingObject(256)
        offer = bytearray(m.OFFER_SIZE)
        Offer(1, len(self.body), sha.digest(self.body, 0, len(self.body))).write(offer, 1)
        self.assertTrue(self.incoming.offered(offer, 0, 5000))
        self.incoming.accept(0)

    def arrive(self, unit, units):
        piece = self.body[unit * 16 : (unit + units) * 16]
        payload = bytearray(b"\1\0\0" + piece)
        put16(payload, 1, unit)
        self.incoming.arrived(payload, 0, len(payload))

    def test_chunks_of_any_cut_and_order(self):
        random = Rand16(77)
        got = bytearray()
        while len(got) < len(self.body):
            first = len(got) // 16 + random.next() % 20
            self.arrive(max(first - 12, 0), 1 + random.next() % 9)
            while self.incoming.readable():
                size = min(self.incoming.readable(), 1 + random.next() % 40)
                at = self.incoming.read_at()
                got += self.incoming.window[at : at + size]
                self.incoming.consume(size)
        self.assertEqual(bytes(got), self.body)
        self.assertTrue(self.incoming.duplicates > 0)


class TestOutgoing(unittest.TestCase):
    def test_a_sack_of_what_was_never_sent_is_refused(self):
        outgoing = OutgoingObject(256, True)
        outgoing.start(Offer(1, 1000, bytes(32)), BytesSource(bytes(1000)))
        buf = bytearray(1100)
        outgoing.write_offer(buf, 0, 0)
        accept = bytearray(m.ACCEPT_SIZE)
        put16(accept, m.ACCEPT_WINDOW, 16)
        self.assertTrue(outgoing.accepted(accept, 0, 0))
        self.assertEqual(outgoing.due(), m.DATA)
        outgoing.write_data(buf, 0, 1, 0)
        sack = bytearray(m.SACK_BITMAP)
        sack[m.SACK_CUMULATIVE] = 13
        self.assertFalse(outgoing.acknowledged(sack, 0, len(sack), 1))
        sack[m.SACK_CUMULATIVE] = 12
        self.assertTrue(outgoing.acknowledged(sack, 0, len(sack), 1))

    def test_one_object_at_a_time(self):
        outgoing = OutgoingObject(256, True)
        outgoing.start(Offer(1, 1, bytes(32)), BytesSource(b"x"))
        with self.assertRaises(RangeError):
            outgoing.start(Offer(1, 1, bytes(32)), BytesSource(b"x"))


if __name__ == "__main__":
    unittest.main()
