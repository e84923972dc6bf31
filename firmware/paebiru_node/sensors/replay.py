"""A recording as a sensor: the frames of a `.jsil` file, one a reading, over and over.

    {"driver": "replay", "layer": 0, "file": "digits.jsil", "inputs": 64, "labelled": true}

With `inputs`, a frame is that many bytes for a network (uint8 Q8, or int8 Q5 if `signed`),
then the class of it if `labelled`.  Without, it is a state of 16 bytes, of which this
sensor's layer is the byte.

The file is read in pieces through the core's decoder, in memory that its head asks for: least
in mode ROTATE, whose blocks stand alone, since the board's one model then serves here too.
Behind the last frame comes the first again; a tail that was torn off is left out.
"""

from array import array

from sil.compat import About, const
from sil.errors import SilError
from sil.guarded import Reader
from sil.jsil_head import MAGIC, ROTATE, Head
from sil.jsil_parse import parse
from sil.jsil_read import Decoder

from ..coding import model
from ..errors import SensorError
from . import scale
from .base import Sensor, flag, number
from .parts import File, Port

_STATE = const(16)
_PIECE = const(256)  # bytes read from the file at once
_HEAD = const(64)  # no head is longer
_MOST_INPUTS = const(1024)


class Driver(Sensor):
    """`values` are the inputs as integers, or the 16 bytes of a state.

    The byte of inputs: rho is ln of their mean size, where 1.0 (256 of Q8, 32 of Q5) is 0;
    theta is the sixteenth of them that is strongest.

    Raises:
        SensorError: no such file, a damaged one, or of another frame than the entry says; by
            `poll` too, when the damage lies further behind.
    """

    PART = "port"
    OPTIONS = ("file", "inputs", "labelled", "signed")

    def __init__(self, port: "Port", entry: "About") -> None:
        size = number(entry, "inputs", 0, 0, _MOST_INPUTS)
        Sensor.__init__(self, entry, 0, size or _STATE, 0, 0)
        self.signed = flag(entry, "signed")
        self.label = -1
        self._labelled = flag(entry, "labelled")
        self._of_states = size == 0
        if self._of_states and (self._labelled or self.signed):
            raise SensorError("replay: labelled and signed are of inputs: say how many there are")
        if not self._of_states:
            self.inputs = bytearray(size)
        name = entry.get("file")
        if not isinstance(name, str) or not name:
            raise SensorError('replay: name the recording, as "file": "digits.jsil"')
        self.where = "recording %s" % name
        self._frame = bytearray(self.channels + (1 if self._labelled else 0))
        self._piece = bytearray(_PIECE)
        try:
            self._file = port.open(name, "rb")
        except OSError as error:
            raise SensorError(
                "%s cannot be opened (%s): copy it to the board" % (self.where, error)
            )
        self._start_of_blocks = 0
        self._decoder = self._open()
        self._at = 0
        self._end = 0
        self._rewind(False)
        if not self._advance():
            raise SensorError("%s holds no whole frame: record it again" % self.where)
        self._rewind(True)

    def _open(self) -> Decoder:
        """Read the head; return a decoder with the memory that it asks for."""
        head = self._read_head(self._file)
        if head.size != len(self._frame):
            raise SensorError(
                "%s has frames of %d bytes, this entry asks for %d: set inputs and labelled"
                % (self.where, head.size, len(self._frame))
            )
        if head.agreed:
            raise SensorError("%s needs a model to be read: pack it anew" % self.where)
        try:
            alone = head.mode == ROTATE  # no block needs what the one before left in the model
            return Decoder(head.size, head.group, head.rows, model() if alone else None)
        except MemoryError:
            raise SensorError(
                "%s needs %d bytes for a block: pack it with a smaller group"
                % (self.where, (3 * head.group + 1) * head.size)
            )

    def _read_head(self, file: "File") -> Head:
        one = bytearray(1)
        reader = Reader()
        numbers: "list[int]" = []
        try:
            for i in range(_HEAD):
                if not file.readinto(one) or (i < len(MAGIC) and one[0] != MAGIC[i]):
                    break
                if i >= len(MAGIC) and reader.take(one[0]):
                    numbers.append(reader.value)
                    head = parse(numbers, ())
                    if head is not None:
                        self._start_of_blocks = i + 1
                        return head
        except SilError as error:
            raise SensorError("%s: %s" % (self.where, error))
        raise SensorError("%s is no JSIL stream: pack it with `paebiru jsil pack`" % self.where)

    def _rewind(self, known: bool) -> None:
        """Go back to the first frame; with `known`, to behind the head, which stays as it is."""
        self._file.seek(self._start_of_blocks if known else 0)
        self._decoder.restart(known)
        self._at = 0
        self._end = 0

    def _advance(self) -> bool:
        """Decode until a frame waits; return False at the end of the file."""
        decoder = self._decoder
        while not decoder.waiting:
            if self._at == self._end:
                self._at = 0
                self._end = self._file.readinto(self._piece) or 0
                if self._end == 0:
                    return False
            try:
                self._at = decoder.feed(self._piece, self._at, self._end)
            except SilError as error:
                raise SensorError("%s: %s" % (self.where, error))
        return True

    def rewind(self) -> None:
        """Let the first frame be the next."""
        self._rewind(True)

    def next(self) -> bool:
        """Read the next frame, whatever the time; return False, once, behind the last.

        Raises:
            SensorError: the recording is damaged here.
            OSError: the file cannot be read.
        """
        if self._advance():
            self._unpack()
            return True
        self._rewind(True)
        return False

    def _setup(self) -> None:
        self._rewind(True)  # a read that failed may have been half of one

    def _fetch(self) -> bool:
        if not self.next() and not self.next():
            raise SensorError("%s has lost its frames: record it again" % self.where)
        return True

    def _unpack(self) -> None:
        frame = self._frame
        self._decoder.pull(frame, 0, len(frame))
        n = self.channels
        values = self.values
        i = 0
        while i < n:
            byte = frame[i]
            if not self._of_states:
                self.inputs[i] = byte
            values[i] = (byte ^ 128) - 128 if self.signed else byte
            i += 1
        if self._labelled:
            self.label = frame[n]

    def _judge(self) -> int:
        if self._of_states:
            return self._frame[self.layer]
        return _strongest(self.values, self.channels, 32 if self.signed else 256)


def _strongest(values: "array[int]", n: int, one: int) -> int:
    """Return the byte of n inputs: ln of their mean size, and their strongest sixteenth."""
    total = 0
    part = 0
    most = 0
    theta = 0
    section = 0
    i = 0
    while i < n:
        value = values[i]
        part += value if value >= 0 else -value
        i += 1
        if i * 16 >= n * (section + 1):  # the section ends here
            if part > most:
                most = part
                theta = section
            total += part
            part = 0
            section = i * 16 // n
    return scale.code(scale.strength(total, one * n), theta)
