"""Layers 5 to 7 on a running hub: what boards say becomes their places' states, and goes back."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paebiru.device import Answer, Batch, Device
from paebiru.fusion import Fusion
from paebiru.fusion.config import Config
from paebiru.fusion.fused import Fused
from paebiru.hub.teach import Teaching, teaching
from paebiru.hub.tell import Telling
from sil.protocol_hub import Health

_TICK = 0.25  # s between two looks at what is due


class Places:
    """The places of a hub (`paebiru.fusion`), on its clock and with its boards.

    Args:
        config: which boards are where, and what moves what.
        tell: is told of every fused state.
    """

    def __init__(self, config: Config, tell: Telling) -> None:
        self.fusion = Fusion(config, self._fused)
        self.teaching: Teaching | None = None
        """None where layer 5 has no classes to learn."""
        self._tell = tell

    @property
    def now(self) -> int:
        """The clock by which fused states are stamped, ms."""
        return _now()

    async def label(self, place: str, found: int | str, at: int | None) -> tuple[int, bool]:
        """Learn what class it was at a place at a moment, now by default.

        Returns the tick, and whether it is kept; else it will be, once its state is known.

        Raises:
            UsageError: there is no such place or class, or no state of that moment.
            StoreError: it could not be kept.
        """
        now = _now()
        tick, is_known = self.fusion.label(place, found, now if at is None else at, now)
        if self.teaching and is_known:
            await self.teaching.labels.kept(place, tick)
        return tick, is_known

    def hear(self, word: str, device: Device, about: object) -> None:
        """Take what a board says as far as it concerns its place."""
        now = _now()
        if isinstance(about, Batch):
            self.fusion.on_states(device.name, about, now)
        elif isinstance(about, Answer):
            self.fusion.on_answer(device.name, about, now)
        elif isinstance(about, Health):
            self.fusion.on_boots(device.name, about.boots)
        elif word == "up":
            self.fusion.on_up(device.name)

    async def run(self, devices: dict[bytes, Device]) -> None:
        """Serve the boards and hold layer 5's rounds, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve(devices))
            if self.teaching:
                group.create_task(self.teaching.run())

    async def _serve(self, devices: dict[bytes, Device]) -> None:
        """Send boards what their place knows, as it becomes due, for ever."""
        while True:
            await asyncio.sleep(_TICK)
            for out in self.fusion.tick(_now()):
                device = devices.get(out.device)
                if device is None or not device.context(out.mask, out.state):
                    self.fusion.unsent(out)

    def _fused(self, fused: Fused) -> None:
        self._tell("fused", **fused.as_json())


@contextmanager
def opened(config: Config, folder: Path, tell: Telling, goes_on: bool) -> Iterator[Places]:
    """Have places whose layer 5 learns in a store at `folder`, for as long as the block lasts.

    Raises:
        UsageError: the store has learned something else.
        StoreError: it is damaged or cannot be written.
    """
    places = Places(config, tell)
    if config.electronic is None:
        yield places
        return
    with teaching(places.fusion, folder, tell, goes_on) as places.teaching:
        yield places


def _now() -> int:
    return time.monotonic_ns() // 1_000_000
