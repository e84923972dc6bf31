"""A microphone on I2S: the world's samples, as fast as they were taken."""

import io
import time

from line import ask

_PIECE = 4096
_POLL = 3
_POLLIN = 1


class I2S(io.IOBase):
    """An input; blocking until `select.poll` is used on it, as on the ESP32 port."""

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
        self._id = id
        self._frame = (bits >> 3) << format
        self._rate = rate
        self._room = ibuf
        self._waits = True
        self._since = time.ticks_ms()
        ask("i2s %d 0" % id)  # an input that hears nothing is found when it is named

    def readinto(self, buf: bytearray) -> int:
        """Fill `buf`, or as much as is there once it is polled; return how many bytes."""
        want = len(buf) // self._frame * self._frame
        done = 0
        view = memoryview(buf)
        while done < want:
            ready = self._ready()
            if ready == 0:
                if not self._waits:
                    break
                time.sleep_ms(1)
                continue
            size = min(ready, want - done, _PIECE)
            view[done : done + size] = ask("i2s %d %d" % (self._id, size))
            self._take(size)
            done += size
        return done

    def ioctl(self, op: int, arg: int) -> int:
        """Answer `select.poll`."""
        if op != _POLL:
            return -22  # EINVAL: 0 would be a file descriptor, when it is asked for one
        self._waits = False
        return arg & _POLLIN if self._ready() else 0

    def irq(self, handler: object) -> None:
        """Not here: no interrupt can come from outside of the VM."""
        raise NotImplementedError("the virtual board's I2S has no interrupt: use select.poll")

    def deinit(self) -> None:
        """Stop."""

    def _ready(self) -> int:
        """Return how many bytes were heard and not read; what ibuf cannot hold is lost."""
        frames = time.ticks_diff(time.ticks_ms(), self._since) * self._rate // 1000
        if frames * self._frame > self._room:
            frames = self._room // self._frame
            self._since = time.ticks_add(time.ticks_ms(), -(frames * 1000 // self._rate))
        return frames * self._frame

    def _take(self, size: int) -> None:
        self._since = time.ticks_add(self._since, size // self._frame * 1000 // self._rate)
