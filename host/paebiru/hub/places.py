"""Layers 5 to 7 on a running hub: what boards say becomes their places' states, and goes back."""

import asyncio
import time

from paebiru.device import Answer, Batch, Device
from paebiru.fusion import Fusion
from paebiru.fusion.config import Config
from paebiru.fusion.fused import Fused
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
        self._tell = tell

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
        """Send boards what their place knows, as it becomes due, for ever."""
        while True:
            await asyncio.sleep(_TICK)
            for out in self.fusion.tick(_now()):
                device = devices.get(out.device)
                if device is None or not device.context(out.mask, out.state):
                    self.fusion.unsent(out)

    def _fused(self, fused: Fused) -> None:
        self._tell("fused", **fused.as_json())


def _now() -> int:
    return time.monotonic_ns() // 1_000_000
