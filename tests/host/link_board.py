"""A board's side of test_link_processes.py; runs on the real MicroPython VM, not on CPython.

    micropython link_board.py tcp PORT SIZE | stdio SIZE

It sends an object of SIZE bytes, takes one, and leaves when both are committed.
"""

import hashlib
import select
import sys
import time

from sil.kernels import wire
from sil.link import events as ev
from sil.link import messages as m
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.offer import Offer, Source
from sil.link.posts import Outbox

SECRET = bytes(range(32))
PERIOD = 4096


class Pattern(Source):
    """An object of any size: a block of 4 KiB over and over, its number in front."""

    def __init__(self):
        self.block = bytearray((i * 7 + (i >> 4) * 13) & 0xFF for i in range(PERIOD))

    def read(self, offset, buf, at, size):
        while size:
            inside = offset % PERIOD
            count = min(size, PERIOD - inside)
            self.block[0] = (offset // PERIOD) & 0xFF
            wire.copy(self.block, inside, inside + count, buf, at)
            offset += count
            at += count
            size -= count


def digest_of(source, size):
    h = hashlib.sha256()
    buf = bytearray(PERIOD)
    for offset in range(0, size, PERIOD):
        count = min(PERIOD, size - offset)
        source.read(offset, buf, 0, count)
        h.update(memoryview(buf)[:count])
    return h.digest()


class TcpLine:
    def __init__(self, port):
        import socket

        self.socket = socket.socket()
        self.socket.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
        self.socket.setblocking(False)
        self.file = self.socket

    def read(self, buf):
        return self.socket.readinto(buf)

    def write(self, data):
        try:
            return self.socket.send(data)
        except OSError:
            return 0


class StdioLine:
    def __init__(self):
        import micropython

        micropython.kbd_intr(-1)
        self.file = sys.stdin.buffer

    def read(self, buf):
        got = self.file.read(1)  # a tty gives what is there, one byte at least
        if not got:
            return 0
        buf[0] = got[0]
        return 1

    def write(self, data):
        return sys.stdout.buffer.write(data)


def main():
    stdio = sys.argv[1] == "stdio"
    line = StdioLine() if stdio else TcpLine(int(sys.argv[2]))
    size = int(sys.argv[-1])
    source = Pattern()
    boot = time.time_ns() & 0xFFFFFF
    session = Initiator(Identity(b"board-01", boot), Outbox(boot + 1))
    key = DeviceKey(SECRET, 1)
    session.offer(Offer(1, size, digest_of(source, size)), source)
    poll = select.poll()
    poll.register(line.file, select.POLLIN)
    buf = bytearray(2048)
    out = bytearray(1024)
    pending = 0
    sent = 0
    hashed = hashlib.sha256()
    done = 0
    quiet_since = None
    last_text = 0
    while True:
        now = time.ticks_ms() & 0x1FFFFFFF
        session.tick(now)
        count = 0
        while count < len(buf) and poll.poll(0):
            got = line.read(memoryview(buf)[count:])
            if not got:
                break
            count += got
        at = 0
        while True:
            event = session.next_event()
            if not event:
                if at >= count:
                    break
                at = session.feed(buf, at, count)
                continue
            if event == ev.CONNECT:
                with open("/dev/urandom", "rb") as f:  # noqa: PTH123
                    session.connect(key, f.read(16))
            elif event == ev.OFFER:
                hashed = hashlib.sha256()
                session.accept(0)
            elif event == ev.DATA:
                hashed.update(memoryview(session.incoming.window)[session.start : session.end])
                session.consume(session.end - session.start)
            elif event == ev.COMPLETE:
                if hashed.digest() == session.incoming.digest():
                    session.commit()
                    done |= 1
                else:
                    session.refuse(m.E_HASH)
            elif event == ev.COMMITTED:
                done |= 2
        if sent == pending:
            pending = session.pull(out, len(out))
            sent = 0
        if sent < pending:
            sent += line.write(memoryview(out)[sent:pending]) or 0
        elif count == 0:
            poll.poll(1)
            if stdio and now - last_text > 200:
                last_text = now
                print("free", now)
        if done == 3:
            if quiet_since is None or count:
                quiet_since = now
            elif now - quiet_since > 300:
                session.close()
                size = session.pull(out, len(out))
                line.write(memoryview(out)[:size])
                return


main()
