"""What holds for inference and training: every docstring is an invariant."""

import random
from array import array

import definition
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sil import bytesil, nn, train
from sil.errors import ModelError, RangeError

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=3).flatmap(
    lambda units: st.integers(2, 6).map(lambda classes: (*units, classes))
)
seeds = st.integers(0, 2**30 - 1)


def samples(rng: random.Random, sizes: tuple[int, ...], n: int) -> tuple[bytes, bytes]:
    """Return n random inputs and labels."""
    return rng.randbytes(n * sizes[0]), bytes(rng.randrange(sizes[-1]) for _ in range(n))


def as_rows(x: bytes, nin: int, signed: bool) -> list[list[int]]:
    """Return the inputs as integers."""
    values = [(v ^ 128) - 128 if signed else v for v in x]
    return [values[i : i + nin] for i in range(0, len(values), nin)]


def random_model(rng: random.Random, sizes: tuple[int, ...]) -> bytes:
    """Return codes of magnitudes up to 4, zeros among them; small enough to be accepted."""
    pool = [0x00, 0x05, *range(0x30, 0xA0)]
    return bytes(rng.choice(pool) for _ in range(definition.weights(sizes)))


@given(shapes, st.booleans(), seeds)
def test_inference_is_the_definition_in_unbounded_integers(
    sizes: tuple[int, ...], signed: bool, seed: int
) -> None:
    """Every sum equals that of big integers, and the class is the first largest."""
    rng = random.Random(seed)
    model = random_model(rng, sizes)
    network = nn.Network(sizes, model, signed)
    x, _ = samples(rng, sizes, 3)
    layers = definition.split([definition.DEC[c] for c in model], sizes)
    for row in as_rows(x, sizes[0], signed):
        sums = definition.forward(layers, row, 5 if signed else 8, 14)[1]
        answer = network.classify(bytes(v % 256 for v in row))
        assert [network.logit(k) for k in range(sizes[-1])] == sums
        assert answer == sums.index(max(sums))


@settings(max_examples=40)
@given(shapes, st.booleans(), st.integers(0, 4), seeds)
@example((4, 3, 130, 3), False, 2, 5)  # a hidden layer whose errors are scaled to be summed
def test_training_is_the_definition_in_unbounded_integers(
    sizes: tuple[int, ...], signed: bool, lb: int, seed: int
) -> None:
    """Masters after an epoch equal those of big integers: any shape, batch, rate, ragged end."""
    rng = random.Random(seed)
    lrs = rng.randint(0, 8 - lb)
    model = random_model(rng, sizes)
    x, y = samples(rng, sizes, 7)
    trainer = train.Trainer(sizes, signed, lb, lrs)
    trainer.load(model)
    right = trainer.epoch(x, y, array("H", range(7)), seed)
    start = [(definition.DEC[c] + 2) >> 2 for c in model]
    rows = as_rows(x, sizes[0], signed)
    assert list(trainer.masters) == definition.train(
        start, sizes, rows, list(y), signed, lb, lrs, seed
    )
    assert 0 <= right <= 7


@given(shapes, st.booleans(), seeds)
def test_a_seed_says_everything(sizes: tuple[int, ...], signed: bool, seed: int) -> None:
    """Fresh weights are the definition's; a used trainer, loaded anew, does what a new one does."""
    rng = random.Random(seed)
    model = nn.initial_codes(sizes, seed)
    assert list(model) == definition.initial(sizes, seed)
    x, y = samples(rng, sizes, 20)
    used, new = train.Trainer(sizes, signed), train.Trainer(sizes, signed)
    used.load(model)
    used.epoch(x, y, array("H", range(20)), seed ^ 1)
    for trainer in (used, new):
        trainer.load(model)
        trainer.epoch(x, y, array("H", range(20)), seed)
    assert used.masters == new.masters


def test_another_seed_trains_another_model() -> None:
    """The seed reaches the fresh weights, the order of samples and the rounding."""
    sizes, rng = (8, 6, 3), random.Random(1)
    x, y = samples(rng, sizes, 20)
    results = []
    for start, seed in ((1, 1), (1, 2), (2, 1)):
        trainer = train.Trainer(sizes, False)
        trainer.load(nn.initial_codes(sizes, start))
        order = array("H", range(20))
        trainer.epoch(x, y, order, seed)
        results.append((trainer.masters.tobytes(), order.tobytes()))
    assert len({masters for masters, _ in results}) == 3
    assert results[0][1] == results[2][1] != results[1][1]


