"""What a hub may ask of a node, and what a node does by itself when it fails."""

from typing import Any

import pytest

from paebiru.sim.lab import BOARD
from paebiru_node import learning as learning_module
from paebiru_node.app import level
from paebiru_node.config import checked, parse
from paebiru_node.errors import ConfigError
from sil import bytesil
from sil import protocol as p
from sil import protocol_hub as hub
from sil.link.fields import put32
from wine_lab import BOARDS, WineLab, config

BOARD_1 = BOARDS[0]


def number(value: int) -> bytes:
    raw = bytearray(4)
    put32(raw, 0, value)
    return bytes(raw)


def lab_with_output(**changes: Any) -> WineLab:
    lab = WineLab(0)
    board = {**BOARD, "outputs": {"relay": {"kind": "digital", "pin": 2}}}
    lab.add_wine(0, board=board, outputs={"6": "relay"}, **changes)
    lab.until_known()
    return lab


def test_layer_6_moves_the_output_and_the_context_is_seen() -> None:
    lab = lab_with_output()
    board = lab.boards[BOARD_1]
    device = lab.devices[BOARD_1]
    state = bytearray(16)
    state[6], state[7], state[3] = bytesil.ONE, 0x95, 0x77
    device.context(1 << 6 | 1 << 7 | 1 << 3, bytes(state))
    lab.run(3_000)
    assert [value for _, value in board.port.output("relay").history] == [255]
    assert board.node.view[6] == bytesil.ONE
    assert board.node.view[7] == 0x95
    assert board.node.view[3] != 0x77, "its own senses are not overruled"
    last = lab.heard("states")[-1].states[-1] if lab.heard("states") else None
    lab.run(10_000)
    last = lab.heard("states")[-1].states[-1]
    assert last[7] == 0x95


def test_levels() -> None:
    assert level(bytesil.NULL) == 0
    assert level(bytesil.ONE) == level(bytesil.MAX) == 255
    levels = [level(bytesil.make(rho, 1)) for rho in range(-8, 8)]
    assert levels == sorted(levels)
    assert levels[0] > 0


def test_an_output_that_is_not_there_is_told() -> None:
    lab = WineLab(0)
    lab.add_wine(0, outputs={"6": "lamp"})
    lab.until_known()
    lab.devices[BOARD_1].context(1 << 6, bytes([bytesil.ONE] * 16))
    lab.run(3_000)
    assert any(b"lamp" in health.text for health in lab.heard("health"))


def test_pin_and_roll_back() -> None:
    lab = WineLab(1)
    lab.until_known()
    lab.round()
    lab.until_equal()
    node = lab.boards[BOARD_1].node
    good = node.learning.model
    lab.devices[BOARD_1].control(p.PIN, good)
    lab.run(2_000)
    for _ in range(3):
        lab.round()
    lab.until_equal()
    later = node.learning.model
    assert later != good
    lab.coordinator.federation = None  # or the hub would give it the newest again
    generation = node.learning.slots.newest.generation
    for _ in range(2):  # the second one changes nothing
        lab.devices[BOARD_1].control(p.ROLLBACK, good)
        lab.run(2_000)
        assert node.learning.model == good
        assert node.learning.slots.newest.generation == generation + 1
    lab.boards[BOARD_1].power_cut()
    assert lab.boards[BOARD_1].node.learning.model == good
    lab.until_known()
    lab.devices[BOARD_1].control(p.ROLLBACK, b"nobody's")
    lab.run(2_000)
    assert any(b"no checkpoint has the model" in health.text for health in lab.heard("health"))


def test_fork_marks_the_branch_durably_and_layer_d() -> None:
    lab = WineLab(1)
    lab.until_known()
    lab.round()
    lab.until_equal()
    lab.devices[BOARD_1].control(p.FORK, b"\x05")
    lab.run(2_000)
    board = lab.boards[BOARD_1]
    board.power_cut()
    lab.until_known()
    lab.run(3_000)
    assert board.node.learning.branch == 5
    assert board.node.view[13] == 0x85
    lab.coordinator.open()
    lab.run(5_000)
    assert not lab.federation.updates, "a board on a branch of its own is left alone"


