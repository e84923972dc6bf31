"""The link's steady state (posts, DATA, SACK) allocates nothing outside of `sil.link.sha`."""

import unittest

import link_script as script
from locked import LOCKS, heap_lock, heap_unlock, locked
from sil.link import events as ev
from sil.link import sha

_OBJECT = bytes((7 * i) & 0xFF for i in range(24000))


class Unlocked:
    """Let `sha.tag`, which must make hash objects, allocate as it does anywhere."""

    def __enter__(self):
        self.tag = sha.tag
        sha.tag = self.unlocked_tag

    def __exit__(self, kind, value, trace):
        sha.tag = self.tag

    def unlocked_tag(self, key, buf, start, end):
        heap_unlock()
        result = self.tag(key, buf, start, end)
        heap_lock()
        return result


def pump(sender, receiver, out, rounds):
    """Carry bytes both ways, consuming DATA, without an allocation of its own."""
    consumed = 0
    posts = 0
    now = 2000
    while rounds:
        rounds -= 1
        now += 3
        sender.tick(now)
        receiver.tick(now)
        size = sender.pull(out, len(out))
        at = 0
        while at < size:
            at = receiver.feed(out, at, size)
            event = receiver.next_event()
            while event:
                if event == ev.DATA:
                    consumed += receiver.end - receiver.start
                    receiver.consume(receiver.end - receiver.start)
                elif event == ev.POST:
                    posts += 1
                event = receiver.next_event()
        size = receiver.pull(out, len(out))
        at = 0
        while at < size:
            at = sender.feed(out, at, size)
            while sender.next_event():
                pass
    return (consumed << 8) | posts


class SteadyState(unittest.TestCase):
    def pair(self):
        board, hub = script.new_pair(2048)
        board.tick(1000)
        hub.tick(1000)
        script.exchange(board, hub)
        script.offer(board.session, _OBJECT)
        board.session.tick(1001)
        hub.feed(board.pull())
        board.feed(hub.pull())
        return board, hub

    def test_object_and_states_flow_with_the_heap_locked(self):
        board, hub = self.pair()
        out = bytearray(700)
        state = bytes(range(16))
        with Unlocked():
            with locked():
                board.session.send_state(state, 0)
                board.session.send_state(state, 0)
                result = pump(board.session, hub.session, out, 150)
        self.assertEqual(result >> 8, len(_OBJECT))
        self.assertEqual(result & 0xFF, 1)
        self.assertEqual(board.session.outbox.waiting(), 0)

    def test_losses_are_repaired_with_the_heap_locked(self):
        board, hub = self.pair()
        out = bytearray(333)
        with Unlocked():
            with locked():
                board.session.pull(out, len(out))  # lost
                first = pump(board.session, hub.session, out, 5)
                board.session.pull(out, len(out))  # lost
                rest = pump(board.session, hub.session, out, 300)
        self.assertEqual((first >> 8) + (rest >> 8), len(_OBJECT))
        self.assertTrue(board.session.outgoing.lost_frames > 0)

    def test_the_lock_would_notice(self):
        if not LOCKS:
            self.skipTest("this interpreter cannot lock its heap")
        board, _ = self.pair()
        with self.assertRaises(MemoryError):
            with locked():
                board.pull()
