"""A microphone: how loud each octave is.

    {"driver": "microphone", "layer": 1, "role": "microphone", "window": 1024}

The stream gives int16 samples, little-endian, one channel (I2S or PDM).  Eight half-band
filters in a row part them into octaves (`sil.kernels.bands`): at 16000 samples a second
31-62 Hz, 62-125, ... 4-8 kHz.  What lies below, and a constant offset with it, is dropped.
"""

from array import array

from sil.compat import About, const
from sil.intmath import isqrt
from sil.kernels import bands

from . import scale
from .base import Sensor, choice, number
from .parts import Stream

_BANDS = const(8)
_BLOCK = const(256)  # samples: one is left of them behind eight halvings
_TAPS = const(10)  # samples that a filter looks back


class Driver(Sensor):
    """Values: the root mean square of each octave, 0..32767, the lowest first.

    A reading is of `window` samples (256, 512 .. 4096) that follow each other.  The byte: rho
    is ln of the whole loudness, where a hundredth of full scale (`one`, by default 328) is 0;
    theta is twice the number of the loudest octave: 0 bass .. 14 treble.
    """

    PART = "stream"
    OPTIONS = ("window", "one")

    def __init__(self, stream: "Stream", entry: "About") -> None:
        Sensor.__init__(self, entry, 1, _BANDS, 0, 0)
        sizes = (1024, 256, 512, 2048, 4096)
        self.window = sizes[choice(entry, "window", sizes)]
        self._unit = number(entry, "one", 328, 1, 32767)
        self._stream = stream
        self._bytes = bytearray(2 * _BLOCK)
        self._from = 0
        self._to = 0
        self._work = array("h", [0] * (_TAPS + _BLOCK))
        self._half = array("h", [0] * (_TAPS + _BLOCK // 2))
        self._past = array("h", [0] * (_TAPS * _BANDS))
        self._energy = array("i", [0] * (2 * _BANDS))
        self._fill = 0  # samples in _work
        self._samples = 0  # of the window so far
        self._primed = False
        self._loudest = 0

    def _setup(self) -> None:
        self._primed = False  # what comes next does not follow what came

    def _fetch(self) -> bool:
        while True:
            if self._from == self._to:
                self._from = 0
                self._to = self._stream.readinto(self._bytes) & ~1
                if self._to <= 0:
                    self._to = 0
                    return False
            n = min(_BLOCK - self._fill, (self._to - self._from) >> 1)
            bands.gather(self._bytes, self._from, n, self._work, _TAPS + self._fill)
            self._from += 2 * n
            self._fill += n
            if self._fill == _BLOCK:
                self._fill = 0
                self._part()
                self._samples += _BLOCK
                if self._samples == self.window:
                    self._samples = 0
                    self._loudest = bands.levels(self._energy, _BANDS, self.window, self.values)
                    return True

    def _part(self) -> None:
        """Part the block in _work into octaves."""
        if not self._primed:
            # As if its first sample had always been there: an offset is no bang.
            self._primed = True
            i = 0
            while i < _TAPS * _BANDS:
                self._past[i] = self._work[_TAPS]
                i += 1
        a = self._work
        b = self._half
        n = _BLOCK
        band = 0
        while band < _BANDS:
            n = bands.split(a, n, b, self._past, _TAPS * band, self._energy, band)
            a, b = b, a
            band += 1

    def _judge(self) -> int:
        values = self.values
        shift = 0
        while values[self._loudest] >> shift > 8191:
            shift += 1
        total = 0
        band = 0
        while band < _BANDS:
            size = values[band] >> shift
            total += size * size
            band += 1
        rho = scale.strength(isqrt(total) << shift, self._unit)
        return scale.code(rho, 2 * self._loudest)