def test_period() -> None:
    lab = WineLab(1)
    lab.until_known()
    lab.devices[BOARD_1].control(p.PERIOD, number(100))
    lab.run(5_000)
    assert lab.heard("states")[-1].period == 100


@pytest.mark.parametrize("period", [32_767, 33_000, 66_000])
def test_a_long_period_is_told_as_it_is(period: int) -> None:
    """Also on the way to it and back: what was gathered at the other one is counted as lost."""
    lab = WineLab(1)
    lab.until_known()
    lab.devices[BOARD_1].control(p.PERIOD, number(period))
    lab.run(100)
    before = len(lab.heard("states"))
    lab.run(4 * period + 1_000)
    batch = lab.heard("states")[before]
    assert batch.period == period
    gone = sum(batch.lost for batch in lab.heard("states"))
    assert gone == lab.boards[BOARD_1].node.health.lost < 4
    lab.devices[BOARD_1].control(p.PERIOD, number(100))
    lab.run(5_000)  # at once, not when the long one is over
    assert lab.heard("states")[-1].period == 100


def test_every_period_that_can_be_is_told_to_the_ms() -> None:
    body = bytearray(4)
    for period in [*range(10, 32_768), *range(33_000, p.PERIOD_MOST + 1, 1000)]:
        assert p.is_period(period)
        p.write_period(body, 1, period)
        assert hub.read_period(body, 1) == period
    assert body[0] == body[3] == 0


@pytest.mark.parametrize("period", [0, 9, 32_768, 65_535, 33_001, (1 << 24) + 1, (1 << 29) - 1])
def test_a_period_that_cannot_be_told_is_left(period: int) -> None:
    with pytest.raises(ConfigError, match="period_ms"):
        checked({**config(), "period_ms": period})
    lab = WineLab(1)
    lab.until_known()
    lab.devices[BOARD_1].control(p.PERIOD, number(period))
    lab.run(5_000)
    assert lab.heard("states")[-1].period == 1000


def test_restart_happens_once() -> None:
    lab = WineLab(1)
    lab.until_known()
    board = lab.boards[BOARD_1]
    boots = board.node.boots
    lab.devices[BOARD_1].control(p.RESTART, number(boots))
    lab.run_until(lambda: board.boots == 2, 10_000)
    lab.until_known()
    lab.devices[BOARD_1].control(p.RESTART, number(boots))  # of a start that is over
    lab.run(5_000)
    assert board.boots == 2


def test_labels_from_outside_become_samples() -> None:
    lab = WineLab(0)
    sensor = {**config()["sensors"][0], "labelled": False, "inputs": 14}
    lab.add_wine(0, sensors=[sensor], learn={"sensor": 0, "capacity": 10})
    lab.until_known()
    assert lab.boards[BOARD_1].node.samples.count == 0
    lab.devices[BOARD_1].post(p.LABEL, b"\x02")
    lab.run(2_000)
    samples = lab.boards[BOARD_1].node.samples
    assert (samples.count, samples.y[0]) == (1, 2)
    assert lab.devices[BOARD_1].status is not None
    assert lab.devices[BOARD_1].status.samples == 1


def test_samples_that_are_sensed_are_learned_from() -> None:
    lab = WineLab(0)
    lab.add_wine(0, learn={"sensor": 0, "capacity": 12})
    lab.until_known()
    lab.run(20_000)
    assert lab.boards[BOARD_1].node.samples.count == 12
    lab.round()
    assert next(iter(lab.federation.updates.values())).samples == 12


def test_posts_that_make_no_sense_change_nothing() -> None:
    lab = WineLab(1)
    lab.until_known()
    device = lab.devices[BOARD_1]
    for kind in (p.CONTEXT, p.LABEL, p.CONTROL, 99):
        for body in (b"", b"\0", b"\x09", b"\x02\x01", b"\xff" * 40):
            device.post(kind, body)
    lab.run(5_000)
    assert lab.boards[BOARD_1].boots == 1
    lab.round()
    lab.until_equal()


def crash(*_: Any) -> None:
    raise ValueError("a bug")


