"""What boards tell, as records: one dict an event, the same for a person and for a script.

A `Listener` is a hub's desk that learns nothing: it lets boards in by the hub's keys and hands
on what they say.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paebiru.coordinator import Coordinator
from paebiru.device import Answer, Batch, Device
from paebiru.door import Door
from paebiru.errors import UsageError
from paebiru.keys import KeyStore
from sil import layers
from sil import protocol_hub as hub
from sil.link import messages as m
from sil.link.keys import DeviceKey

Record = dict[str, Any]

PHASES = ("no model", "idle", "training", "reporting", "waiting")
CAUSES = ("power", "reset", "watchdog", "sleep", "soft", "brown-out", "unknown")
REASONS = {
    m.E_VERSION: "another version of the link",
    m.E_AUTH: "a wrong key",
    m.E_REPLAY: "a replay",
    m.E_BUSY: "busy",
    m.E_REVOKED: "its key is revoked",
}
_Q15 = 32768
_MAC = 6  # bytes


def key_store(path: Path) -> KeyStore:
    """Open a hub's key file, which has to hold a key already.

    Raises:
        UsageError: there is none; says how to get one.
    """
    if path.exists():
        store = KeyStore(path)
        if any(not entry.is_revoked for entry in store.list()):
            return store
        store.close()
    raise UsageError(f"no board has a key in {path}: paebiru enroll PORT --keys {path}")


class Listener(Coordinator):
    """The desk: `record` is called with what every board says."""

    def __init__(self, store: KeyStore, record: Callable[[Record], None]) -> None:
        self._store = store
        self._door = Door(store)
        self._record = record
        super().__init__(self._find, None, self._hear)

    def _find(self, device: bytes, epoch: int) -> DeviceKey | None:
        key = self._store.find(device, epoch)
        if key is None:
            known = any(entry.device == device for entry in self._store.list())
            self._record({"event": "stranger", "device": _name(device), "known": known})
        return key

    def _hear(self, word: str, device: Device, about: object) -> None:
        if word == "up":
            self._door.entered(device.session, "")
        self._record({"event": word, "device": _name(device.name), **_fields(word, about)})


def _fields(word: str, about: object) -> Record:
    """Return what a record has besides its event and its device."""
    if isinstance(about, hub.Status):
        return _status(about)
    if isinstance(about, Batch):
        states = [state.hex() for state in about.states]
        return {"at": about.time, "period": about.period, "lost": about.lost, "states": states}
    if isinstance(about, hub.Health):
        return _health(about)
    if isinstance(about, Answer):
        rho, critical = round(about.rho / _Q15, 4), round(about.critical / _Q15, 4)
        return {
            "at": about.time, "class": about.found, "byte": about.byte,
            "rho": rho, "critical": critical,
        }  # fmt: skip
    if word == "text":
        return {"text": about}
    if word == "down":
        return {"reason": _reason(about)}
    return {"clock": round(time.time(), 3)} if word == "up" else {}


def _reason(code: object) -> str:
    if not isinstance(code, int) or not code:
        return "it does not answer any more"
    return REASONS.get(code, f"code {code}")


def _status(status: hub.Status) -> Record:
    phase = PHASES[status.phase] if status.phase < len(PHASES) else str(status.phase)
    return {
        "phase": phase,
        "branch": status.branch,
        "safe": status.is_safe,
        "round": status.round,
        "generation": status.generation,
        "samples": status.samples,
        "inputs": status.inputs,
        "model": status.model.hex(),
        "layers": _layers(status.layers),
    }


def _health(health: hub.Health) -> Record:
    return {
        "uptime": health.uptime,
        "free": health.free,
        "boots": health.boots,
        "cause": CAUSES[min(health.cause, len(CAUSES) - 1)],
        "crashes": health.crashes,
        "lost": health.lost,
        "silent": _layers(health.silent),
        "failed": health.failed,
        "false_frames": health.false_frames,
        "reasons": health.text.decode(errors="replace").splitlines(),
    }


def _layers(mask: int) -> list[str]:
    return [layers.NAMES[i] for i in range(layers.COUNT) if mask >> i & 1]


def _name(device: bytes) -> str:
    """Return a device as people type it: a MAC's six bytes without the zeros that pad them.

    A MAC may end in zeros of its own.
    """
    return (device if any(device[_MAC:]) else device[:_MAC]).hex()
