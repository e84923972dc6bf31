"""MicroPython's port: lines, clock and idling allocate nothing once a line is up."""

import sys
import unittest

import port_contract
from locked import locked

try:
    import socket
except ImportError:
    socket = None


class TestPort(unittest.TestCase):
    def setUp(self):
        if socket is None or sys.implementation.name != "micropython":
            self.skipTest("the port to MicroPython needs its VM, and a socket to talk to")
        import port_benches

        self.bench = port_benches.TcpBench(False, False)
        self.link = port_contract.opened(self.bench)
        self.buf = bytearray(2114)

    def tearDown(self):
        self.bench.close()

    def test_a_line_in_use(self):
        port = self.bench.port
        link = self.link
        buf = self.buf
        self.bench.say(b"x")  # a poll makes the one tuple that it gives when it first gives it
        port.idle(1000)
        port_contract.received(self.bench, link, 1)
        self.bench.say(b"some bytes")
        with locked():
            start = port.ticks_ms()
            port.idle(1000)
            count = link.readinto(buf)
            none = link.readinto(buf)
            port.idle(2)
            up = link.open()
            link.heard()
            sent = link.write(buf, 0, 10)
            sent += link.write(buf, 2, 1026)
            end = port.ticks_ms()
        self.assertEqual((count, none, sent, up), (10, 0, 1034, True))
        self.assertEqual(bytes(buf[:10]), b"some bytes")
        self.assertTrue(end - start < 1000)

    def test_a_line_that_is_shared_with_the_repl(self):
        from paebiru_node.port.mp import Port

        port = Port({"links": {"usb": {"kind": "stdio"}}})
        link = port.link("usb")
        link.open()
        try:
            buf = bytearray(b"..\n")
            link.write(buf, 2, 3)
            with locked():
                link.heard()
                wrote = link.write(buf, 2, 3)
            self.assertEqual(wrote, 1)
        finally:
            link.close()


if __name__ == "__main__":
    unittest.main()