def test_three_crashes_make_it_safe_and_a_restart_ends_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = WineLab(1)
    lab.until_known()
    board = lab.boards[BOARD_1]
    with monkeypatch.context() as broken:
        broken.setattr("paebiru_node.sampler.Sampler.step", crash)
        lab.run_until(lambda: board.node.health.is_safe, 5_000)
        assert board.boots == 4
        lab.until_known()
        lab.run(10_000)
        status = lab.devices[BOARD_1].status
        assert status is not None
        assert status.is_safe
        health = lab.devices[BOARD_1].health
        assert health is not None
        assert health.crashes == 3
        assert b"ValueError: a bug" in health.text
        lab.coordinator.open()
        lab.run(10_000)
        assert not lab.federation.updates
    lab.devices[BOARD_1].control(p.RESTART, number(board.node.boots))
    lab.run_until(lambda: not board.node.health.is_safe, 5_000)
    lab.run_until(lambda: len(lab.federation.updates) == 1, 60_000)


def test_a_minute_of_work_ends_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = WineLab(1)
    board = lab.boards[BOARD_1]
    with monkeypatch.context() as broken:
        broken.setattr("paebiru_node.sampler.Sampler.step", crash)
        lab.run_until(lambda: board.boots == 3, 5_000)
    lab.run(70_000)
    with monkeypatch.context() as broken:
        broken.setattr("paebiru_node.sampler.Sampler.step", crash)
        lab.run_until(lambda: board.boots == 5, 5_000)
    assert not board.node.health.is_safe


def test_a_step_that_hangs_is_bitten(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = WineLab(1)
    lab.until_known()
    board = lab.boards[BOARD_1]
    with monkeypatch.context() as broken:
        broken.setattr("paebiru_node.sampler.Sampler.step", lambda *_: lab.clock.advance(40_000))
        lab.run_until(lambda: board.boots == 2, 5_000)
    lab.until_known()
    lab.run(10_000)
    assert any(h.cause == 2 and b"watchdog" in h.text for h in lab.heard("health"))


def test_a_full_flash_refuses_the_model_and_the_board_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = WineLab(1)
    lab.until_known()
    lab.round()
    lab.until_equal()
    board = lab.boards[BOARD_1]
    model = board.node.learning.model

    def full(*_: Any) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as broken:
        broken.setattr(learning_module.Slots, "write", full)
        lab.coordinator.open()
        lab.run(5_000)
        assert board.node.learning.model == model
        assert board.boots == 1
        assert any(b"no space left" in health.text for health in lab.heard("health"))
    lab.boards[BOARD_1].power_cut()
    lab.run_until(lambda: len(lab.federation.updates) == 1, 60_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version"),
        ({"links": ["wifi"]}, "wifi"),
        ({"layers": [5]}, "layers"),
        ({"layers": "0"}, "layers"),
        ({"sensors": [{"layer": 1}]}, "driver"),
        ({"sensors": [{"driver": "x", "layer": 9}]}, "layer"),
        ({"learn": {"sensor": 3}}, "sensors"),
        ({"learn": {"scaler": "zz"}}, "hex"),
        ({"learn": 3}, "learn"),
        ({"period_ms": 1}, "period_ms"),
        ({"batch": 1000}, "batch"),
        ({"rho_critical": "x"}, "rho_critical"),
        ({"name": 5}, "name"),
    ],
)
def test_a_wrong_configuration_names_the_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked({**config(), **change})


def test_a_configuration_that_is_no_json() -> None:
    with pytest.raises(ConfigError, match="deploy"):
        parse("{")
    with pytest.raises(ConfigError):
        parse("[]")


def test_a_missing_sensor_leaves_its_layer_null_with_the_reason() -> None:
    lab = WineLab(0)
    sensors = [*config()["sensors"], {"driver": "bh1750", "layer": 0, "role": "i2c0"}]
    lab.add_wine(0, layers=[0, 3], sensors=sensors)
    lab.run(10_000)
    assert lab.boards[BOARD_1].node.view[0] == 0
    assert lab.boards[BOARD_1].node.view[3] != 0
    assert any(b"bh1750" in health.text for health in lab.heard("health"))
