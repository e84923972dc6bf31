"""Rounds that are private, rounds that come to nothing, and what a run that goes on is held to."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from durable_fleet import DEVICES, federation, play, update
from paebiru.errors import UsageError
from paebiru.federated.accountant import BudgetSpent, Spend, epsilon
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.noise import SecretWords
from paebiru.federated.rules import decoded
from paebiru.hub import run
from paebiru.hub.metrics import Metrics
from paebiru.hub.outcome import MOST_BROKEN, Ends
from paebiru.hub.policy import Policy
from paebiru.hub.private import Private, check_resumed
from paebiru.hub.service import Hub
from paebiru.hub.tell import Telling
from paebiru.keys import KeyStore
from paebiru.store import RoundRow, State, Store
from sil.errors import ModelError

KEY = bytes(range(32))


def private(limit: float = 4.0, rounds: int = 4) -> Private:
    return Private(limit, 1e-3, 0.5, len(DEVICES), rounds)


def durable(folder: Path, given: Private | None, measure: Any = None) -> Durable:
    """Return a federation in a store; private as the hub makes it, but for the key."""

    def prepare(found: Durable) -> None:
        if given is not None:
            found.combine = given.combine(found)
            found.settings = {"rule": "clipped-mean", "liars": 0, **given.settings}
            found.new_secret = lambda: KEY
            given.recall(found.store.rounds())
        if measure is not None:
            found.measure = measure

    store = Store(folder)
    if store.history.all():
        return resume(store, 0, prepare)
    return begin(store, federation(), prepare)


# -- privacy


@pytest.mark.parametrize("boards", [0, 1, 4])
def test_every_private_round_has_the_noise_that_was_counted(tmp_path: Path, boards: int) -> None:
    """The model is the exact clipped sum plus the key's noise, also where nobody answered."""
    given = private()
    fed = durable(tmp_path, given)
    before = fed.master.master.copy()
    fed.open()
    frames = []
    for device in DEVICES[:boards]:
        fed.take(device, update(fed, device), lambda code: None)
        frames.append(np.frombuffer(fed.updates[device].frame, dtype=np.uint8))
    table = np.array(frames, dtype=np.uint8).reshape(boards, len(fed.first))
    fed.close()
    mean = given.sum.mean(decoded(table), SecretWords(KEY))
    noise = given.sum.mean(decoded(table[:0]), SecretWords(KEY))
    assert np.count_nonzero(noise) > len(noise) * 0.9
    if not boards:
        assert np.array_equal(mean, noise)
    limit = (8 << 20) - 1
    assert np.array_equal(fed.master.master, np.clip(before + (mean << 6), -limit, limit))
    assert given.told(1) == given.told(fed.number)


def test_a_round_that_nobody_answered_leaves_a_model_that_is_not_private_as_it_was(
    tmp_path: Path,
) -> None:
    fed = durable(tmp_path, None)
    name = fed.name
    play(fed, 2, devices=())
    assert (fed.name, fed.number) == (name, 2)


def test_what_was_spent_follows_from_the_journal(tmp_path: Path) -> None:
    """Rounds by other noise count with theirs; a restart forgets and doubles nothing."""
    weak, strong = private(8.0), private(2.0, 40)
    fed = durable(tmp_path, weak)
    play(fed, 2)
    assert weak.told(2) < weak.told(3)
    fed.store.close()
    fed = durable(tmp_path, strong)
    assert strong.terms()["spent"] == round(weak.after(2), 3)
    fed.open()
    fed.store.close()  # a hub that dies in an open round
    again = private(8.0, 40)
    fed = durable(tmp_path, again)
    assert fed.is_open
    assert again.terms()["spent"] == round(weak.after(2), 3)
    for device in DEVICES:
        fed.take(device, update(fed, device), lambda code: None)
    fed.close()
    spends = [Spend(weak.sum.noise, weak.sum.clip, rounds=2), again.sum.spend(10000)]
    assert again.after(3) == pytest.approx(epsilon(spends, 1e-3))
    assert again.after(4) > again.after(3)


def test_a_sealed_round_is_closed_again_with_the_same_noise(tmp_path: Path) -> None:
    """Killed between the noise and its result being durable: the same release, not a second."""
    given = private()
    fed = durable(tmp_path, given)
    fed.open()
    for device in DEVICES:
        fed.take(device, update(fed, device), lambda code: None)
    seen: list[bytes] = []
    fed.measure = lambda found: seen.append(found.name) or {}  # type: ignore[func-returns-value]
    put = fed.store.put_round

    def dies(row: RoundRow) -> None:
        if row.state == State.AGGREGATED:
            raise KeyboardInterrupt
        put(row)

    fed.store.put_round = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fed.close()
    fed.store.put_round = put  # type: ignore[method-assign]
    assert fed.store.round(1).state == State.SEALED
    fed.store.close()
    again = private()
    fed = durable(tmp_path, again)
    assert not fed.is_open
    assert seen == [fed.name]
    assert fed.store.round(1).secret is None
    assert again.told(1) == given.told(1)


def test_the_budget_ends_the_rounds(tmp_path: Path) -> None:
    given = private(2.0, 3)
    fed = durable(tmp_path, given)
    for number in (1, 2, 3):
        assert given.over(number) == ""
        play(fed)
    assert given.told(3) <= 2.001
    assert "budget is spent: round 4" in given.over(4)
    fed.open()
    with pytest.raises(BudgetSpent, match="round 4"):
        fed.close()
    assert fed.store.unfinished(0) is not None  # nothing of it was told


def test_told_epsilon_is_never_too_small() -> None:
    given = private(3.3, 7)
    for number in range(1, 8):
        assert given.after(1) <= given.told(1) < given.after(1) + 0.0011
        given._spends[number] = given.sum.spend(10000)


