"""The benches of `port_contract`: one for the simulator's port, one for MicroPython's."""

import port_contract as contract


class SimBench:
    """A simulated board and its wire."""

    link = "hub"
    parts = True
    has_watchdog = True

    def __init__(self):
        from paebiru.sim.port import Clock, SimPort

        world = dict(contract.WORLD)
        world["i2s"] = {"0": bytes(range(256))}
        self.port = SimPort(contract.BOARD, Clock(), b"board-01", world=world)

    def again(self):
        return self.port.again(1)

    def say(self, data):
        self.port.wire(self.link).give(data)

    def heard(self):
        return self.port.wire(self.link).take()

    def hang_up(self):
        wire = self.port.wire(self.link)
        wire.unplug()
        self.port.clock.at(self.port.clock.now + 100, wire.plug)
        return True

    def close(self):
        pass


class TcpBench:
    """A board's port, and a hub that listens in the same process."""

    link = "hub"

    def __init__(self, parts, has_watchdog):
        import socket

        from paebiru_node.port.mp import Port

        self.parts = parts
        self.has_watchdog = has_watchdog
        self._make = Port
        self._server = socket.socket()
        self._server.setblocking(False)
        self._line = None
        self._board = dict(contract.BOARD)
        self._board["links"] = dict(contract.BOARD["links"])
        self._board["links"]["hub"] = dict(contract.LINK)
        self._board["links"]["hub"]["port"] = self._bound()
        self.port = Port(self._board)

    def _bound(self):
        import os
        import socket

        some = os.urandom(2)
        first = 20000 + (some[0] << 7)
        for port in range(first, 60000):  # MicroPython's sockets do not tell the one they got
            try:
                self._server.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                self._server.listen(1)
                return port
            except OSError:
                pass
        raise AssertionError("no port is free")

    def again(self):
        return self._make(self._board)

    def _accept(self):
        try:
            self._line = self._server.accept()[0]
            self._line.setblocking(False)
        except OSError:
            pass

    def say(self, data):
        self._accept()
        self._line.write(data)

    def heard(self):
        self._accept()
        got = b"" if self._line is None else self._line.read(4096)
        return got or b""

    def hang_up(self):
        self._accept()
        self._line.close()
        self._line = None
        return True

    def close(self):
        self.port.link(self.link).close()
        if self._line is not None:
            self._line.close()
        self._server.close()
