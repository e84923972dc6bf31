"""FedProx on boards: training drawn back to the round's model, in integers, as floats define it."""

import random
from array import array
from dataclasses import replace
from pathlib import Path

import definition
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checked import checked
from durable_fleet import DEVICES, federation, update
from paebiru import accel
from paebiru.errors import UsageError
from paebiru.federated import reference, snapshot
from paebiru.federated.rounds import Federation
from paebiru.hub import run
from paebiru.sim import federation as sim
from paebiru.sim.plan import Plan, World, prepare
from sil import nn, train
from sil import protocol as p
from sil.errors import FormatError
from sil.kernels import dense
from sil.learner import Learner
from sil.link.fields import put16
from wine_lab import BOARDS, WineLab

ONE = p.PROXIMAL_ONE


# -- the kernel


@settings(max_examples=60)
@given(
    st.integers(-32767, 32767), st.integers(-32767, 32767), st.integers(1, ONE),
    st.integers(0, 8), st.integers(0, 65535),
)  # fmt: skip
def test_no_master_passes_its_base_and_nothing_leaves_31_bits(
    master: int, base: int, mu: int, lrs: int, dither: int
) -> None:
    masters = array("h", [master, -32767, 32767, base])
    bases = array("h", [base, 32767, -32767, base])
    before = list(masters)
    checked(dense.pull)(masters, 4, bases, mu, 7 + lrs, dither)
    for new, old, to in zip(masters, before, bases, strict=True):
        assert min(old, to) <= new <= max(old, to)
    assert list(masters) == definition.pull(before, list(bases), mu, lrs, dither)


