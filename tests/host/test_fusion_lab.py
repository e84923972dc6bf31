"""A place from end to end in virtual time, and layer 5 learned from real measurements."""

from collections.abc import Callable, Iterator
from functools import cache
from math import isqrt
from typing import Any

import numpy as np
import pytest

from paebiru import accel, datasets
from paebiru.coordinator import Coordinator
from paebiru.device import Answer, Batch, Device
from paebiru.federated.rounds import Federation
from paebiru.fusion import Fused, Fusion, Participant, learn_together
from paebiru.fusion.config import Config
from paebiru.fusion.electronic import INPUTS, Electronic, inputs
from paebiru.sim.lab import BOARD, Lab, SimBoard
from paebiru_node.sensors import scale
from sil import bytesil, jsil
from sil.jsil_head import XOR_ROTATE
from sil.link.keys import DeviceKey
from sil.protocol import Task
from sil.protocol_hub import Health
from wine_lab import BOARDS, WineLab

EYE, HAND = b"eye-0001", b"hand-001"
REST, WORK, FAULT = 0, 1, 2
PHASE = 20  # s of each class in a recording


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    accel.install("numba")
    yield
    accel.install("plain")


# -- real measurements: the watch's two sensors as two boards' layers


@cache
def watch() -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of layers 1 and 4 of each window [n, 2], by the drivers' scale.

    Layer 4: how strong the acceleration changes, and the direction of its mean across the board.
    Layer 1, as the vibration that the gyroscope feels: the same of the rotation.
    """
    data = datasets.load("watch")
    column = {name: i for i, name in enumerate(data.columns)}

    def byte(row: Any, part: str, x: str, y: str) -> int:
        sizes = [int(row[column[f"{part}{axis} sd"]]) for axis in "xyz"]
        means = [int(row[column[f"{part}{axis} mean"]]) for axis in (x, y)]
        strength = scale.strength(isqrt(sum(size * size for size in sizes)), 1000)
        return scale.code(strength, scale.direction(means[0], means[1]))

    rows = [(byte(row, "w", "x", "z"), byte(row, "a", "x", "y")) for row in data.x]
    return np.array(rows), data.y


def learned(columns: tuple[int, ...], seed: int) -> float:
    """Return the accuracy for three unseen subjects of a layer 5 that the other seven taught."""
    data = datasets.load("watch")
    seen, y = watch()
    test = data.hold_out(data, datasets.Rng(seed, "split", "watch"))
    rows = []
    for one, four in seen:
        rows.append(bytes((0, one * (1 in columns), 0, 0, four * (4 in columns))))
    fed = Federation(Task((INPUTS, 16, 7), True, 10000), seed=seed, rate=256, epochs=2)
    subjects = {}
    assert data.group is not None
    for row, found, group, held in zip(rows, y, data.group, test, strict=True):
        if not held:
            place = subjects.setdefault(int(group), Participant(str(group), INPUTS, 1000))
            place.add(inputs(row), int(found))
    assert len(subjects) == 7
    for _ in range(20):
        learn_together(fed, subjects.values())
    electronic = Electronic()
    electronic.load(fed.task.sizes, fed.master.codes())
    decided = [
        electronic.decide(row, []).found for row, held in zip(rows, test, strict=True) if held
    ]
    return float(np.mean(np.array(decided) == y[test]))


def test_two_boards_know_more_than_one() -> None:
    """Seven exercises of ten people, who are the places; a byte of each board is all there is."""
    seeds = range(2)
    vibration = np.mean([learned((1,), seed) for seed in seeds])
    motion = np.mean([learned((4,), seed) for seed in seeds])
    fused = np.mean([learned((1, 4), seed) for seed in seeds])
    print(f"layer 1 {vibration:.3f}, layer 4 {motion:.3f}, both {fused:.3f}")
    assert fused > max(vibration, motion) + 0.04
    assert fused > 0.65


# -- two boards, a hub and an output


def byte_of(layer: int, found: int, second: int) -> int:
    """Return what a board perceives: the eye tells rest from the others, the hand work."""
    if layer == 0:
        return bytesil.make(-1 if found == REST else 2, second % 3)
    return bytesil.make(1, second % 3 + (0 if found == WORK else 8))


def recording(layer: int, classes: tuple[int, ...]) -> bytes:
    """Return the states of a board whose place goes through these classes, PHASE s each."""
    states = []
    for k, found in enumerate(classes):
        for second in range(PHASE):
            raw = bytearray(16)
            raw[layer] = byte_of(layer, found, second + k)
            states.append(bytes(raw))
    return jsil.pack(states, mode=XOR_ROTATE, group=8)


def device_json(layer: int) -> dict[str, Any]:
    sensor = {"driver": "replay", "layer": layer, "file": "states.jsil", "period": 1000}
    board = BOARD
    outputs: dict[str, str] = {}
    if layer == 4:
        board = {**BOARD, "outputs": {"relay": {"kind": "digital", "pin": 2}}}
        outputs = {"6": "relay"}
    return {
        "version": 1, "name": f"l{layer}", "layers": [layer], "links": ["usb"],
        "period_ms": 1000, "batch": 2, "sensors": [sensor], "outputs": outputs, "board": board,
    }  # fmt: skip


PLACES = {
    "electronic": {"classes": ["rest", "work", "fault"], "hidden": [8]},
    "places": {
        "bench": {
            "boards": [EYE.hex(), HAND.hex()], "horizon_ms": 4000, "mean_ms": 20_000,
            "rules": [
                {"name": "stop", "when": {"layer": 5, "class": "fault", "rho_min": -1},
                 "then": {"rho": 0, "theta": 4}, "slack": 1, "hold_ms": 3000},
            ],
        },
    },
}  # fmt: skip


class Bench:
    """Two boards at a place, with a line each to the hub that fuses."""

    def __init__(self, classes: tuple[int, ...], codes: bytes = b"") -> None:
        self.fused: list[Fused] = []
        self.fusion = Fusion(Config.model_validate(PLACES), self.fused.append)
        if codes:
            self.fusion.load_model(codes)
        keys = {device: DeviceKey(device * 4, 1) for device in (EYE, HAND)}
        self.coordinator = Coordinator(lambda device, epoch: keys.get(device), None, self._told)
        self.lab = Lab(self.coordinator)
        self.boards: dict[bytes, SimBoard] = {}
        for device, layer in ((EYE, 0), (HAND, 4)):
            files = {"states.jsil": recording(layer, classes)}
            self.boards[device] = self.lab.add(device, device_json(layer), files, keys[device])

    def _told(self, word: str, device: Device, about: object) -> None:
        """What a hub does with what its boards say."""
        now = self.lab.clock.now
        if isinstance(about, Batch):
            self.fusion.on_states(device.name, about, now)
        elif isinstance(about, Answer):
            self.fusion.on_answer(device.name, about, now)
        elif isinstance(about, Health):
            self.fusion.on_boots(device.name, about.boots)
        elif word == "up":
            self.fusion.on_up(device.name)

    def run(self, seconds: int, each: Callable[[], None] = lambda: None) -> None:
        for _ in range(seconds):
            self.lab.run(1000)
            each()
            for out in self.fusion.tick(self.lab.clock.now):
                device = self.coordinator.devices.get(out.device)
                if not (device and device.context(out.mask, out.state)):
                    self.fusion.unsent(out)

    def truth(self, fused: Fused, classes: tuple[int, ...]) -> int:
        """Return the class of a tick: what both boards' bytes of then say."""
        if not (fused.raw[0] and fused.raw[4]):
            return -1
        if bytesil.rho(fused.raw[0]) < 0:
            return REST
        return FAULT if bytesil.phase(fused.raw[4]) >= 8 else WORK


