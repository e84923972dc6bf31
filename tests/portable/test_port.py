"""The contract of the ports: the simulator's on CPython, MicroPython's on its VM."""

import os
import sys
import unittest

import port_benches
import port_contract as contract
from paebiru_node.errors import PortError

IS_CPYTHON = sys.implementation.name == "cpython"


try:
    import socket
except ImportError:
    socket = None  # no line to try a port on


def make_bench():
    return port_benches.SimBench() if IS_CPYTHON else port_benches.TcpBench(False, False)


class OwnFolder:
    """MicroPython's port keeps its files where it was started."""

    def __init__(self):
        self.here = os.getcwd()
        self.name = "build/port-" + os.urandom(6).hex()
        if "build" not in os.listdir():
            os.mkdir("build")
        os.mkdir(self.name)
        os.chdir(self.name)

    def leave(self):
        for name in os.listdir():
            os.remove(name)
        os.chdir(self.here)
        os.rmdir(self.name)


class TestPort(unittest.TestCase):
    def setUp(self):
        if socket is None:
            self.skipTest("this VM has no sockets")
        self.folder = None if IS_CPYTHON else OwnFolder()
        self.bench = make_bench()

    def tearDown(self):
        self.bench.close()
        if self.folder:
            self.folder.leave()

    def test_time(self):
        contract.check_time(self.bench)

    def test_identity(self):
        contract.check_identity(self.bench)

    def test_randomness(self):
        contract.check_randomness(self.bench)

    def test_health(self):
        contract.check_health(self.bench)

    def test_save_and_load(self):
        contract.check_save_and_load(self.bench)

    def test_save_refuses(self):
        contract.check_save_refuses(self.bench)

    def test_files(self):
        contract.check_files(self.bench)

    def test_what_is_not_described(self):
        contract.check_what_is_not_described(self.bench)

    def test_parts(self):
        contract.check_parts(self.bench)

    def test_watchdog(self):
        contract.check_watchdog(self.bench)

    def test_link(self):
        contract.check_link(self.bench)

    def test_link_in_bulk(self):
        contract.check_link_in_bulk(self.bench)

    def test_idle_ends_when_bytes_come(self):
        contract.check_idle_ends_when_bytes_come(self.bench)

    def test_link_closes_and_opens(self):
        contract.check_link_closes_and_opens(self.bench)

    def test_every_check_is_made(self):
        made = set(["check_" + name[5:] for name in dir(self) if name.startswith("test_")])
        for check in contract.CHECKS:
            self.assertIn(check.__name__, made)
        checks = [name for name in dir(contract) if name.startswith("check_")]
        self.assertEqual(len(checks), len(contract.CHECKS))


class TestPoorVm(unittest.TestCase):
    """Emulated boards are built without some modules: each lack has its own message."""

    def setUp(self):
        if IS_CPYTHON:
            self.skipTest("MicroPython's port is for its VM")

    def test_without_select(self):
        from paebiru_node.port import mp

        kept = mp.select
        mp.select = None
        try:
            with self.assertRaises(PortError) as caught:
                mp.Port({})
        finally:
            mp.select = kept
        self.assertIn("without select", str(caught.exception))

    def test_without_sockets(self):
        from paebiru_node.port import mp, mp_radio

        kept = mp_radio.socket
        mp_radio.socket = None
        try:
            with self.assertRaises(PortError) as caught:
                mp.Port({"links": {"hub": contract.LINK}}).link("hub")
        finally:
            mp_radio.socket = kept
        self.assertIn("without sockets", str(caught.exception))

    def test_without_network_espnow_or_watchdog(self):
        from paebiru_node.port.mp import Port

        wifi = {"kind": "tcp", "ssid": "home", "host": "hub", "port": 1}
        radio = {"kind": "espnow", "peer": "aabbccddeeff", "channel": 1}
        port = Port({"links": {"wifi": wifi, "radio": radio}, "watchdog_ms": 1000})
        for ask, words in (
            (lambda: port.link("wifi"), "leave ssid out" if socket else "leave the link out"),
            (lambda: port.link("radio"), "links.radio: this interpreter has no such hardware"),
            (port.feed, "the watchdog: this interpreter has no such hardware"),
        ):
            with self.assertRaises(PortError) as caught:
                ask()
            self.assertIn(words, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
