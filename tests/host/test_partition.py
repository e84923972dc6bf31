"""Every rule deals all rows, each once, none to nobody; and the randomness under them."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paebiru.errors import UsageError
from paebiru.federated import partition
from paebiru.rng import Rng

SEEDS = st.integers(0, 1 << 29)
LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(
    lambda labels: np.array(labels, np.uint8)
)


def assert_deals(parts, rows, clients):
    assert len(parts) == clients
    assert all(len(part) for part in parts)
    assert all(np.all(np.diff(part) > 0) for part in parts)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(rows))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@given(rows=st.integers(1, 300), clients=st.integers(1, 300), seed=SEEDS)
def test_iid_is_a_partition_in_even_parts(rows, clients, seed):
    clients = min(rows, clients)
    parts = partition.iid(rows, clients, seed)
    assert_deals(parts, rows, clients)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert same(parts, partition.iid(rows, clients, seed))


@given(y=LABELS, clients=st.integers(1, 120), alpha=st.floats(1e-5, 1e6), seed=SEEDS)
def test_dirichlet_is_a_partition(y, clients, alpha, seed):
    clients = min(len(y), clients)
    parts = partition.dirichlet(y, clients, alpha, seed)
    assert_deals(parts, len(y), clients)
    assert same(parts, partition.dirichlet(y, clients, alpha, seed))


@given(group=st.lists(st.integers(0, 30), min_size=1, max_size=120), clients=st.integers(1, 31))
def test_natural_is_a_partition_of_whole_groups(group, clients):
    group = np.array(group, np.int32)
    clients = min(clients, len(np.unique(group)))
    parts = partition.natural(group, clients)
    assert_deals(parts, len(group), clients)
    owners = [set(group[part].tolist()) for part in parts]
    assert sum(map(len, owners)) == len(set(group.tolist()))


@given(group=st.lists(st.integers(0, 30), min_size=1, max_size=120))
def test_natural_without_a_number_is_one_client_a_group(group):
    group = np.array(group, np.int32)
    parts = partition.natural(group)
    assert [group[part[0]] for part in parts] == sorted(set(group.tolist()))
    assert_deals(parts, len(group), len(set(group.tolist())))


def test_fewer_clients_than_groups_are_loaded_evenly():
    group = np.repeat(np.arange(7, dtype=np.int32), [50, 30, 20, 20, 15, 10, 5])
    assert sorted(map(len, partition.natural(group, 3))) == [50, 50, 50]


def shares(alpha):
    """Return the shares of 2000 rows of one class that 5 clients get, for 300 seeds."""
    y = np.zeros(2000, np.uint8)
    return np.array(
        [[len(p) / 2000 for p in partition.dirichlet(y, 5, alpha, seed)] for seed in range(300)]
    )


@pytest.mark.parametrize("alpha", [0.3, 1.0, 10.0])
def test_shares_have_the_mean_and_the_variance_of_a_dirichlet(alpha):
    found = shares(alpha)
    assert np.all(np.abs(found.mean(axis=0) - 0.2) < 5 * found.std(axis=0) / np.sqrt(300))
    whole = 5 * alpha
    # Of a Dirichlet-multinomial of n draws: the Dirichlet's, and the draws' own.
    variance = 0.2 * 0.8 / (whole + 1) * (2000 + whole) / 2000
    assert abs(found.var() / variance - 1) < 0.15


def test_the_urn_has_its_exact_law():
    """With alpha 1 and two clients, every way to share 10 rows is as likely as another."""
    owners = [partition._urn(10, 2, partition._ALPHA_ONE, Rng(seed)) for seed in range(4000)]
    counts = np.bincount([sum(urn) for urn in owners], minlength=11)
    # Chi-square with 10 degrees of freedom: 29.6 is exceeded by one in a thousand, and
    # the seeds are fixed.
    assert np.sum((counts - 4000 / 11) ** 2 / (4000 / 11)) < 29.6


def test_the_parts_are_the_same_on_every_machine():
    """Who holds what decides the hash of the model: a change here changes all of them."""
    y = np.arange(500, dtype=np.uint8) % 10
    found = {
        "iid": partition.iid(500, 7, 3),
        "dirichlet": partition.dirichlet(y, 7, 0.3, 3),
        "natural": partition.natural(y.astype(np.int32), 7),
    }
    digests = {
        rule: sha256(b"/".join(p.astype("<i4").tobytes() for p in parts)).hexdigest()[:16]
        for rule, parts in found.items()
    }
    assert digests == {
        "iid": "a86b9647776c43d5",
        "dirichlet": "30164ad0d65e67d9",
        "natural": "0ba5a7b5c2566708",
    }


def test_a_small_alpha_shows_a_client_few_classes():
    y = np.repeat(np.arange(10, dtype=np.uint8), 100)
    seen = {
        alpha: np.mean([len(np.unique(y[p])) for p in partition.dirichlet(y, 10, alpha, 0)])
        for alpha in (0.05, 0.5, 50.0)
    }
    assert seen[0.05] < seen[0.5] < seen[50.0] == 10


def test_another_seed_deals_otherwise():
    y = np.repeat(np.arange(10, dtype=np.uint8), 20)
    assert not same(partition.iid(200, 4, 1), partition.iid(200, 4, 2))
    one, other = (partition.dirichlet(y, 4, 0.3, seed) for seed in (1, 2))
    assert list(map(len, one)) != list(map(len, other))


@pytest.mark.parametrize(
    ("deal", "cause"),
    [
        (lambda: partition.iid(10, 0, 0), "0 clients"),
        (lambda: partition.iid(10, -1, 0), "-1 clients"),
        (lambda: partition.iid(10, 11, 0), "11 clients for 10 training samples"),
        (lambda: partition.dirichlet(np.zeros(3, np.uint8), 0, 0.3, 0), "0 clients"),
        (lambda: partition.dirichlet(np.zeros(3, np.uint8), 4, 0.3, 0), "ask for at most 3"),
        (lambda: partition.dirichlet(np.zeros(3, np.uint8), 2, 0.0, 0), "alpha is 0"),
        (lambda: partition.dirichlet(np.zeros(3, np.uint8), 2, -0.5, 0), "alpha is -0.5"),
        (lambda: partition.dirichlet(np.zeros(3, np.uint8), 2, float("nan"), 0), "alpha is nan"),
        (lambda: partition.dirichlet(np.zeros(3, np.uint8), 2, float("inf"), 0), "alpha is inf"),
        (lambda: partition.natural(None), "no natural groups"),
        (lambda: partition.natural(None, 3), "no natural groups"),
        (lambda: partition.natural(np.array([1, 1, 2], np.int32), 3), "ask for at most 2"),
        (lambda: partition.natural(np.array([1, 1, 2], np.int32), 0), "0 clients"),
    ],
)
def test_what_cannot_be_dealt_is_refused(deal, cause):
    with pytest.raises(UsageError, match=cause):
        deal()


def test_random_words_are_splitmix64():
    """The published sequence for the state 1234567, so that no machine differs."""
    rng = Rng(0)
    rng._state = 1234567
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert rng.words(3).tolist() == expected
    rng._state = 1234567
    assert [int(rng.words(1)[0]) for _ in range(3)] == expected


def test_streams_of_different_keys_differ():
    keys = [(1, 23), (12, 3), ("1", 23), (1, "23"), (123,), (1, 2, 3)]
    assert len({Rng(*key).words(1).tobytes() for key in keys}) == len(keys)


@given(n=st.integers(1, 200), seed=SEEDS)
def test_a_permutation_is_one_and_below_is_below(n, seed):
    rng = Rng(seed)
    assert sorted(rng.permutation(n).tolist()) == list(range(n))
    assert 0 <= rng.below(n) < n