def test_boards_can_clip_to_what_the_noise_is_for() -> None:
    """Theirs is in Q12, where 0 would be no clip at all."""
    options = run.Options(Path("hub"), epsilon=4.0, policy=Policy(boards=5), share=1.0, secure=True)
    step = 2**-12
    for clip, expected in ((step, 1), (7.9 * step, 7), (0.5, 2048), (0.3, 1228)):
        given = run.granted(replace(options, clip=clip))
        assert given is not None
        assert given.clip_q12 == expected
        assert given.sum.clip == 4 * expected
    for clip in (1e-9, 0.0001, 0.99 * step):
        with pytest.raises(UsageError, match=r"--clip .* less than boards can clip to: give 0.000"):
            run.granted(replace(options, clip=clip))
    alone = run.granted(replace(options, clip=0.0001, secure=False))
    assert alone is not None
    assert alone.sum.clip == 1  # the hub clips by itself


def row(number: int, state: State = State.PUBLISHED, **settings: Any) -> RoundRow:
    held = {"rule": "clipped-mean", "liars": 0, "boards": 4, "rounds": 9, **settings}
    return RoundRow(number, 0, state, 1, b"12345678", json.dumps(held), 0.0, result=b"x")


def test_a_run_is_private_from_its_beginning_to_its_end() -> None:
    given = private()
    with pytest.raises(UsageError, match="round 2 was held without --epsilon"):
        given.recall([row(1, **given.settings), row(2)])
    with pytest.raises(UsageError, match="round 3 was private, with --epsilon 4"):
        check_resumed([row(3, **given.settings)], {"rule": "mean", "liars": 0})
    check_resumed(
        [row(3, **given.settings)], {"rule": "clipped-mean", "liars": 0, **given.settings}
    )


@pytest.mark.parametrize("state", [State.OPEN, State.SEALED, State.AGGREGATED])
def test_an_open_round_is_closed_by_the_rules_it_was_begun_with(state: State) -> None:
    given, other = private(), private(2.0)
    rows = [row(5, state, **given.settings)]
    now = {"rule": "clipped-mean", "liars": 0, **given.settings}
    check_resumed(rows, now)
    with pytest.raises(UsageError, match=r"--liars 0 --epsilon 4 --delta 0\.001 --clip 0\.5"):
        check_resumed(rows, now | other.settings)
    with pytest.raises(UsageError, match="--rule clipped-mean --liars 0"):
        check_resumed(rows, now | {"liars": 1})
    check_resumed([row(5, **given.settings)], now | {"liars": 1})  # that one is over


# -- rounds that come to nothing


def outgrown(fed: Any) -> dict[str, Any]:
    raise ModelError("weights too large")


@pytest.mark.parametrize("is_private", [False, True])
def test_a_model_that_nobody_can_run_is_not_published(tmp_path: Path, is_private: bool) -> None:
    given = private() if is_private else None
    fed = durable(tmp_path, given)
    play(fed)
    state, name = fed.state(), fed.name
    fed.measure = outgrown
    play(fed)
    assert (fed.name, fed.number, fed.broken) == (name, 2, "weights too large")
    assert fed.master.master.tobytes() == Durable.of(state).master.master.tobytes()
    held = fed.store.round(2)
    assert held.state == State.PUBLISHED
    assert held.name == name
    assert json.loads(held.figures or "")["broken"] == "weights too large"
    if given is not None:
        assert given.terms()["spent"] == round(given.after(2), 3)  # its noise decided that
    fed.store.close()
    fed = durable(tmp_path, private() if is_private else None)
    assert (fed.name, fed.number) == (name, 2)
    play(fed)
    assert fed.broken == ""
    assert fed.name != name
    assert fed.number == 3


def test_a_rule_that_raises_breaks_the_round_alone(tmp_path: Path) -> None:
    fed = durable(tmp_path, None)
    mean, fed.combine = fed.combine, lambda frames, samples: outgrown(fed)  # type: ignore[return-value]
    play(fed)
    assert fed.broken
    fed.combine = mean
    play(fed)
    assert not fed.broken


def test_a_hub_gives_up_after_three_in_a_row(tmp_path: Path) -> None:
    fed, ends = durable(tmp_path, None), Ends()
    for broken in (True, True, False, True, True, True):
        assert not ends.why(fed)
        fed.measure = outgrown if broken else lambda found: {}
        play(fed)
        assert bool(ends.broken(fed)) == broken
    assert ends.why(fed).startswith(f"{MOST_BROKEN} rounds in a row came to nothing")
    assert "--liars" in ends.trouble


def test_broken_rounds_are_counted(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path / "keys.sqlite")) as keys:
        tell = Telling(None)
        metrics = Metrics(Hub(keys, federation(), Policy(), tell))
        tell("broken", round=3, why="weights too large")
        metrics.close()
    assert b"paebiru_rounds_broken_total 1.0" in metrics.text()
    assert b"paebiru_rounds_total 0.0" in metrics.text()


def test_a_wrong_model_on_resume_breaks_no_round(tmp_path: Path) -> None:
    """Another --hidden would find weights that make no sense: it is refused before any close."""
    options = run.Options(tmp_path, hidden=(), policy=Policy(rounds=3))
    fresh, measure = run.federation(options)
    store = Store(tmp_path)
    run.stored(store, fresh, options, measure, None).open()
    store.close()
    wrong = replace(options, hidden=(4,), resume=True)
    store = Store(tmp_path)
    with pytest.raises(UsageError, match="64-10 network"):
        run.stored(store, run.federation(wrong)[0], wrong, measure, None)
    row = store.unfinished(0)
    assert row is not None
    assert row.state == State.OPEN
    store.close()
