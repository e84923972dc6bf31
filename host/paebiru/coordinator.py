"""Boards and one federation together: who needs what, who has answered, when a round is over."""

import secrets
import time
from collections.abc import Callable

from paebiru.device import HAVE, Answer, Batch, Device
from paebiru.federated.rounds import Federation
from sil import protocol as p
from sil import protocol_hub as hub
from sil.errors import SilError
from sil.link import messages as m
from sil.link.keys import DeviceKey

Told = Callable[[str, Device, object], None]


class Coordinator:
    """The desk of a federation (see `device.Desk`).

    Args:
        find: returns a device's key of an epoch, or None.
        federation: what the boards learn; none: they are only listened to.
        told: called with a word (up, down, status, states, health, answer, text, update, shares,
            committed, refused), the device and what it is about.
    """

    def __init__(
        self,
        find: Callable[[bytes, int], DeviceKey | None],
        federation: Federation | None = None,
        told: Told = lambda word, device, about: None,
    ) -> None:
        self._find = find
        self.federation = federation
        self.told = told
        self.devices: dict[bytes, Device] = {}

    # -- rounds

    def open(self) -> None:
        """Begin the next round with every board that is there, or comes."""
        assert self.federation is not None
        self.federation.open()
        for device in list(self.devices.values()):
            self._serve(device)

    def close(self) -> None:
        """End the round and let the boards have what came of it."""
        assert self.federation is not None
        self.federation.close()
        for device in list(self.devices.values()):
            self._serve(device)

    def seal(self) -> None:
        """Take no more parts of the round's masked sums, and ask boards to unmask them."""
        assert self.federation is not None
        self.federation.seal()
        self.ask()

    def ask(self, absent: bool = False) -> None:
        """Ask for what the sums still need, boards that are not in them too if `absent`."""
        assert self.federation is not None
        assert self.federation.sums is not None
        self.federation.sums.asks_absent |= absent
        for device in list(self.devices.values()):
            self._serve(device)

    def has_all(self) -> bool:
        """Tell whether every board that is there and has samples has answered."""
        assert self.federation is not None
        able = [d for d in self.devices.values() if d.status and d.status.samples]
        return bool(able) and all(d.name in self.federation.updates for d in able)

    def _serve(self, device: Device) -> None:
        """Offer a board the object that it needs next."""
        if not self.federation or not device.status or not device.is_up:
            return
        sums = self.federation.sums
        question = sums.question(device.name) if sums is not None else b""
        if question and not device.status.is_safe:
            device.offer(p.UNMASK, question)
            return
        status = self.seen(device.name, device.status)
        kind = self.federation.needs(device.name, status)
        if kind == p.MODEL:
            device.offer(kind, self.federation.model())
        elif kind == p.ORDER:
            order = self.federation.order(device.name, status.model, status.samples)
            device.offer(kind, order, status.model)

    def seen(self, device: bytes, status: hub.Status) -> hub.Status:
        """Return a board's status as rounds shall see it."""
        return status

    # -- the desk

    def greet(self, device: Device) -> None:
        """Let in who has a key of ours."""
        session = device.session
        key = self._find(session.caller(), session.caller_epoch())
        if key is None:
            session.turn_away(m.E_AUTH)
        else:
            session.challenge(key, secrets.token_bytes(m.NONCE_SIZE))

    def on_up(self, device: Device) -> None:
        """A board is there; an older line of the same one is not listened to any more."""
        self.devices[device.name] = device
        self.told("up", device, time.time())

    def on_down(self, device: Device) -> None:
        """A board's session is over."""
        if self.devices.get(device.name) is device:
            del self.devices[device.name]
        self.told("down", device, device.session.code)

    def on_status(self, device: Device, status: hub.Status) -> None:
        """A board says where it stands: give it what it lacks."""
        self._serve(device)
        self.told("status", device, status)

    def on_states(self, device: Device, batch: Batch) -> None:
        """States have come."""
        self.told("states", device, batch)

    def on_health(self, device: Device, health: hub.Health) -> None:
        """A board says how it is; by now it may have room for what it refused."""
        self._serve(device)
        self.told("health", device, health)

    def on_answer(self, device: Device, answer: Answer) -> None:
        """A board has classified by itself."""
        self.told("answer", device, answer)

    def on_text(self, device: Device, text: str) -> None:
        """A line of the board's log."""
        self.told("text", device, text)

    def judge(self, device: Device, kind: int, base: bytes, length: int) -> int:
        """Take updates of the open round, each board's once, and answers that were asked for."""
        federation = self.federation
        if federation is None or kind not in (p.UPDATE, p.MASKED, p.SHARES):
            return m.E_CODEC
        sums = federation.sums
        if kind == p.SHARES:
            if sums is None or not sums.is_asked(device.name):
                return m.E_STATE
            return HAVE if sums.has_helped(device.name) else 0
        if (kind == p.MASKED) != (sums is not None):
            return m.E_STATE  # the board keeps what it has learned, and hears how it is wanted
        if federation.has(device.name, base):
            return HAVE  # also when the round is over: the board shall not send it once more
        if not federation.is_wanted(base):
            return m.E_STATE
        if sums is not None:
            return 0 if length == sums.size(device.name) else m.E_CODEC
        return 0 if length <= p.UPDATE_HEAD + len(federation.first) + 64 else m.E_SIZE

    def take(self, device: Device, kind: int, body: bytes, done: Callable[[int], None]) -> None:
        """Count an update, or an answer about masked sums."""
        try:
            if kind == p.SHARES:
                done(self._take_shares(device, body))
            else:
                self.count(device.name, body, done)
        except SilError as error:
            self.told("refused", device, error)
            done(m.E_CODEC)

    def _take_shares(self, device: Device, body: bytes) -> int:
        sums = self.federation.sums if self.federation else None
        if sums is None or not sums.is_asked(device.name):
            return m.E_STATE  # others have answered meanwhile
        sums.answer(device.name, body)
        self.told("shares", device, len(body))
        return 0

    def count(self, device: bytes, body: bytes, done: Callable[[int], None]) -> None:
        """Have an update counted; a durable federation is done when it is stored.

        Raises:
            FormatError: it is damaged, or of another round or model.
        """
        federation = self.federation
        assert federation is not None

        def counted(code: int) -> None:
            here = self.devices.get(device)
            if not code and here is not None and device in federation.updates:
                self.told("update", here, federation.updates[device])
            done(code)

        federation.take(device, body, counted)

    def on_committed(self, device: Device) -> None:
        """The board has what was sent; its STATUS follows."""
        self.told("committed", device, None)

    def on_refused(self, device: Device, code: int) -> None:
        """The board does not take what was sent; its STATUS tells what it has."""
        self.told("refused", device, code)
