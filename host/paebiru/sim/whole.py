"""A simulated federation of whole boards: each is the firmware itself, on a line in memory.

The rounds are the hub's, and so is its desk; what boards and hub say to each other are the
link's own frames, in virtual time.  It learns the model that `federation.Federation` learns, to
the byte, and counts every byte on the lines.
"""

import time
from collections.abc import Iterator
from hashlib import sha256

from paebiru import recordings
from paebiru.coordinator import Coordinator
from paebiru.errors import UsageError
from paebiru.memberships import values
from paebiru.sim.federation import Federation, Round, names, rounds_of
from paebiru.sim.lab import Lab
from paebiru.sim.masked import memberships
from paebiru.sim.plan import World
from sil.link.keys import DeviceKey

MOST_BOARDS = 200
_FILE = "samples.jsil"
_QUIET = 3_600_000  # ms between two states, and s between two healths: learning is looked at here
_PATIENCE = 3_600_000  # ms of virtual time that a round may take


class WholeFederation(Federation):
    """One run of a plan with whole boards; bytes are all that their lines carry, mean a board."""

    def __init__(self, world: World):
        if world.plan.clients > MOST_BOARDS:
            raise UsageError(
                f"--whole simulates at most {MOST_BOARDS} boards, not {world.plan.clients}: give"
                " fewer --clients, or leave it out"
            )
        self.world = world
        self.rounds_of = rounds_of(world)
        self._names = names(world)
        keys = {name: DeviceKey(sha256(b"simulated " + name).digest(), 1) for name in self._names}
        self._desk = Coordinator(lambda device, epoch: keys.get(device), self.rounds_of)
        self._lab = Lab(self._desk, world.plan.seed)
        dealt = memberships(self._names, world.plan.seed) if world.plan.secure else {}
        for name, rows in zip(self._names, world.parts, strict=True):
            samples = recordings.record(world.split.train_x[rows], world.split.train_y[rows])
            given = _config(world, len(rows))
            board = self._lab.add(name, given, {_FILE: samples}, keys[name])
            if name in dealt:
                board.flash.values |= values(dealt[name])
                board.power_cut()
        self._wires = [board.wire for board in self._lab.boards.values()]

    def rounds(self) -> Iterator[Round]:
        """Run the plan, a round at a time; the model is whole between rounds.

        Raises:
            TimeoutError: a board has not answered for an hour of virtual time.
        """
        for number in range(1, self.world.plan.rounds + 1):
            begun = time.perf_counter()
            before = self._carried()
            if number == 1:
                self._lab.run_until(self._all_known, _PATIENCE)
            self._desk.open()
            self._lab.run_until(self._all_answered, _PATIENCE)
            if self.rounds_of.sums is not None:
                self._desk.seal()
                self._lab.run_until(self.rounds_of.sums.is_done, _PATIENCE)
            self._desk.close()
            up, down = (now - then for now, then in zip(self._carried(), before, strict=True))
            boards = len(self._names)
            seconds = time.perf_counter() - begun
            yield Round(number, self.accuracy(), up / boards, down / boards, seconds)

    def _carried(self) -> tuple[int, int]:
        return sum(w.up for w in self._wires), sum(w.down for w in self._wires)

    def _all_known(self) -> bool:
        there = self._desk.devices
        return len(there) == len(self._names) and all(d.status for d in there.values())

    def _all_answered(self) -> bool:
        return len(self.rounds_of.updates) == len(self._names)

    def close(self) -> None:
        """Nothing to end."""


def _config(world: World, samples: int) -> dict[str, object]:
    """Return a device.json whose one sensor is the recording of the board's samples."""
    sensor = {
        "driver": "replay", "layer": 0, "file": _FILE, "inputs": world.sizes[0],
        "labelled": True, "signed": world.split.signed, "period": _QUIET,
    }  # fmt: skip
    return {
        "version": 1, "name": "simulated", "layers": [0], "links": ["usb"], "period_ms": _QUIET,
        "health_s": 86400, "sensors": [sensor],
        "learn": {"sensor": 0, "capacity": samples, "preload": True},
    }  # fmt: skip