@cache
def model() -> bytes:
    """Return a layer 5 taught by labels at two places, whose hubs exchange updates alone."""
    classes = (REST, WORK, FAULT)
    places = []
    for first in range(2):
        bench = Bench(classes)
        bench.run(3 * PHASE + 10)
        for fused in bench.fused[first::2]:  # each place is labelled now and then
            found = bench.truth(fused, classes)
            if found >= 0:
                bench.fusion.label("bench", found, fused.time, bench.lab.clock.now)
        places.append(bench.fusion.participants["bench"])
        places[-1].name = bytes((first,)) * 8
    fed = Federation(bench.fusion.task(), seed=1, rate=256, epochs=4)
    for _ in range(15):
        assert learn_together(fed, places) == 2
    return fed.master.codes()


def test_what_two_boards_perceive_moves_an_output() -> None:
    classes = (WORK, FAULT, REST)
    bench = Bench(classes, model())
    bench.run(3 * PHASE + 12)
    output = bench.boards[HAND].port.output("relay")
    known = [fused for fused in bench.fused if bench.truth(fused, classes) >= 0]
    assert len(known) > 50
    right = [fused.decision.found == bench.truth(fused, classes) for fused in known]
    assert np.mean(right) > 0.95
    assert {fused.decision.where for fused in known} == {"hub"}

    # Neither board alone could tell: a fault looks like work to the eye, like rest to the hand.
    levels = [level for _, level in output.history]
    runs = [level for i, level in enumerate(levels) if i == 0 or levels[i - 1] != level]
    assert runs == [0, 255, 0]
    on = next(at for at, level in output.history if level)
    off = next(at for at, level in output.history if at > on and not level)
    fault = [fused.time for fused in known if bench.truth(fused, classes) == FAULT]
    # From its cause to the output: the horizon, and the second in which the hub looks.
    assert 4000 <= on - fault[0] <= 4000 + 2500
    assert 4000 <= off - fault[-1] <= 4000 + 3000 + 2500

    for device, board in bench.boards.items():
        view = board.node.view
        assert view[5] == bench.fused[-1].raw[5], device
        assert view[7], device
    context = [fused.raw[7] for fused in bench.fused if fused.raw[7]]
    assert len(set(context)) > 2  # it evolves, and slowly: once in a few s at most
    assert sum(a != b for a, b in zip(context, context[1:], strict=False)) < len(context) // 3
    boards = bench.fusion.snapshot()["places"]["bench"]["boards"]
    assert all(counts["late"] == counts["lost"] == 0 for counts in boards.values())


