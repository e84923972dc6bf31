"""The hub's mind: who may come in, what boards need, round after round until it is told to stop."""

import asyncio
import time
from collections.abc import Callable
from copy import copy
from typing import Any

from paebiru.coordinator import Coordinator
from paebiru.device import Batch, Device
from paebiru.door import Door
from paebiru.federated.durable import Durable
from paebiru.federated.rounds import Federation
from paebiru.hub import secure
from paebiru.hub.following import Following
from paebiru.hub.known import Known
from paebiru.hub.outcome import Ends, keep, summary
from paebiru.hub.places import Places
from paebiru.hub.policy import Policy
from paebiru.hub.tell import Telling
from paebiru.hub.words import of
from paebiru.keys import KeyStore
from sil import protocol as p
from sil import protocol_hub as said

_LOOK = 2.0  # s between two looks at keys that were taken away
_FAREWELL = 30.0  # s for boards to take the last model

Measure = Callable[[Federation], dict[str, Any]]


class Hub(Coordinator):
    """Boards, a federation, and the rounds between them.

    Args:
        keys: who may come in.
        federation: what they learn.
        policy: how rounds are held.
        tell: is told of everything.
        measure: what a closed round is to be told with (accuracy, …).
    """

    def __init__(
        self,
        keys: KeyStore,
        federation: Federation,
        policy: Policy,
        tell: Telling,
        measure: Measure = lambda federation: {},
    ) -> None:
        super().__init__(keys.find, federation, self._heard)
        self.keys = keys
        self.policy = policy
        self.tell = tell
        self.door = Door(keys)
        self.known: dict[bytes, Known] = {}
        self.following = Following(federation)
        self.is_paused = False
        self.ends = Ends()
        self.places: Places | None = None
        self.summaries: list[dict[str, Any]] = []
        self._measure = measure
        # Whom the open round has asked; of one that was open when the hub started, everybody.
        self._chosen: frozenset[bytes] | None = None
        self._changed = asyncio.Event()
        keep(federation, self._asked, self.devices)

    # -- who comes in

    def greet(self, device: Device) -> None:
        """Answer a caller by its key."""
        self.door.answer(device.session, device.address, time.monotonic())

    def on_up(self, device: Device) -> None:
        """A board has proved itself; an older line of it is hung up on."""
        self.door.entered(device.session, device.address)
        older = self.devices.get(device.name)
        super().on_up(device)
        if older is not None and older is not device:
            older.hang_up()
        known = self.known.setdefault(device.name, Known(device.name.hex()))
        known.line, known.is_up, known.since = device.address, True, time.time()
        self.following.came(device.name)

    def on_down(self, device: Device) -> None:
        """A board is gone, unless it came back by another line already."""
        if self.devices.get(device.name) is device:
            known = self.known[device.name]
            known.is_up, known.since = False, time.time()
        super().on_down(device)

    def count_bytes(self, device: bytes, link: str, up: int, down: int) -> bool:
        """Put a line's bytes into the ledger; False while no board has proved itself on it.

        They belong to the open round, or to the last one.  The store keeps them with the next
        commit that is due anyhow.
        """
        known = self.known.get(device)
        if known is None:
            return False
        known.count(link, up, down)
        federation = self.federation
        if isinstance(federation, Durable):
            notes = federation.store.notes
            for direction, size in (("up", up), ("down", down)):
                if size:
                    notes.count(device, link, direction, federation.number, size)
        return True

    async def watch(self) -> None:
        """Look after the boards, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            self.look()

    def look(self) -> None:
        """Hang up on boards whose key is taken away; do not wait for those that cannot go back."""
        self._turn_out()
        for device in list(self.devices.values()):
            if self.following.waits(device.name):
                self._serve(device)

    def revoke(self, device: bytes) -> None:
        """Take a board's keys away, and hang up on it.

        Raises:
            UsageError: it is not enrolled.
        """
        self.keys.revoke(device)
        self._turn_out()

    def control(self, device: Device, what: int, rest: bytes) -> bool:
        """Ask a board for something; False when too much waits."""
        if what == p.PIN:
            self.following.pinned(device.name, rest)
        return device.control(what, rest)

    def fork(self, device: Device, branch: int | None) -> bool:
        """Have a board keep to a branch, or follow the hub's; False when too much waits.

        Raises:
            StoreError: it cannot be made durable; the board was not told.
        """
        self.following.give(device.name, branch)
        if branch is not None:
            return device.control(p.FORK, bytes((branch,)))
        self._serve(device)
        return True

    def _turn_out(self) -> None:
        if not self.door.has_changed():
            return  # a thousand boards take a tenth of a second
        for device in list(self.devices.values()):
            if not self.door.still_open(device.session):
                self.tell("revoked", device=device.name.hex())
                device.wake()

    # -- what boards say

    def on_status(self, device: Device, status: said.Status) -> None:
        """A board says where it stands."""
        known = self.known[device.name]
        known.phase, known.round = p.PHASES[status.phase], status.round
        known.samples, known.branch = status.samples, status.branch
        self.following.heard(device.name, status)
        super().on_status(device, status)
        self._changed.set()

    def on_states(self, device: Device, batch: Batch) -> None:
        """States have come."""
        self.known[device.name].state = batch.states[-1].hex()
        super().on_states(device, batch)

    def on_health(self, device: Device, health: said.Health) -> None:
        """A board says how it is."""
        text = health.text.decode(errors="replace")
        figures = {key: value for key, value in vars(health).items() if key != "text"}
        self.known[device.name].health = {**figures, "reasons": text.splitlines()}
        super().on_health(device, health)

    def _heard(self, word: str, device: Device, about: object) -> None:
        if word in ("update", "shares"):
            self._changed.set()
        if self.places is not None:
            self.places.hear(word, device, about)
        words = of(word, about)
        if words is not None:
            self.tell(word, device=device.name.hex(), **words)

    # -- rounds

    def _serve(self, device: Device) -> None:
        if device.status and device.is_up and self.following.leads(device):
            super()._serve(device)

    def seen(self, device: bytes, status: said.Status) -> said.Status:
        """Let a board that was not chosen look like one without samples: it is not to train."""
        if self._chosen is None or device in self._chosen:
            return status
        idle = copy(status)
        idle.samples = 0
        return idle

    def able(self) -> list[bytes]:
        """Return the boards that are there and have something to learn from, in order."""
        there = {name: device.status for name, device in self.devices.items()}
        able = [
            name
            for name, status in there.items()
            if status and not status.is_safe and self.known[name].samples
            if self.following.is_ours(name)
        ]
        return secure.able(self.federation, able)

    @property
    def asked(self) -> int:
        """How many boards the open round has asked, or the last one had."""
        return len(self._asked())

    def _asked(self) -> frozenset[bytes]:
        return frozenset(self.able()) if self._chosen is None else self._chosen

    def pause(self, is_paused: bool = True) -> None:
        """Begin no more rounds, or go on beginning them; the open one is finished either way."""
        if is_paused != self.is_paused:
            self.is_paused = is_paused
            self.tell("paused" if is_paused else "resumed")
            self._changed.set()

    async def hold(self) -> None:
        """Hold the policy's rounds, then let the boards have the last model."""
        assert self.federation is not None
        while self.federation.number < self.policy.rounds or secure.is_going(self.federation):
            if not secure.is_going(self.federation):
                if why := self.ends.why(self.federation):
                    self.tell("ended", round=self.federation.number, why=why)
                    break
                await self._until(
                    lambda: not self.is_paused and len(self.able()) >= self.policy.boards
                )
                there = self.able()
                number = self.federation.number + 1
                self._chosen = self.policy.chosen(there, number, self.federation.seed)
                self.open()
                self.tell("open", round=number, boards=len(there), asked=len(self._chosen))
            if self.federation.is_open:
                await self._collect()
            await secure.unmask(self, self._until, self.policy.deadline, self.tell)
            self._close()
        await self._farewell()

    async def _collect(self) -> None:
        """Wait for the updates wanted, or the deadline."""
        federation = self.federation
        assert federation is not None
        if self._chosen is None:  # begun by the hub before this one: wait for who is coming
            await self._until(lambda: len(self.able()) >= self.policy.boards, self.policy.deadline)
        want = max(min(self.policy.wanted(len(self._asked())), len(self._asked())), 1)
        while True:
            done = await self._until(lambda: len(federation.updates) >= want, self.policy.deadline)
            if done or len(federation.updates) >= self.policy.least:
                return
            self.tell("waiting", round=federation.number, updates=len(federation.updates))

    def _close(self) -> None:
        federation = self.federation
        assert federation is not None
        begun = time.perf_counter()
        updates = dict(federation.updates)
        self.close()
        seconds = time.perf_counter() - begun
        updates = secure.counted(federation, updates, self.tell)
        found = summary(federation, updates, self._asked(), len(self.devices), seconds)
        if why := self.ends.broken(federation):
            self.tell("broken", **found, why=why)
            return
        found |= self._measure(federation)
        self.summaries.append(found)
        self.tell("round", **found)

    async def _farewell(self) -> None:
        """Give the boards that are there the time to take the last model."""
        federation = self.federation
        assert federation is not None
        await self._until(lambda: self.following.all_have(federation.name, self.devices), _FAREWELL)
        self.tell("finished", round=federation.number, model=federation.name.hex())

    async def _until(self, done: Callable[[], bool], limit: float | None = None) -> bool:
        """Wait until `done()`; False when `limit` seconds pass before."""
        end = None if limit is None else time.monotonic() + limit
        while not done():
            left = 1.0 if end is None else end - time.monotonic()
            if left <= 0:
                return False
            self._changed.clear()
            alarm = asyncio.get_running_loop().call_later(min(left, 1.0), self._changed.set)
            await self._changed.wait()
            alarm.cancel()
        return True
