"""A node's steps allocate nothing but where something leaves the board or is made durable.

What may allocate, and is not locked here: a session's hashes and the slices of an object that
comes in (a chunk each), HEALTH (once a minute), checkpoints, and the first slice of a round,
which lists the samples.
"""

import io
import unittest

from locked import locked
from paebiru_node.app import Node
from paebiru_node.config import checked
from sil import jsil
from sil import protocol as p
from sil.jsil_head import ROTATE
from sil.link.keys import DeviceKey
from sil.protocol import Task

_INPUTS = 6
_SAMPLES = 24
_PERIOD = 100  # ms, of the sensor and of the states


class Line:
    """A line on which nobody speaks."""

    def open(self):
        return True

    def heard(self):
        pass

    def readinto(self, buf):
        return 0

    def write(self, buf, start, end):
        return end - start

    def close(self):
        pass


class Written(io.BytesIO):
    """A file that stays where it was written."""

    def __init__(self, files, name):
        super().__init__()
        self.files = files
        self.name = name

    def close(self):
        self.files[self.name] = self.getvalue()
        super().close()


class Bench:
    """A port in memory whose clock stands still."""

    def __init__(self, files):
        self.files = files
        self.line = Line()
        self.kept = {"key": DeviceKey(bytes(range(32)), 1).pack()}

    def ticks_ms(self):
        return 0

    def unique_id(self):
        return b"alloc"

    def urandom(self, n):
        return bytes(n)

    def cause(self):
        return 0

    def free(self):
        return 100000

    def log(self, text):
        raise AssertionError(text)

    def link(self, role):
        return self.line

    def load(self, name):
        return self.kept.get(name, b"")

    def save(self, name, data):
        self.kept[name] = bytes(data)

    def open(self, name, mode):
        if mode == "wb":
            return Written(self.files, name)
        if name not in self.files:
            raise OSError(2)
        return io.BytesIO(self.files[name])

    def remove(self, name):
        self.files.pop(name, None)


def recording():
    """Return labelled samples of two classes, each block of them alone."""
    frames = [bytes([(37 * i + 11 * k) & 255 for k in range(_INPUTS)] + [i & 1])
              for i in range(_SAMPLES)]  # fmt: skip
    return jsil.pack(frames, ROTATE, 8)


def config():
    """Return a node's configuration: one sensor that plays the recording, and learns from it."""
    sensor = {"driver": "replay", "layer": 0, "file": "x.jsil", "inputs": _INPUTS,
              "labelled": True, "period": _PERIOD}  # fmt: skip
    return checked({
        "version": 1, "board": {"links": {"usb": {"kind": "stdio"}}}, "links": ["usb"],
        "layers": [0], "sensors": [sensor], "period_ms": _PERIOD, "batch": 4,
        "learn": {"sensor": 0, "capacity": _SAMPLES, "preload": True},
    })  # fmt: skip


class TestNode(unittest.TestCase):
    def setUp(self):
        self.node = Node(Bench({"x.jsil": recording()}), config())
        node = self.node
        task = Task((_INPUTS, 5, 2), False, 500)
        node.learning.make(task, 1, None)
        node.learning.phase = p.IDLE
        node.learning.save()
        node.local.renew(node.learning)
        self.now = 0
        for _ in range(40):  # the line is open, every table made, every block decoded once
            self.now += _PERIOD // 4
            node.step(self.now)

    def test_steps_with_nothing_to_do(self):
        node = self.node
        node.step(self.now)
        before = node.local.answered
        now = self.now
        with locked():
            wait = node.step(now)
            node.step(now + 1)
            node.step(now + 2)
        self.assertEqual(node.local.answered, before)
        self.assertTrue(0 < wait <= 1000)

    def test_steps_that_sense_and_answer_and_gather_states(self):
        """Thirty readings: whole turns of the recording, and of the batches."""
        node = self.node
        now = self.now
        before = node.local.answered + node.local.handed_on
        lost = node.health.lost
        turns = 30
        with locked():
            while turns:
                now += _PERIOD
                node.step(now)
                turns -= 1
        self.assertEqual(node.local.answered + node.local.handed_on, before + 30)
        self.assertTrue(node.local.answered > 0)
        self.assertTrue(node.batches.size == 4 and node.health.lost == lost)

    def test_slices_of_training(self):
        node = self.node
        learning = node.learning
        learning.phase = p.TRAINING
        learning.epochs = 2
        learning.seed = 5
        node.step(self.now)  # lists the samples
        self.assertTrue(learning.step(1) is False)
        now = self.now
        with locked():
            one = learning.step(8)
            two = node.step(now)
        self.assertEqual((one, two), (False, 0))
        while learning.phase == p.TRAINING:
            node.step(now)
        self.assertEqual(learning.phase, p.REPORTING)


if __name__ == "__main__":
    unittest.main()
