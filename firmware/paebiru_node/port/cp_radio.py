"""Lines to the hub through the air, on CircuitPython: TCP over Wi-Fi, and ESP-NOW."""

from sil.compat import const

from ..errors import PortError
from . import Entry
from .pieces import Pieces

try:
    import socketpool
    import wifi
except ImportError:  # a board without a radio: asking for a line says so
    socketpool = None  # type: ignore[assignment]
    wifi = None  # type: ignore[assignment]

try:
    import espnow
except ImportError:
    espnow = None  # type: ignore[assignment]

_ECONNRESET = const(104)  # CircuitPython's `errno` knows few of them
_ENOTCONN = const(107)
_PIECE = const(512)
_JOIN_S = const(8)
_DIAL_S = const(4)
_BUSY = (11, 110, 116)  # EAGAIN, ETIMEDOUT: the interpreter's, ESP-IDF's


class Tcp:
    """A connection to the hub over Wi-Fi.

    CircuitPython joins a network and dials in calls that wait, so that `open` takes up to 8 s
    where the network is out of reach, and 4 s where the hub is: less than any watchdog here.
    """

    datagrams = False
    hides_etx = False

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._pool = socketpool.SocketPool(wifi.radio)
        self._socket = None  # type: socketpool.Socket | None
        self._one = bytearray(1)
        self._is_held = False  # a byte in `_one` that was not read yet

    def open(self) -> bool:
        """Join the network at one call, dial at the next."""
        if self._socket is not None:
            return True
        if not wifi.radio.connected:
            self._join()
            return False
        self._dial()
        return True

    def has_bytes(self) -> bool:
        """Tell whether there is something to read: a byte is fetched to find out, and kept."""
        if self._socket is None:
            return False
        if not self._is_held:
            try:
                self._is_held = self._receive(self._one, 1) > 0
            except OSError:
                return True  # the next reading says it again
        return self._is_held

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there."""
        if not self._is_held:
            return self._receive(buf, len(buf))
        self._is_held = False
        buf[0] = self._one[0]
        if len(buf) == 1:
            return 1
        try:
            return 1 + self._receive(memoryview(buf)[1:], len(buf) - 1)
        except OSError:
            return 1  # the next reading says it again

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send what the network takes."""
        try:
            return self._line().send(memoryview(buf)[start : min(end, start + _PIECE)])
        except OSError as error:
            if error.args[0] in _BUSY:
                return 0
            raise

    def close(self) -> None:
        """Hang up; the Wi-Fi stays."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._is_held = False

    def _receive(self, buf: "bytearray | memoryview", size: int) -> int:
        try:
            count = self._line().recv_into(buf, size)
        except OSError as error:
            if error.args[0] in _BUSY:
                return 0
            raise
        if not count:
            raise OSError(_ECONNRESET)  # the hub closed the connection
        return count

    def _line(self) -> "socketpool.Socket":
        if self._socket is None:
            raise OSError(_ENOTCONN)
        return self._socket

    def _join(self) -> None:
        ssid = self._entry["ssid"]
        try:
            wifi.radio.connect(ssid, self._entry.get("password", ""), timeout=_JOIN_S)
        except (ConnectionError, OSError, ValueError) as error:
            # The interpreter's own words: "No network with that ssid", "Authentication failure".
            raise PortError("the Wi-Fi '%s': %s; correct ssid and password" % (ssid, error))

    def _dial(self) -> None:
        line = self._pool.socket(self._pool.AF_INET, self._pool.SOCK_STREAM)
        try:
            line.settimeout(_DIAL_S)
            line.connect((self._entry["host"], self._entry["port"]))
            line.settimeout(0)
        except OSError:
            line.close()
            raise
        self._socket = line


class EspNow:
    """Another board that passes on to the hub; see `pieces`."""

    datagrams = False
    hides_etx = False

    def __init__(self, entry: Entry) -> None:
        self._peer = espnow.Peer(bytes.fromhex(entry["peer"]), lmk=None, channel=entry["channel"])
        self._radio = None  # type: espnow.ESPNow | None
        self._pieces = Pieces()

    def open(self) -> bool:
        """Turn the radio on."""
        if self._radio is None:
            wifi.radio.enabled = True
            self._radio = espnow.ESPNow(buffer_size=4096)
            self._radio.peers.append(self._peer)
            self._pieces = Pieces()
        return True

    def has_bytes(self) -> bool:
        """Tell whether a piece waits."""
        return self._radio is not None and bool(self._radio)

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there; what other boards say is dropped."""
        at = 0
        while at < len(buf):
            if self._pieces.is_empty():
                packet = self._on().read()
                if packet is None:
                    break
                if packet.mac != self._peer.mac:
                    continue
                if not self._pieces.arrived(packet.msg):  # type: ignore[arg-type]
                    continue
            at = self._pieces.readinto(buf, at)
        return at

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send a piece; 0 while the radio is busy."""
        size = self._pieces.cut(buf, start, end)
        try:
            self._on().send(memoryview(self._pieces.out)[:size], self._peer)
        except OSError as error:
            if error.args[0] in _BUSY:  # its queue stayed full for 2 s
                return 0
            raise
        self._pieces.sent()
        return size - 1

    def close(self) -> None:
        """Turn ESP-NOW off."""
        if self._radio is not None:
            self._radio.deinit()
            self._radio = None

    def _on(self) -> "espnow.ESPNow":
        if self._radio is None:
            raise OSError(_ENOTCONN)
        return self._radio
