"""`paebiru simulate --secure`: the same model by objects and by whole boards, and what it costs."""

from contextlib import closing

import pytest

from paebiru import accel
from paebiru.errors import UsageError
from paebiru.sim.federation import Federation, Round
from paebiru.sim.masked import memberships
from paebiru.sim.plan import Plan, prepare
from paebiru.sim.whole import WholeFederation
from sil import groups

PLAN = Plan("wine", clients=5, rounds=4, share=1.0, hidden=(8,), secure=True)
WEIGHTS = 139


def run(made: Federation) -> tuple[bytes, list[Round]]:
    with closing(made):
        rounds = list(made.rounds())
        sums = made.rounds_of.sums
        assert sums is not None
        assert not sums.failed
        return made.rounds_of.name, rounds


def test_whole_boards_processes_and_objects_learn_the_same() -> None:
    accel.install("numba")
    try:
        world = prepare(PLAN)
        model, rounds = run(Federation(world))
        assert run(Federation(world, workers=2))[0] == model
        assert run(WholeFederation(world))[0] == model
    finally:
        accel.install("plain")
    assert rounds[-1].accuracy > 0.8
    n = 5
    part = 20 + 2 * WEIGHTS + 8 * n + (n - 1) * (16 * n + 8)
    assert [one.bytes_up for one in rounds] == [part + 16 + 16 * n] * 4
    question = 16 + (n - 1) * (16 * n + 8)
    assert all(one.bytes_down > question + 16 for one in rounds)


def test_a_large_fleet_is_several_groups() -> None:
    names = [b"sim%05d" % number for number in range(40)]
    dealt = [groups.unpack(stored) for stored in memberships(names, 0).values()]
    sizes = {group.name: group.members for group in dealt}
    assert sorted(sizes.values()) == [13, 13, 14]
    world = prepare(Plan("digits", clients=40, rounds=1, share=1.0, hidden=(), secure=True))
    with closing(Federation(world)) as made:
        list(made.rounds())
        assert len(made.rounds_of.updates) == 40


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="leave --share out"):
        Plan(secure=True).check()
    with pytest.raises(UsageError, match="make no group"):
        memberships([b"one-one1", b"two-two2"], 0)
