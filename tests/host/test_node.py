"""The node in virtual time: a federation of whole boards, with everything that may go wrong."""

from random import Random
from typing import Any

import pytest

from paebiru.federated import evaluate
from paebiru.sim.flash import PowerCut
from paebiru.testing import Faults, LossyLink
from sil import protocol as p
from sil.link.messages import E_BASE
from wine_lab import BOARDS, WineLab, config, recording, undisturbed, world

ROUNDS = 3


def test_a_fleet_learns() -> None:
    lab = WineLab()
    lab.until_known()
    for _ in range(12):
        lab.round()
    lab.until_equal()
    split = world().split
    x = split.test_x.view("uint8")
    codes = lab.federation.master.codes()
    assert evaluate.accuracy(world().sizes, codes, x, split.test_y, split.signed) > 0.85
    assert not lab.heard("refused")
    assert not lab.heard("text")


def test_the_same_run_gives_the_same_model() -> None:
    lab = WineLab(seed=5)  # other nonces, other moments: the same samples and seeds
    lab.until_known()
    for _ in range(ROUNDS):
        lab.round()
    lab.until_equal()
    assert lab.federation.name == undisturbed(ROUNDS)


def test_an_order_that_crosses_with_a_status_is_refused_and_sent_anew() -> None:
    """A round begins while boards take the model of the one before, or say that they have it."""
    lab = WineLab()
    lab.until_known()
    for pause in (0, 30, 60):
        lab.round()
        lab.run(pause)
    lab.round()
    lab.until_equal()
    assert set(lab.heard("refused")) == {E_BASE}
    assert len(lab.heard("refused")) <= len(BOARDS), "in one round of the three"
    assert lab.federation.name == undisturbed(4)


def test_states_arrive_and_are_the_sensors() -> None:
    lab = WineLab(1)
    lab.run(30_000)
    batches = lab.heard("states")
    assert len(batches) >= 5
    assert all(len(batch.states) == 4 and batch.period == 1000 for batch in batches)
    assert [b.time for b in batches] == sorted(b.time for b in batches)
    for state in batches[-1].states:
        assert state[3], "layer 3 has a recording"
        assert not any(state[:3])
    assert batches[-1].size < 4 * 16 + 8


def writes_of_a_round() -> int:
    lab = WineLab(1)
    lab.until_known()
    flash = lab.boards[BOARDS[0]].flash
    lab.round()
    before = flash.writes
    lab.round()
    lab.until_equal()
    return flash.writes - before


@pytest.mark.parametrize("part", range(4))  # of the work, for as many processes
def test_power_cut_at_every_write_of_a_round(part: int) -> None:
    """The board comes back and the model is that of an undisturbed run, to the byte."""
    total = writes_of_a_round()
    assert total > 20
    for cut in range(1 + part, total + 1, 4):
        lab = WineLab()
        lab.until_known()
        lab.round()
        board = lab.boards[BOARDS[0]]
        board.flash.cut_at = board.flash.writes + cut
        lab.round()
        lab.round()
        lab.until_equal()
        assert board.boots == 2, cut
        assert lab.federation.name == undisturbed(3), f"cut at write {cut}"


@pytest.mark.parametrize("seed", range(6))
def test_boards_lose_power_at_random(seed: int) -> None:
    random = Random(seed)
    lab = WineLab(seed=seed)
    lab.until_known()
    for _ in range(ROUNDS):
        lab.coordinator.open()
        while len(lab.federation.updates) < len(lab.boards):
            lab.run(random.randrange(1, 400))
            random.choice(list(lab.boards.values())).power_cut()
            lab.run(2_000)
        lab.coordinator.close()
    lab.until_equal()
    assert lab.federation.name == undisturbed(ROUNDS)


class BadWire:
    """The hub's end of a wire over which bytes are lost and altered."""

    def __init__(self, wire: Any, seed: int, clock: Any) -> None:
        faults = Faults(byte_loss=0.002, bit_error=0.0002)
        self.wire, self.clock = wire, clock
        self.up = LossyLink(2 * seed, 0, 0, faults)
        self.down = LossyLink(2 * seed + 1, 0, 0, faults)

    def take(self) -> bytes:
        return self._through(self.up, self.wire.take())

    def give(self, data: bytes) -> None:
        self.wire.give(self._through(self.down, data))

    def _through(self, link: LossyLink, data: bytes) -> bytes:
        if data:
            link.send(data, self.clock.now)
        return b"".join(link.receive(self.clock.now))


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_line_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = WineLab(seed=seed)
    wires = {name: BadWire(b.wire, seed, lab.clock) for name, b in lab.boards.items()}
    end = lab._hub_end
    by_wire = {id(b.wire): wires[name] for name, b in lab.boards.items()}
    monkeypatch.setattr(lab, "_hub_end", lambda device, wire: end(device, by_wire[id(wire)]))
    lab.until_known(120_000)
    for _ in range(ROUNDS):
        lab.round(600_000)
    lab.until_equal(600_000)
    assert lab.federation.name == undisturbed(ROUNDS)


