"""Float32 federated averaging is what it says, and the picture of a run can be drawn."""

from types import SimpleNamespace

import numpy as np
import pytest

from paebiru import datasets, plot
from paebiru.errors import UsageError
from paebiru.federated import partition, reference
from sil import nn

SIZES = (64, 32, 10)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").split(0)


@pytest.fixture(scope="module")
def weights():
    return reference.decode(nn.initial_codes(SIZES, 0))


def run(split, parts, weights, sizes=SIZES, order=None, **settings):
    wanted = reference.Settings(**settings)
    return list(reference.fedavg(split, parts, sizes, weights, wanted, order))


def toy(rows=8):
    """A split of `rows` random rows with 3 inputs and 2 classes."""
    rng = np.random.default_rng(0)
    x = rng.integers(-127, 128, (rows, 3)).astype(np.int8)
    y = (np.arange(rows) % 2).astype(np.uint8)
    return SimpleNamespace(train_x=x, train_y=y, test_x=x, test_y=y, unit=32)


def loss(weights, sizes, x, y):
    """Return the cross-entropy of a model in float64, written another way than the subject."""
    at = 0
    for i, (nin, nout) in enumerate(zip(sizes, sizes[1:], strict=False)):
        w = weights[at : at + nin * nout].reshape(nout, nin)
        x = x @ w.T + weights[at + nin * nout : at + (nin + 1) * nout]
        at += (nin + 1) * nout
        if i < len(sizes) - 2:
            x = x * (x > 0)
    return -np.mean(x[np.arange(len(y)), y] - np.log(np.exp(x).sum(axis=1)))


def test_a_step_follows_the_numerical_gradient(monkeypatch):
    sizes, split = (3, 4, 3, 2), toy()
    start = np.random.default_rng(1).normal(0, 0.6, nn.check_sizes(sizes)).astype(np.float32)
    models = []
    monkeypatch.setattr(reference, "accuracy", lambda model, *_: models.append(model) or 0.0)
    run(split, [np.arange(8)], start, sizes, rounds=1)
    x, y = split.train_x / 32, split.train_y
    gradient = np.empty(len(start))
    for i in range(len(start)):
        nudge = np.zeros(len(start))
        nudge[i] = 1e-5
        gradient[i] = (loss(start + nudge, sizes, x, y) - loss(start - nudge, sizes, x, y)) / 2e-5
    assert np.abs(gradient).max() > 0.05
    assert np.allclose(models[0], start - 0.125 * gradient, atol=1e-4)


def test_clients_weigh_as_much_as_they_have_rows(monkeypatch):
    split, sizes = toy(8), (3, 2)
    models = []
    monkeypatch.setattr(reference, "accuracy", lambda model, *_: models.append(model) or 0.0)
    start = np.zeros(8, np.float32)
    for parts in ([np.arange(6)], [np.arange(6, 8)], [np.arange(6), np.arange(6, 8)]):
        run(split, parts, start, sizes, rounds=1)
    assert np.allclose(models[2], models[0] * 0.75 + models[1] * 0.25, atol=1e-6)


def test_the_order_is_asked_for_each_round_client_and_epoch():
    asked = []

    def order(number, client, epoch, samples):
        asked.append((number, client, epoch, samples))
        return np.arange(samples)

    parts = [np.arange(5), np.arange(5, 8)]
    run(toy(), parts, np.zeros(8, np.float32), (3, 2), order, rounds=2, local_epochs=2)
    expected = [(r, c, e, (5, 3)[c]) for r in range(2) for c in range(2) for e in range(2)]
    assert asked == expected


def test_the_seed_decides_everything(digits, weights):
    parts = partition.iid(len(digits.train_y), 10, 0)
    one = run(digits, parts, weights, rounds=3, seed=1)
    assert run(digits, parts, weights, rounds=3, seed=1) == one
    assert run(digits, parts, weights, rounds=3, seed=2) != one


def test_the_initial_model_is_left_as_it_was(digits, weights):
    before = weights.copy()
    run(digits, partition.iid(len(digits.train_y), 10, 0), weights, rounds=1)
    assert np.array_equal(weights, before)


def test_ten_clients_learn_to_read_digits(digits, weights):
    parts = partition.iid(len(digits.train_y), 10, 0)
    curve = run(digits, parts, weights, rounds=25)
    assert len(curve) == 25
    assert curve[-1] > 0.92
    assert curve[-1] > curve[0] + 0.3


def test_codes_decode_to_what_the_core_says():
    codes = bytes(range(256))
    found = reference.decode(codes)
    assert found.dtype == np.float32
    assert found[0x00] == 0
    # ONE is e**0 turned by 3/64 of pi: its cosine, and the same below zero for NEG_ONE.
    assert found[0x80] == pytest.approx(np.cos(3 * np.pi / 64), abs=1e-4)
    assert found[0x88] == -found[0x80]


@pytest.mark.parametrize(
    ("sizes", "length", "cause"),
    [
        ((63, 32, 10), 2410, "change its first and last size"),
        ((64, 32, 9), 2410, "change its first and last size"),
        ((64, 32, 10), 2409, "2410 weights, the initial model 2409"),
    ],
)
def test_a_model_of_another_shape_is_refused(digits, sizes, length, cause):
    with pytest.raises(UsageError, match=cause):
        run(digits, [np.arange(9)], np.zeros(length, np.float32), sizes, rounds=1)


CURVE = [(2640, 0.3), (2870, 0.8), (16000, 0.97)]


@pytest.mark.parametrize("reference_curve", [None, [], [(19280, 0.4), (38560, 0.7)]])
@pytest.mark.parametrize("ours", [[], CURVE[:1], CURVE])
def test_a_picture_is_written_whatever_there_is(tmp_path, ours, reference_curve):
    path = tmp_path / "run.png"
    plot.save(path, ours, reference_curve, "digits")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_same_run_gives_the_same_picture_another_one_another(tmp_path):
    for name, curve in (("a", CURVE), ("b", CURVE), ("c", CURVE[:2])):
        plot.save(tmp_path / name, curve, None, "digits")
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (1500, "1.5 kB"), (2000, "2 kB"),
        (9960, "10 kB"), (16240, "16 kB"), (999_600, "1 MB"), (1_160_000, "1.2 MB"),
        (5e12, "5000 GB"),
    ],
)  # fmt: skip
def test_sizes_are_said_shortly(count, text):
    assert plot.size(count) == text
