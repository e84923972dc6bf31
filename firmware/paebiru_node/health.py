"""How a board is: what it tells its hub each minute, and what survives a crash."""

from sil import protocol as p
from sil.compat import const
from sil.link.fields import put16, put32

from .kinds import Port, Sampler, Uplink

SAFE_AFTER = 3  # crashes in a row

_MAX = const(400)  # bytes, text included


class Health:
    """Counts and reasons.

    Args:
        port: the hardware.
        boots: how often this board has started.
        crashes: how often in a row it crashed.
        error: what the last crash said.
    """

    def __init__(self, port: "Port", boots: int, crashes: int = 0, error: str = "") -> None:
        self._port = port
        self.boots = boots
        self.crashes = crashes
        self.errors: "list[str]" = [error] if error else []
        self.lost = 0  # states that no batch had room for
        self.least = 1 << 29  # free memory seen, bytes
        self._buf = bytearray(_MAX)

    @property
    def is_safe(self) -> bool:
        """Tell whether the board has crashed so often that it only answers the link."""
        return self.crashes >= SAFE_AFTER

    def failed(self, text: str) -> None:
        """Remember what went wrong, the newest two."""
        if text not in self.errors:
            self.errors = self.errors[-1:] + [text]

    def write(self, uptime: int, sampler: "Sampler | None", uplink: "Uplink") -> int:
        """Write HEALTH to `body`; return its length."""
        buf = self._buf
        free = self._port.free()
        self.least = min(self.least, free)
        put32(buf, 0, uptime)
        put32(buf, 4, min(free, (1 << 29) - 1))
        put32(buf, 8, self.boots)
        buf[12] = self._port.cause()
        buf[13] = min(self.crashes, 255)
        put16(buf, 14, min(self.lost, 0xFFFF))
        put16(buf, 16, sampler.silent() if sampler else 0)
        put16(buf, 18, sampler.failed if sampler else 0)
        put16(buf, 20, min(uplink.session.forged, 0xFFFF))
        text = "\n".join((sampler.reasons if sampler else []) + self.errors).encode()
        end = min(p.HEALTH_HEAD + len(text), _MAX)
        buf[p.HEALTH_HEAD : end] = text[: end - p.HEALTH_HEAD]
        return end

    @property
    def body(self) -> bytearray:
        """What `write` wrote."""
        return self._buf
