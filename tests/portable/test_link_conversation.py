"""The recorded conversation comes out the same, byte for byte, on every interpreter."""

import unittest

import link_script as script
import vectors
from sil.link import events as ev
from sil.link import messages as m

try:
    from paebiru.transport.aes import aes
except ImportError:
    from sil.compat import aes


def hold(name, aes):
    """Hold a conversation; return both ends, and what differs from the recorded one."""
    recorded = vectors.load("link")[name]
    said = []

    def heard(who, data):
        for frame in script.split(data):
            said.append((who, vectors.tohex(frame)))

    board, hub = script.converse(heard, aes)
    expected = [(line["from"], line["bytes"]) for line in recorded]
    differing = [i for i in range(len(expected)) if said[i : i + 1] != expected[i : i + 1]]
    return board, hub, differing + said[len(expected) :]


class TestConversation(unittest.TestCase):
    def test_every_frame_is_the_recorded_one(self):
        board, hub, differing = hold("conversation", None)
        self.assertEqual(differing, [])
        self.assertEqual(bytes(hub.object), script.OBJECT)
        self.assertEqual(hub.posts[0][0], m.STATES)
        self.assertEqual(hub.posts[0][1], bytes(range(0xB8, 0xC8)) + b"\xdb\x03" * 8)
        self.assertEqual(board.posts, [(16, b"\x03\xc0\xdb")])

    def test_every_encrypted_frame_is_the_recorded_one(self):
        if aes is None:
            self.skipTest("no AES here")
        board, hub, differing = hold("encrypted", aes)
        self.assertEqual(differing, [])
        self.assertEqual(bytes(hub.object), script.OBJECT)
        self.assertEqual(board.posts, [(16, b"\x03\xc0\xdb")])

    def test_both_ends_were_told(self):
        board, hub = script.converse(None)
        self.assertEqual(board.events[:2], [ev.CONNECT, ev.UP])
        self.assertEqual(board.events[-2:], [ev.COMMITTED, ev.DOWN])
        self.assertEqual(hub.events, [ev.HELLO, ev.UP, ev.POST, ev.OFFER, ev.COMPLETE, ev.DOWN])

    def test_any_split_of_the_input_gives_the_same_events(self):
        recorded = vectors.load("link")["conversation"]
        up = b"".join([vectors.unhex(x["bytes"]) for x in recorded if x["from"] == "board"])
        text = b"caf\xc3\xa9 > \r\n"
        for size in (1, 2, 3, 7, 61, len(up) + len(text)):
            _, hub = script.new_pair()
            hub.tick(1000)
            data = text + up
            for at in range(0, len(data), size):
                hub.feed(data[at : at + size])
                hub.pull()
            self.assertEqual(
                hub.events, [ev.TEXT, ev.HELLO, ev.UP, ev.POST, ev.OFFER, ev.COMPLETE, ev.DOWN]
            )
            self.assertEqual(bytes(hub.object), script.OBJECT)
            self.assertEqual(bytes(hub.text), text)


if __name__ == "__main__":
    unittest.main()