def test_a_line_that_goes_and_comes() -> None:
    lab = WineLab()
    lab.until_known()
    lab.coordinator.open()
    wire = lab.boards[BOARDS[1]].wire
    wire.unplug()
    lab.run(30_000)
    wire.plug()
    lab.run_until(lambda: len(lab.federation.updates) == 3, 120_000)
    lab.coordinator.close()
    lab.until_equal()


def test_a_late_update_is_refused_and_its_changes_wait() -> None:
    """What the hub does not count goes back to what waits: nothing learned is lost."""
    lab = WineLab(2)
    lab.until_known()
    lab.round()
    late = lab.boards[BOARDS[1]]
    lab.coordinator.open()
    lab.run_until(lambda: late.node.learning.phase == p.TRAINING, 60_000)
    late.wire.unplug()
    lab.run_until(lambda: late.node.learning.phase == p.REPORTING, 60_000)
    before = sum(map(abs, late.node.learning.learner.residual))
    lab.run_until(lambda: len(lab.federation.updates) == 1, 60_000)
    lab.coordinator.close()
    late.wire.plug()
    lab.until_equal()
    assert late.node.learning.phase == p.IDLE
    assert sum(map(abs, late.node.learning.learner.residual)) > before
    lab.round()
    lab.until_equal()


def test_an_update_counted_while_its_answer_is_lost_counts_once() -> None:
    lab = WineLab(2)
    lab.until_known()
    lab.coordinator.open()
    board = lab.boards[BOARDS[0]]
    lab.run_until(lambda: BOARDS[0] in lab.federation.updates, 60_000)
    board.power_cut()  # before it can hear of it
    lab.run_until(lambda: len(lab.federation.updates) == 2, 60_000)
    residual = list(board.node.learning.learner.residual)
    lab.coordinator.close()
    lab.until_equal()
    assert list(board.node.learning.learner.residual) == residual
    assert [u.size for u in lab.heard("update")].__len__() == 2


def test_a_newcomer_gets_the_whole_model() -> None:
    lab = WineLab(2)
    lab.until_known()
    lab.round()
    lab.round()
    lab.add_wine(2)
    lab.until_known()
    lab.round()
    lab.until_equal()
    assert len(lab.federation.updates) == 3


def test_a_board_that_was_away_for_long_catches_up() -> None:
    lab = WineLab()
    lab.until_known()
    lab.round()
    lab.boards[BOARDS[2]].wire.unplug()
    for _ in range(3):
        lab.coordinator.open()
        lab.run_until(lambda: len(lab.federation.updates) == 2, 60_000)
        lab.coordinator.close()
        lab.run(2_000)
    lab.boards[BOARDS[2]].wire.plug()
    lab.until_equal(200_000)


def test_a_model_for_another_sensor_is_refused_with_the_reason() -> None:
    lab = WineLab(1)
    lab.federation.task.sizes = (12, 8, 3)
    lab.federation.first = bytes(12 * 8 + 8 + 8 * 3 + 3)
    lab.until_known()
    lab.coordinator.open()
    lab.run(5_000)
    texts = [health.text.decode() for health in lab.heard("health")]
    assert any("takes 12 inputs, this board's sensor gives 13" in text for text in texts)
    assert len(lab.heard("refused")) == 1, "it is not offered again and again"


def test_without_a_key_it_says_so_and_goes_on_sensing() -> None:
    lab = WineLab(0)
    board = lab.add(BOARDS[0], config(), {"wine.jsil": recording(0)}, None)
    lab.run(5_000)
    assert "enroll" in board.node.uplink.problem
    assert board.node.sampler.state[3]
    board.port.save("key", lab.keys[BOARDS[0]].pack())  # enrolled while it runs
    lab.until_known()


def test_power_cut_while_starting() -> None:
    lab = WineLab(1)
    lab.until_known()
    board = lab.boards[BOARDS[0]]
    board.flash.cut_at = board.flash.writes + 1
    with pytest.raises(PowerCut):
        board.port.save("x", b"1")
    board.power_cut()
    lab.until_known()
