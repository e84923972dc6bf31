"""Choosing a rule: what cannot work is refused, what does not protect is said; the attacks."""

import numpy as np
import pytest

from paebiru.errors import UsageError
from paebiru.federated import rules
from paebiru.federated.registry import RULES, Setting, aggregate, choose
from paebiru.testing import attacks
from sil import tables

SPARSE = 500  # parts of 10000


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        (Setting(10), "mean"),
        (Setting(10, share=SPARSE), "mean"),
        (Setting(10, secure=True), "mean"),
        (Setting(10, f=2), "nnm-trimmed"),
        (Setting(10, private=True), "clipped-mean"),
        (Setting(10, f=2, private=True), "clipped-mean"),
    ],
)
def test_the_default(setting, name):
    assert choose(None, setting)[0] is RULES[name]


@pytest.mark.parametrize(
    ("name", "setting", "cause"),
    [
        ("best", Setting(10), "rule 'best' is unknown: take one of mean, "),
        ("mean", Setting(10, f=1), "follows a single lying board"),
        ("log-mean", Setting(10, f=1), "follows a single lying board"),
        ("krum", Setting(6, f=2), "needs 7 boards a round against 2 that lie, not 6"),
        ("multi-krum", Setting(8, f=3), "needs 9 boards"),
        ("median", Setting(4, f=2), "needs 5 boards"),
        (None, Setting(4, f=2), "needs 5 boards"),
        ("median", Setting(10, share=SPARSE), "breaks on sparse updates"),
        ("trimmed-mean", Setting(10, f=2, share=SPARSE), "breaks on sparse updates"),
        ("krum", Setting(10, f=2, share=SPARSE), "breaks on sparse updates"),
        ("nnm-trimmed", Setting(10, f=2, secure=True), "secure sums hide"),
        ("clipped-mean", Setting(10, secure=True), "secure sums hide"),
        (None, Setting(10, f=2, secure=True), "secure sums hide"),
        ("multi-krum", Setting(10, private=True), "proved for clip-and-sum only"),
        ("mean", Setting(10, private=True), "proved for clip-and-sum only"),
        ("mean", Setting(0), "0 boards of which 0 may lie"),
        ("mean", Setting(10, f=-1), "10 boards of which -1 may lie"),
        ("mean", Setting(9999), "give 1 to 8192 boards"),
    ],
)
def test_what_cannot_work_is_refused(name, setting, cause):
    with pytest.raises(UsageError, match=cause):
        choose(name, setting)


@pytest.mark.parametrize(
    ("name", "setting", "cause"),
    [
        ("krum", Setting(10, f=2), "multi-krum learns more"),
        ("log-mean", Setting(10), "averages models"),
        (None, Setting(10, f=2), "imitate the others"),
        (None, Setting(10, f=2, share=SPARSE), "imitate the others"),
        ("clipped-mean", Setting(10, f=2, private=True), "do not claim both"),
    ],
)
def test_what_does_not_protect_is_said(name, setting, cause):
    assert any(cause in warning for warning in choose(name, setting)[1])


@pytest.mark.parametrize("setting", [Setting(10), Setting(10, share=SPARSE)])
def test_there_is_nothing_to_say_about_the_defaults(setting):
    assert choose(None, setting)[1] == []


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("f", [0, 1, 3])
def test_a_rule_works_with_the_fewest_boards_it_asks_for(name, f):
    rule = RULES[name]
    n = rule.least(f)
    frames = np.random.default_rng(0).integers(0, 256, (n, 5), dtype=np.uint8)
    found = aggregate(rule, frames, np.ones(n, dtype=np.int64), f)
    assert found.shape == (5,)
    if rule.resists:
        with pytest.raises(UsageError):
            aggregate(rule, frames[:-1], np.ones(n - 1, dtype=np.int64), max(f, 1))


def around(value, n=10, d=400, seed=0):
    """Honest updates: `value` in every weight, and some noise."""
    noise = np.random.default_rng(seed).normal(0, abs(value) // 4, (n, d))
    return rules.encoded(np.rint(value + noise).astype(np.int64))


@pytest.mark.parametrize("attack", attacks.ATTACKS)
def test_an_attack_moves_the_mean_and_less_so_the_robust_default(attack):
    """Two of ten lie about a common step: the default stays nearer to what the honest eight say."""
    frames = around(400)
    honest, own = frames[2:], frames[:2]
    wanted = rules.decoded(honest).mean(axis=0)
    lies = attacks.ATTACKS[attack](honest, own, 7)
    assert lies.shape == own.shape
    assert lies.dtype == np.uint8
    assert np.array_equal(lies, attacks.ATTACKS[attack](honest, own, 7))
    assert np.array_equal(frames, around(400)), "an attack changes what it was told"
    attacked = np.concatenate([lies, honest])
    off = {
        name: np.linalg.norm(RULES[name].apply(attacked, np.ones(10, np.int64), 2) - wanted)
        for name in ("mean", "nnm-trimmed", "trimmed-mean")
    }
    assert off["nnm-trimmed"] < off["mean"]
    assert off["nnm-trimmed"] < 0.5 * np.linalg.norm(wanted)


def test_what_the_attacks_send():
    frames = around(400)
    values = rules.decoded(frames)
    honest, own = frames[2:], frames[:2]
    flipped = rules.decoded(attacks.sign_flip(honest, own))
    assert np.allclose(flipped, -4 * values[:2], rtol=0.12)
    assert set(rules.decoded(attacks.saturate(honest, own)).ravel()) == {tables.dec()[0xF0]}
    noise = rules.decoded(attacks.gaussian(honest, own, 1)).astype(float)
    assert np.std(noise) == pytest.approx(10 * np.sqrt(np.mean(values[:2] ** 2.0)), rel=0.1)
    assert not np.array_equal(noise, rules.decoded(attacks.gaussian(honest, own, 2)))
    mean, spread = values[2:].mean(axis=0), values[2:].std(axis=0)
    little = rules.decoded(attacks.alie(honest, own))
    assert np.allclose(little, mean - 1.5 * spread, atol=0.12 * 400)
    backwards = rules.decoded(attacks.ipm(honest, own))
    assert np.allclose(backwards, -mean / 2, rtol=0.12)
    assert np.array_equal(little[0], little[1])


def test_labels_flip_to_their_mirror_and_back():
    y = np.arange(10, dtype=np.uint8)
    assert attacks.flipped_labels(y, 10).tolist() == list(range(9, -1, -1))
    assert np.array_equal(attacks.flipped_labels(attacks.flipped_labels(y, 10), 10), y)