@pytest.mark.parametrize("lrs", [0, 3, 8])
@pytest.mark.parametrize("mu", [1, 33, 328, 3277, ONE])
def test_in_the_mean_a_pull_is_the_floats(mu: int, lrs: int) -> None:
    """Over all 2**16 dithers a master loses rate * mu * d, to within half of 2**-(7 + lrs)."""
    accel.install("numba")
    try:
        for d in (-65534, -3001, -40, -1, 0, 1, 7, 900, 65534):
            base = max(min(-(d // 2), 32767), -32767)
            masters = array("h", [base + d] * 65536)
            dense.pull(masters, 65536, array("h", [base] * 65536), mu, 7 + lrs, 0)
            lost = base + d - np.mean(masters)
            assert abs(lost - d * mu / ONE / 2**lrs) <= 0.5 / 2 ** (7 + lrs) + 1e-9
    finally:
        accel.install("plain")


# -- training


@settings(max_examples=30)
@given(st.booleans(), st.integers(1, ONE), st.integers(0, 2**30 - 1))
def test_training_is_the_definition(signed: bool, mu: int, seed: int) -> None:
    """Any mu and rate, from masters away from their base, with a last batch that is not full."""
    rng, sizes = random.Random(seed), (5, 4, 3)
    lb = rng.randint(0, 3)
    lrs = rng.randint(0, 8 - lb)
    trainer = train.Trainer(sizes, signed, lb, lrs)
    trainer.load(nn.initial_codes(sizes, seed))
    trainer.base = array("h", [rng.randint(-9000, 9000) for _ in trainer.masters])
    trainer.proximal = mu
    start, x, y = list(trainer.masters), rng.randbytes(7 * 5), bytes(rng.choices(range(3), k=7))
    trainer.epoch(x, y, array("H", range(7)), seed)
    values = [(v ^ 128) - 128 if signed else v for v in x]
    rows = [values[i : i + 5] for i in range(0, len(values), 5)]
    assert list(trainer.masters) == definition.train(
        start, sizes, rows, list(y), signed, lb, lrs, seed, mu, list(trainer.base)
    )


def shares(seed: int) -> tuple[World, Plan]:
    plan = Plan("wine", clients=3, split="dirichlet", hidden=(8,), seed=seed)
    return prepare(plan), plan


def moved(world: World, mu: int, epochs: int) -> float:
    """Return how far a board's masters get from their base, as a norm in Q12."""
    x, y = world.split.train_x[world.parts[0]], world.split.train_y[world.parts[0]]
    board = Learner(world.sizes, world.split.signed, world.codes, 10000)
    board.train(x.tobytes(), y.tobytes(), array("H", range(len(y))), epochs, 7, mu)
    return float(np.linalg.norm(np.subtract(board.trainer.masters, board.base, dtype=np.float64)))


def moved_in_floats(world: World, mu: float, epochs: int) -> float:
    """Return the same of float32 training by the same rule."""
    rows = world.parts[0]
    given = reference.Settings(1, epochs, proximal=mu)
    unit = np.float32(world.split.unit)
    x = world.split.train_x[rows].astype(np.float32) / unit
    y = world.split.train_y[rows].astype(np.intp)
    base = reference.decode(world.codes)
    local = base.copy()
    layers = reference._layers(local, world.sizes)
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(y))
        reference._train(layers, x, y, order, given, local, base)
    return float(np.linalg.norm(local - base)) * 4096


@pytest.mark.parametrize("seed", range(3))
def test_a_stronger_pull_keeps_a_board_nearer_as_it_does_in_floats(seed: int) -> None:
    """Distances fall with mu, and are float32's to within a tenth (rounding is not in those)."""
    accel.install("numba")
    try:
        world, _ = shares(seed)
        pulls = (0.0, 0.01, 0.1, 0.3, 1.0)
        ours = [moved(world, round(mu * ONE), 10) for mu in pulls]
        floats = [moved_in_floats(world, mu, 10) for mu in pulls]
    finally:
        accel.install("plain")
    for nearer, further in zip(ours[1:], ours, strict=False):
        assert nearer < further * 1.01
    assert ours[-1] < 0.7 * ours[0]
    assert np.allclose(ours, floats, rtol=0.1), (ours, floats)


def test_no_pull_is_the_training_there_was() -> None:
    """Mu 0 draws no number and moves nothing, whatever the base; a learner forgets a pull."""
    world, _ = shares(0)
    x, y = world.split.train_x[world.parts[1]], world.split.train_y[world.parts[1]]
    results = []
    for pulls in ((0,), (ONE, 0)):
        board = Learner(world.sizes, world.split.signed, world.codes, 10000)
        for mu in pulls:
            board.train(x.tobytes(), y.tobytes(), array("H", range(len(y))), 2, 7, mu)
        results.append(board.trainer.masters.tobytes())
    assert results[0] == results[1]


# -- a round


def test_orders_carry_it_and_states_keep_it() -> None:
    fed = replace(federation(), proximal=3277)
    fed.open()
    assert fed.order(DEVICES[0], fed.name, 5)[14:16] == (3277).to_bytes(2, "little")
    for device in DEVICES:
        fed.take(device, update(fed, device))
    fed.close()
    again = Federation.of(fed.state())
    assert (again.proximal, again.epochs, again.state()) == (3277, 1, fed.state())
    plain = federation()
    plain.restore(fed.state())
    assert plain.proximal == 3277


def test_a_state_of_version_1_is_read() -> None:
    """It had a u32 of epochs where epochs and proximal are; a later version is refused."""
    state = bytearray(replace(federation(), epochs=7).state())
    state[4] = 1
    read = snapshot.unpack(bytes(state))
    assert (read.epochs, read.proximal) == (7, 0)
    state[4] = 3
    with pytest.raises(FormatError, match="version 3"):
        snapshot.unpack(bytes(state))


def drawn(lab: WineLab, rounds: int, proximal: int = ONE // 4) -> bytes:
    """Return the model of rounds of two epochs."""
    lab.federation.proximal, lab.federation.epochs = proximal, 2
    lab.until_known()
    for _ in range(rounds):
        lab.round()
    lab.until_equal()
    return lab.federation.name


def test_power_cut_at_every_write_of_a_drawn_round() -> None:
    """A board that comes back goes on with the same pull: the same model, to the byte."""
    whole = drawn(WineLab(), 2)
    assert whole != drawn(WineLab(), 2, 0)
    lab = WineLab()
    flash = lab.boards[BOARDS[0]].flash
    drawn(lab, 1)
    before = flash.writes
    drawn(lab, 1)
    for cut in range(1, flash.writes - before + 1, 6):
        lab = WineLab()
        drawn(lab, 1)
        board = lab.boards[BOARDS[0]]
        board.flash.cut_at = board.flash.writes + cut
        assert drawn(lab, 1) == whole, f"cut at write {cut}"
        assert board.boots == 2


def test_a_board_refuses_a_pull_over_1() -> None:
    lab = WineLab(1)
    lab.until_known()
    lab.coordinator.open()
    order = bytearray(lab.federation.order(BOARDS[0], lab.federation.name, 5))
    put16(order, 14, ONE + 1)
    learning = lab.boards[BOARDS[0]].node.learning
    with pytest.raises(FormatError, match="at most 1"):
        learning.take_order(order, bytes(32))


# -- its option


def test_the_plan_says_it() -> None:
    assert Plan(proximal=0.01).check().pull == 328
    assert Plan(proximal=1).check().pull == ONE
    world, plan = shares(2)
    names = []
    for proximal in (0.0, 0.5):
        given = replace(world, plan=replace(plan, rounds=2, local_epochs=3, proximal=proximal))
        fleet = sim.Federation(given)
        assert len(list(fleet.rounds())) == 2
        assert fleet.rounds_of.proximal == round(proximal * ONE)
        names.append(fleet.rounds_of.name)
    assert names[0] != names[1]


@pytest.mark.parametrize("value", [-0.1, 1e-6, 1.5, float("nan")])
def test_a_wrong_one_is_told(value: float) -> None:
    with pytest.raises(UsageError, match="--proximal"):
        Plan(proximal=value).check()
    with pytest.raises(UsageError, match="--proximal"):
        run.federation(run.Options(Path("hub"), proximal=value))


@pytest.mark.parametrize("epochs", [0, 101])
def test_epochs_are_what_a_board_takes(epochs: int) -> None:
    with pytest.raises(UsageError, match="epochs"):
        run.federation(run.Options(Path("hub"), epochs=epochs))
    with pytest.raises(UsageError, match="epochs"):
        Plan(local_epochs=epochs).check()