def test_boards_that_lose_power_are_fused_again() -> None:
    bench = Bench((WORK, FAULT, REST), model())
    bench.run(10)
    bench.boards[HAND].power_cut()
    bench.run(20)
    counts = bench.fusion.snapshot()["places"]["bench"]["boards"][HAND.hex()]
    assert counts["lives"] == 2
    assert counts["late"] == 0
    assert bench.fused[-1].raw[4]
    assert bench.boards[HAND].node.view[7] == bench.fused[-1].raw[7]


@pytest.mark.parametrize("gone", [EYE, HAND])
def test_a_board_that_is_gone_is_null(gone: bytes) -> None:
    bench = Bench((WORK, FAULT, REST), model())
    bench.run(12)
    bench.boards[gone].wire.unplug()
    bench.run(15)
    last = bench.fused[-1]
    assert not last.raw[0 if gone == EYE else 4]
    assert last.raw[4 if gone == EYE else 0]
    assert last.decision.where == "hub"


def test_without_a_model_a_boards_own_answer_stands() -> None:
    """The hub has none for this place; the wine board has learned, and answers everything."""
    lab = WineLab(0)
    lab.add_wine(0, rho_critical=32768)
    lab.until_known()
    for _ in range(3):
        lab.round()
    lab.until_equal()
    form = {"places": {"cellar": {"boards": [BOARDS[0].hex()], "horizon_ms": 6000}}}
    fused: list[Fused] = []
    fusion = Fusion(Config.model_validate(form), fused.append)
    answers: list[Answer] = []

    def told(word: str, device: Device, about: object) -> None:
        if isinstance(about, Batch):
            fusion.on_states(device.name, about, lab.clock.now)
        elif isinstance(about, Answer):
            answers.append(about)
            fusion.on_answer(device.name, about, lab.clock.now)

    lab.coordinator.told = told
    fusion.tick(lab.clock.now)
    lab.run(30_000)
    fusion.tick(lab.clock.now)
    here = [f for f in fused if f.raw[3]]
    assert len(answers) > 20
    assert len(here) > 15
    decided = [f.decision for f in here[2:]]
    assert {d.where for d in decided} == {"board"}
    assert {d.board for d in decided} == {BOARDS[0]}
    assert {d.byte for d in decided} <= {answer.byte for answer in answers}
    assert all(d.why.startswith("the hub has no model; the board found it simple") for d in decided)