@given(shapes, st.booleans(), seeds, st.permutations(range(8)))
def test_the_order_within_a_batch_does_not_matter(
    sizes: tuple[int, ...], signed: bool, seed: int, order: list[int]
) -> None:
    """One batch in any order gives the same masters: sums are exact, rounded once at the end."""
    rng = random.Random(seed)
    model = random_model(rng, sizes)
    x, y = samples(rng, sizes, 8)
    results = []
    for start in (range(8), order):
        trainer = train.Trainer(sizes, signed, 3, 3)
        trainer.load(model)
        right = trainer.epoch(x, y, array("H", start), seed)
        results.append((right, trainer.masters))
    assert results[0] == results[1]


@given(st.booleans(), seeds)
def test_models_are_refused_exactly_when_they_could_overflow(signed: bool, seed: int) -> None:
    """check passes a model if and only if no unit's sum can reach 2**29, in any layer."""
    rng = random.Random(seed)
    sizes = (rng.randint(1, 3), rng.randint(1, 3), 2)
    model = bytearray(random_model(rng, sizes))
    at = nn.offsets(sizes)[rng.randrange(2)]
    # Weights and biases around the limit, 2**29 over 255 or 128 or 2**8 or 2**5, in one layer.
    for k in range(at, min(at + rng.randint(1, 5), len(model))):
        model[k] = bytesil.encode(rng.randint(0, 1 << rng.randint(18, 25)))
    if definition.fits(list(model), sizes, signed):
        nn.check(sizes, model, signed)
    else:
        with pytest.raises(ModelError):
            nn.check(sizes, model, signed)


def test_models_on_both_sides_of_the_limit_occur() -> None:
    """The models drawn by the test above are both let through and refused, in both layers."""
    verdicts = set()
    for code in range(0x10, 0x100):
        for layer in (0, 1):
            for bias in (0, 1):
                model = bytearray(2 * 1 + 2 * 2)
                model[(0, 2)[layer] + bias * (1, 2)[layer]] = code
                fits = definition.fits(list(model), (1, 1, 2), False)
                verdicts.add((layer, bias, fits))
                try:
                    nn.check((1, 1, 2), model, False)
                except ModelError:
                    assert not fits
                else:
                    assert fits
    assert verdicts == {(0, 0, True), (0, 0, False), (0, 1, True), (0, 1, False),
                        (1, 0, True), (1, 0, False), (1, 1, True), (1, 1, False)}  # fmt: skip


@given(st.lists(st.integers(-5, 5000), max_size=5), st.integers(-1, 3))
def test_shapes_are_refused_or_counted(sizes: list[int], off: int) -> None:
    """A shape is refused by ModelError, or its weights are counted and other lengths refused."""
    good = (
        len(sizes) >= 2
        and all(1 <= units <= nn._MAX_UNITS for units in sizes)
        and 2 <= sizes[-1] <= 64
    )
    if not good:
        with pytest.raises(ModelError):
            nn.check_sizes(tuple(sizes))
        return
    count = nn.check_sizes(tuple(sizes))
    assert count == definition.weights(tuple(sizes))
    if off and count < 1 << 16:
        with pytest.raises(ModelError):
            nn.check(tuple(sizes), bytes(count + off), False)


@given(st.integers(-2, 9), st.integers(-2, 10))
def test_rates_are_refused_where_a_shift_would_leave_16_bits(lb: int, lrs: int) -> None:
    """A trainer takes lb 0..6 and lrs 0..8-lb, so that no update shifts by more than 16."""
    if 0 <= lb <= 6 and 0 <= lrs <= 8 - lb:
        assert train.Trainer((2, 2), False, lb, lrs).weights == 6
    else:
        with pytest.raises(RangeError):
            train.Trainer((2, 2), False, lb, lrs)


@given(st.lists(st.integers(-32767, 32767), min_size=1, max_size=50))
def test_masters_become_codes_and_back(values: list[int]) -> None:
    """encode takes each master to its nearest code; loading those again changes no code."""
    masters = array("h", values)
    codes = nn.encode(masters)
    assert list(codes) == [bytesil.encode(4 * v) for v in values]
    trainer = train.Trainer((len(values), 2), False)
    model = bytes(codes) * 2 + bytes(2)
    trainer.load(model)
    again = nn.encode(trainer.masters)
    # Levels under half a step of Q12 fall together there, and those over 8 saturate.
    same = [k for k, c in enumerate(model) if 8 <= abs(bytesil.decode(c)) < 131000]
    assert [again[k] for k in same] == [model[k] for k in same]
