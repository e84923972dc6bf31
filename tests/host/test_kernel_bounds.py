"""No kernel leaves 31 bits: each runs on `Checked` integers at the largest inputs it promises.

What a kernel sums is monotone in every factor, so its extremes are the corners tried here;
random inputs on top look for what was not thought of.
"""

import random
from array import array
from collections.abc import Iterator

import definition
import pytest

from checked import Checked, OutOfBounds, Watched, checked
from sil import nn, rho, tables, train, update
from sil.errors import ModelError
from sil.kernels import codes, dense, measure, sparse

MOST = 32767  # masters and changes saturate here
HIDDEN_ERROR = 8128
SUM = (1 << 29) - 1


@pytest.fixture
def boards_ints(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every kernel on checked integers, wherever it is called from."""
    for module in (codes, dense, measure, sparse):
        for name, kernel in list(vars(module).items()):
            if getattr(kernel, "__module__", "") == module.__name__:
                monkeypatch.setattr(module, name, checked(kernel))
    Checked.peak = 0
    yield
    assert Checked.peak > 1 << 12  # it was indeed these kernels that ran


def test_the_check_itself_catches() -> None:
    """A product of 2**30, an index beyond, a byte of 256, a shift by -1 are each refused."""
    big = Checked(1 << 29)
    for wrong in (lambda: big + big, lambda: 2 * big, lambda: -big - big, lambda: 1 << Checked(30),
                  lambda: big >> -1, lambda: Watched(bytes(3))[3], lambda: Watched(bytes(3))[-1],
                  lambda: Watched(bytearray(3)).__setitem__(0, 256)):  # fmt: skip
        with pytest.raises(OutOfBounds):
            wrong()
    assert (big - 1) + big == (1 << 30) - 1


def heaviest_row(rng: random.Random, nin: int, signed: bool) -> list[int]:
    """Return codes of nin weights and a bias which `nn.check` just lets pass."""
    fa, top = (5, 128) if signed else (8, 255)
    room = SUM
    row = [0] * (nin + 1)
    for k in rng.sample(range(nin + 1), nin + 1):
        factor = 1 << fa if k == nin else top
        fitting = [c for c in range(256) if abs(definition.DEC[c]) * factor <= room]
        largest = max(abs(definition.DEC[c]) for c in fitting)
        row[k] = rng.choice([c for c in fitting if abs(definition.DEC[c]) == largest])
        room -= largest * factor
        if rng.random() < 0.5:
            room = room * 3 // 4  # or one weight would take it all
    return row


@pytest.mark.parametrize("signed", [False, True])
def test_inference_at_the_heaviest_models_let_through(boards_ints: None, signed: bool) -> None:
    """Sums of accepted models stay below 2**29 at the inputs that drive each row to both ends."""
    rng = random.Random(1)
    low, high = (0x80, 0x7F) if signed else (0, 255)
    for nin in (1, 2, 3, 8, 40):
        rows = [heaviest_row(rng, nin, signed) for _ in range(2)]
        model = bytes([c for row in rows for c in row[:-1]] + [row[-1] for row in rows])
        network = nn.Network((nin, 2), model, signed)
        for row in rows:
            for flip in (0, 8):
                x = bytes(low if (c & 8) ^ flip else high for c in row[:-1])
                network.classify(x)
                sums = definition.forward(
                    definition.split([definition.DEC[c] for c in model], (nin, 2)),
                    [(v ^ 128) - 128 if signed else v for v in x], 5 if signed else 8, 14,
                )[1]  # fmt: skip
                assert [network.logit(0), network.logit(1)] == sums


def test_the_sum_of_a_refused_row() -> None:
    """row_sum of 4096 codes F0 is capped, and what `nn.check` makes of it fits."""
    for code, n in ((0xF0, 4096), (0x80, 259)):  # far over the cap, and just over
        assert checked(dense.row_sum)(bytes([code] * n), 0, n, tables.dec()) == 1 << 22
    for code in (0xF0, 0x70):
        with pytest.raises(ModelError):
            nn.check((1000, 2), bytes([code] * (1001 * 2)), False)


@pytest.mark.parametrize("nin", [1, 31, 32, 33, 64, 65, 200, 4096])
@pytest.mark.parametrize("signed", [False, True])
def test_forward_over_the_largest_masters(nin: int, signed: bool) -> None:
    """Sums saturate at +-(2**29 - 1) after every 32 products, as the definition's do."""
    low, fa = (0x80, 5) if signed else (0xFF, 8)
    for sign in (1, -1):
        masters = array("h", [sign * MOST] * (2 * nin + 2))
        # The second row climbs, then falls: where it was clipped shows in the end.
        masters[nin + nin * 3 // 4 : 2 * nin] = array("h", [-sign * MOST] * (nin - nin * 3 // 4))
        acc = array("i", [0, 0])
        x = bytes(nin) + bytes([low] * nin)
        checked(dense.forward_weights)(
            masters, 0, x, array("H", [9, 1]), 1, int(signed), 1, nin, 2, fa, acc
        )
        layers = definition.split(list(masters), (nin, 2))
        assert list(acc) == definition.forward(layers, [low - 256 * signed] * nin, fa, 12)[1]


@pytest.mark.parametrize("shift", [12, 14, 15, 17])
def test_activations_of_the_largest_sums(shift: int) -> None:
    """relu rounds half up and clamps to 0..255, at the ends of every sum and around each step."""
    sums = [SUM, -SUM, 0, -1]
    sums += [(k << shift) - (1 << (shift - 1)) + j for k in (0, 1, 2, 255, 256) for j in (-1, 0, 1)]
    out = bytearray(len(sums))
    checked(dense.relu)(array("i", sums), len(sums), shift, out)
    assert list(out) == [min(max((v + (1 << shift - 1)) // 2**shift, 0), 255) for v in sums]


@pytest.mark.parametrize("classes", [2, 10, 64])
@pytest.mark.parametrize("shift", [12, 15])
def test_softmax_of_the_largest_sums(classes: int, shift: int) -> None:
    """Errors sum to 0 (less a unit a class, for the floors), equal sums and far apart ones."""
    rng = random.Random(classes)
    for pool in ((SUM, -SUM), (SUM,), (-SUM,), range(-(255 << shift), 0, 1 << shift)):
        acc = array("i", [rng.choice(pool) for _ in range(classes)])
        err = array("h", bytes(2 * classes))
        label = rng.randrange(classes)
        right = checked(dense.softmax_error)(
            acc, 1, classes, shift, bytes([7, label]), array("H", [0, 1]), 1, tables.expn(), err
        )
        assert right == (label == list(acc).index(max(acc)))
        assert -classes < sum(err) <= 0 and err[label] <= 0
        assert all(0 <= e <= 4096 for k, e in enumerate(err) if k != label)
        out = bytearray(1)
        checked(dense.argmax)(acc, 1, classes, out)
        assert out[0] == list(acc).index(max(acc))


@pytest.mark.parametrize("nout", [1, 64, 65, 128, 4096])
@pytest.mark.parametrize("worst", [4096, HIDDEN_ERROR])
def test_backward_through_the_largest_weights(nout: int, worst: int) -> None:
    """No sum of 64 * 2**ps products reaches 2**30, and the clamped error is the definition's."""
    ps = next(p for p in range(7) if nout <= 64 << p)
    for sign, fault in ((-1, -1), (1, 1), (-1, 1)):
        masters = array("h", [sign * MOST] * (2 * nout + nout))
        err = array("h", [fault * worst] * nout)
        below = array("h", [0, 99])
        checked(dense.backward)(masters, 0, err, 1, 2, nout, ps, b"\xff\0", below)
        rows = definition.split(list(masters), (2, nout))[0][0]
        assert list(below) == definition.backward(rows, list(err), [255, 0])
        assert abs(below[0]) <= HIDDEN_ERROR


@pytest.mark.parametrize("lb", [0, 3, 6])
@pytest.mark.parametrize("signed", [False, True])
def test_updates_by_the_largest_errors(lb: int, signed: bool) -> None:
    """A batch of the largest errors at the largest inputs, each dither, each rate: it fits."""
    n, fa = 1 << lb, 5 if signed else 8
    value = 0x80 if signed else 0xFF
    for lrs in (0, 8 - lb):
        for sign, dither in ((1, 0), (-1, 0xFFFF), (1, 0xFFFF)):
            masters = array("h", [sign * MOST, -sign * MOST] * 2 + [MOST, -MOST])
            before = list(masters)
            err = array("h", [sign * HIDDEN_ERROR] * (2 * n))
            checked(dense.update)(
                masters, 0, err, bytes([value] * (2 * n)), array("H", range(n)), 0, int(signed),
                n, 2, 2, fa, fa + lrs + lb, dither,
            )  # fmt: skip
            row = [value - 256 * signed] * 2
            seen = [(row, [sign * HIDDEN_ERROR] * 2)] * n
            rows, biases = definition.split(before, (2, 2))[0]
            assert list(masters) == definition.update(rows, biases, seen, fa, lb + lrs, dither)


@pytest.mark.parametrize("sizes", [(3, 4, 130, 3), (33, 5, 2), (70, 9)])
def test_epochs_from_the_largest_models(boards_ints: None, sizes: tuple[int, ...]) -> None:
    """An epoch from weights at +-8, with hidden layers wider than 128, fits and is right."""
    rng = random.Random(sizes[0])
    for signed in (False, True):
        model = bytes(rng.choices((0xF0, 0xF8), (9, 1), k=definition.weights(sizes)))
        x = bytes(rng.choices((0x80, 0x7F) if signed else (0, 255), k=5 * sizes[0]))
        y = bytes(rng.randrange(sizes[-1]) for _ in range(5))
        trainer = train.Trainer(sizes, signed, 2, 0)
        trainer.load(model)
        trainer.epoch(x, y, array("H", range(5)), 3)
        rows = [[(v ^ 128) - 128 if signed else v for v in x[i * sizes[0] : (i + 1) * sizes[0]]]
                for i in range(5)]  # fmt: skip
        start = [MOST if code == 0xF0 else -MOST for code in model]
        after = definition.train(start, sizes, rows, list(y), signed, 2, 0, 3)
        assert list(trainer.masters) == after


@pytest.mark.parametrize("share", [100, 500, 10000])
def test_updates_are_coded_within_bounds(boards_ints: None, share: int) -> None:
    """The k largest changes go into the frame, the rest stays; adding saturates; all of it fits."""
    rng = random.Random(share)
    weight = [(definition.DEC[c] + 2) >> 2 for c in range(256)]
    for pool in ((MOST, -MOST), (-32768, MOST), (0,), (0, 1, -1), range(-32768, 32768)):
        changes = array("h", [rng.choice(pool) for _ in range(400)])
        before, frame = changes[:], bytearray(400)
        update.Selector(400, share).take(changes, frame)
        sizes = [min(abs(v), MOST) for v in before]
        sent = sorted((v for v, c in zip(sizes, frame, strict=True) if c), reverse=True)
        assert sent == sorted((v for v in sizes if v), reverse=True)[: 400 * share // 10000]
        for v, left, c in zip(before, changes, frame, strict=True):
            assert left == (definition.clamp(v - weight[c], -MOST, MOST) if c else v)
        for codes_ in (frame, bytes([0xF0, 0xF8, 0x08, 0x0F] * 100)):
            model = array("h", [rng.choice((MOST, -MOST, 0)) for _ in range(400)])
            exact = [v + weight[c] for v, c in zip(model, codes_, strict=True)]
            update.apply(model, codes_)
            assert list(model) == [definition.clamp(v, -MOST, MOST) for v in exact]
        exact = [t + a - b for t, a, b in zip(model, before, changes, strict=True)]
        sparse.gain(model, 400, before, changes)
        assert list(model) == [definition.clamp(v, -MOST, MOST) for v in exact]
        sparse.gain(model, 400, array("h", [-MOST] * 400), array("h", [MOST] * 400))
        assert list(model) == [-MOST] * 400


def test_measures_and_codes_within_bounds(boards_ints: None) -> None:
    """rho_sil of any bytes, and coding any int16 there and back, fits."""
    rng = random.Random(5)
    for alphabet in ([0xF0], [0, 0xF0], [0x10, 0x80], list(range(256))):
        rho.rho_sil(bytes(rng.choices(alphabet, k=1000)))
    masters = array("h", [-32768, -MOST, -1, 0, 1, MOST])
    codes.decode16(nn.encode(masters), 6, tables.dec(), masters)
    assert list(masters) == [-MOST, -MOST, -1, 0, 1, MOST]
