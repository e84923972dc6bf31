"""Parts that send by themselves, on I2S or a UART: the world's bytes, as fast as real ones come."""

import io
import time

from line import ask

_PIECE = 4096
_POLL = 3
_POLLIN = 1
_POLLOUT = 4
_EINVAL = 22


class _Stream(io.IOBase):
    """Bytes that wait in a buffer of `room` until they are read; what it cannot hold is lost.

    rate:   items a second
    item:   bytes of one
    """

    def __init__(self, name: str, rate: int, item: int, room: int) -> None:
        self._name = name
        self._rate = rate
        self._item = item
        self._room = room
        self._since = time.ticks_ms()

    def _ready(self) -> int:
        """Return how many bytes have come and were not read."""
        items = time.ticks_diff(time.ticks_ms(), self._since) * self._rate // 1000
        if items * self._item > self._room:
            items = self._room // self._item
            self._since = time.ticks_add(time.ticks_ms(), -(items * 1000 // self._rate))
        return items * self._item

    def _take(self, view: memoryview) -> int:
        """Fill as much of `view` as has come, in whole items; return how many bytes."""
        size = min(self._ready(), len(view) // self._item * self._item, _PIECE)
        if size:
            view[:size] = ask("%s %d" % (self._name, size))
            self._since = time.ticks_add(self._since, size // self._item * 1000 // self._rate)
        return size

    def _polled(self) -> int:
        return _POLLIN if self._ready() else 0

    def ioctl(self, op: int, arg: int) -> int:
        """Answer `select.poll`; 0 to another question could be taken for a file descriptor."""
        return arg & self._polled() if op == _POLL else -_EINVAL


class I2S(_Stream):
    """A microphone; blocking until `select.poll` is used on it, as on the ESP32 port."""

    RX = 0
    TX = 1
    MONO = 0
    STEREO = 1

    def __init__(
        self,
        id: int,
        *,
        sck: object,
        ws: object,
        sd: object,
        mode: int,
        bits: int,
        format: int,
        rate: int,
        ibuf: int,
    ) -> None:
        if id not in (0, 1):
            raise ValueError("invalid id")
        if mode != self.RX:
            raise NotImplementedError("the virtual board hears and does not speak")
        if bits not in (16, 32):
            raise ValueError("invalid bits")
        super().__init__("i2s %d" % id, rate, (bits >> 3) << format, ibuf)
        self._waits = True
        ask("i2s %d 0" % id)  # an input that hears nothing is found when it is named

    def readinto(self, buf: bytearray) -> int:
        """Fill `buf`, or as much as is there once it is polled; return how many bytes."""
        view = memoryview(buf)
        want = len(buf) // self._item * self._item
        done = self._take(view[:want])
        while done < want and (self._waits or self._ready()):
            if not self._ready():
                time.sleep_ms(1)
            done += self._take(view[done:want])
        return done

    def _polled(self) -> int:
        self._waits = False
        return super()._polled()

    def irq(self, handler: object) -> None:
        """Not here: no interrupt can come from outside of the VM."""
        raise NotImplementedError("the virtual board's I2S has no interrupt: use select.poll")

    def deinit(self) -> None:
        """Stop."""


class UART(_Stream):
    """A serial line: it hears what the world sends, and speaks to nobody.  It never waits."""

    def __init__(
        self, id: int, baudrate: int = 115200, bits: int = 8, *args: object, **more: int
    ) -> None:
        if id not in (1, 2):
            raise ValueError("UART(%d) doesn't exist" % id)  # 0 is the REPL's
        super().__init__("uart %d" % id, baudrate // 10, 1, more.get("rxbuf", 256))
        self._is_there = True
        try:
            ask("uart %d 0" % id)
        except OSError:
            self._is_there = False  # an open end: silence

    def any(self) -> int:
        """Return how many bytes wait."""
        return self._ready() if self._is_there else 0

    def readinto(self, buf: bytearray, nbytes: "int | None" = None) -> "int | None":
        """Take what is there; None when nothing is."""
        if not self._is_there:
            return None
        return self._take(memoryview(buf)[: len(buf) if nbytes is None else nbytes]) or None

    def read(self, nbytes: int = 256) -> "bytes | None":
        """Return what is there, None when nothing is."""
        buf = bytearray(min(nbytes, self.any()))
        size = self.readinto(buf)
        return bytes(memoryview(buf)[:size]) if size else None

    def write(self, buf: bytes) -> int:
        """Send."""
        return len(buf)

    def deinit(self) -> None:
        """Stop."""

    def _polled(self) -> int:
        return _POLLOUT | (_POLLIN if self.any() else 0)
