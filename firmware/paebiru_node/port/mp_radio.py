"""Lines to the hub through the air, on MicroPython: TCP over Wi-Fi, and ESP-NOW."""

import errno

from sil.compat import const, ticks_diff

from ..errors import PortError
from . import Entry
from .mp_links import ticks_ms
from .pieces import Pieces

try:
    import select
    import socket
except ImportError:  # an emulated board: asking for TCP says so
    select = None  # type: ignore[assignment]
    socket = None  # type: ignore[assignment]

try:
    import network
except ImportError:  # a VM: the machine's own network
    network = None  # type: ignore[assignment]

try:
    import espnow
except ImportError:
    espnow = None  # type: ignore[assignment]

_DOWN = const(0)
_JOINING = const(1)
_DIALLING = const(2)
_UP = const(3)

_JOIN_MS = const(20000)
_DIAL_MS = const(10000)
_PIECE = const(1024)

# What `WLAN.status()` says: its STAT_ constants, and reasons of ESP-IDF (wifi_err_reason_t)
# that have none.
_NO_ACCESS_POINT = (201, 210, 211, 212)
_NO_AUTHENTICATION = (15, 202, 204)
_IN_PROGRESS = (115, 119)  # EINPROGRESS: Linux, ESP-IDF


class Tcp:
    """A connection to the hub, over the board's Wi-Fi when the description names one."""

    datagrams = False
    hides_etx = False

    def __init__(self, polled: "select.poll", entry: Entry) -> None:
        if socket is None:
            raise PortError("this interpreter was built without sockets: leave the link out")
        self._polled = polled
        self._host = entry["host"]
        self._port = entry["port"]
        self._ssid = entry.get("ssid", "")
        self._password = entry.get("password", "")
        self._wlan = None
        if self._ssid:
            if network is None:
                raise PortError("this machine has no Wi-Fi of its own: leave ssid out")
            self._wlan = network.WLAN(network.STA_IF)
        self._socket = None  # type: socket.socket | None
        self._connected = select.poll()
        self._state = _DOWN
        self._since = 0

    def open(self) -> bool:
        """Join the network, then dial: a step a call.  PortError says what to correct."""
        if self._state == _UP:
            return True
        try:
            return self._step()
        except (OSError, PortError):
            self.close()
            raise

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there."""
        count = self._line().readinto(buf)
        if count == 0:
            raise OSError(errno.ECONNRESET)  # the hub closed the connection
        return count or 0  # None: nothing yet

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send what the network takes."""
        size = min(end - start, _PIECE)
        # MicroPython's streams take an offset and a size (py/stream.c): no slice to allocate.
        return self._line().write(buf, start, size) or 0  # type: ignore[call-arg]

    def close(self) -> None:
        """Hang up; the Wi-Fi stays."""
        self._state = _DOWN
        if self._socket is not None:
            self._polled.unregister(self._socket)
            self._connected.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _line(self) -> "socket.socket":
        if self._socket is None:
            raise OSError(errno.ENOTCONN)
        return self._socket

    def _step(self) -> bool:
        if self._state == _DOWN:
            self._join()
        if self._state == _JOINING and self._has_joined():
            self._dial()
        if self._state == _DIALLING and self._has_connected():
            self._state = _UP
        return self._state == _UP

    def _enter(self, state: int) -> None:
        self._state = state
        self._since = ticks_ms()

    def _join(self) -> None:
        wlan = self._wlan
        if wlan is not None and not wlan.isconnected():
            wlan.active(True)
            try:
                wlan.disconnect()  # an attempt that is under way
            except OSError:
                pass
            wlan.config(reconnects=2)  # else it tries for ever and never tells why
            wlan.connect(self._ssid, self._password)
        self._enter(_JOINING)

    def _has_joined(self) -> bool:
        wlan = self._wlan
        if wlan is None or wlan.isconnected():
            return True
        status = wlan.status()
        if status in _NO_ACCESS_POINT:
            raise PortError("there is no Wi-Fi '%s' here; correct its ssid, or move" % self._ssid)
        if status in _NO_AUTHENTICATION:
            raise PortError("the Wi-Fi '%s' refuses the password; correct it" % self._ssid)
        if ticks_diff(ticks_ms(), self._since) > _JOIN_MS:
            raise PortError("the Wi-Fi '%s' gave no address in 20 s (%d)" % (self._ssid, status))
        return False

    def _dial(self) -> None:
        try:
            found = socket.getaddrinfo(self._host, self._port)
        except OSError:
            found = []
        if not found:
            raise PortError("no address for the hub '%s'; is the name right?" % self._host)
        line = socket.socket()
        line.setblocking(False)
        self._socket = line
        self._polled.register(line, select.POLLOUT)
        self._connected.register(line, select.POLLOUT)
        try:
            line.connect(found[0][-1])
        except OSError as error:
            if error.args[0] not in _IN_PROGRESS:
                raise
        self._enter(_DIALLING)

    def _has_connected(self) -> bool:
        for item in self._connected.ipoll(0):
            if item[1] & (select.POLLERR | select.POLLHUP):
                raise OSError(errno.ECONNREFUSED)
            self._polled.modify(self._line(), select.POLLIN)
            return True
        if ticks_diff(ticks_ms(), self._since) > _DIAL_MS:
            raise OSError(errno.ETIMEDOUT)
        return False


class EspNow:
    """Another board that passes on to the hub; see `pieces`."""

    datagrams = False
    hides_etx = False

    def __init__(self, polled: "select.poll", entry: Entry) -> None:
        self._polled = polled
        self._peer = bytes.fromhex(entry["peer"])
        self._channel = entry["channel"]
        self._wlan = network.WLAN(network.STA_IF)
        self._radio = espnow.ESPNow()
        self._pieces = Pieces()
        self._is_open = False

    def open(self) -> bool:
        """Turn the radio on."""
        if not self._is_open:
            self._wlan.active(True)
            if not self._wlan.isconnected():  # joined to a Wi-Fi, the channel is its own
                self._wlan.config(channel=self._channel)
            self._radio.config(rxbuf=4096)
            self._radio.active(True)
            self._radio.add_peer(self._peer)
            self._pieces = Pieces()
            self._polled.register(self._radio, select.POLLIN)
            self._is_open = True
        return True

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there; what other boards say is dropped."""
        at = 0
        while at < len(buf):
            if self._pieces.is_empty():
                sender, piece = self._radio.irecv(0)
                if sender is None or piece is None:
                    break
                if sender != self._peer or not self._pieces.arrived(piece):
                    continue
            at = self._pieces.readinto(buf, at)
        return at

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send a piece; 0 while the radio is busy."""
        size = self._pieces.cut(buf, start, end)
        try:
            self._radio.send(self._peer, bytes(memoryview(self._pieces.out)[:size]), False)
        except OSError as error:
            if "ESP_ERR_ESPNOW_NO_MEM" in error.args:
                return 0
            raise
        self._pieces.sent()
        return size - 1

    def close(self) -> None:
        """Turn ESP-NOW off."""
        if self._is_open:
            self._polled.unregister(self._radio)
            self._radio.active(False)
            self._is_open = False
