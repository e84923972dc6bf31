"""Masked sums in a store: a hub cut off after any step asks the same question, and counts once."""

import shutil
from array import array
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from paebiru.errors import UsageError
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.noise import new_key
from paebiru.federated.sums import Sums
from paebiru.hub import secure
from paebiru.hub.private import Private
from paebiru.store import State, Store
from secure_life import WEIGHTS, fresh, hold, live, the_boards
from sil import groups, masks
from sil.errors import FormatError

ROUNDS = 3


def prepare(fed: Durable) -> None:
    """Give a federation its groups; tickets are counted here."""
    last = dict.fromkeys((group.name for group in the_boards().members), 0)

    def new_ticket(name: bytes) -> int:
        last[name] += 1
        return last[name]

    fed.sums = Sums(the_boards().members, new_ticket)


def test_a_hub_cut_off_after_any_step_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Between transactions, over three rounds; within them: test_secure_crash."""
    boards = the_boards()
    folder = tmp_path / "life"
    copies: list[Path] = []
    asked: set[tuple[int, bytes]] = set()

    def hear(word: str, number: int, about: bytes) -> None:
        if word == "asked":
            asked.add((number, about))

    def copy(word: str, number: int, about: bytes) -> None:
        hear(word, number, about)
        copies.append(tmp_path / f"copy{len(copies)}")
        shutil.copytree(folder, copies[-1], ignore=shutil.ignore_patterns("lock"))

    fed = live(folder, copy, rounds=ROUNDS)
    model, counted = fed.name, dict(fed.counted)
    assert len(copies) > 30
    assert {counted[device] for device in boards.devices[4:]} == {3}
    for number, cut in enumerate(copies):
        again = live(cut, hear, rounds=ROUNDS)
        assert again.name == model, f"cut after step {number}"
        assert again.counted == counted
    assert len(asked) == len({(number, about[:-8]) for number, about in asked})


def test_a_group_whose_sum_fails_does_not_hold_the_other(tmp_path: Path) -> None:
    boards = the_boards()
    folder = tmp_path / "hub"
    fed = live(folder, rounds=ROUNDS)
    with closing(Store(folder)) as store:
        rows = store.rounds()
        second = rows[1]
        assert second.roster == b"".join(boards.devices[:4])
        assert "1 of 3 boards sent their part" in str(second.figures)
        assert [row.state for row in rows] == [State.PUBLISHED] * ROUNDS
    assert fed.number == ROUNDS


def test_boards_are_in_sums_that_are_asked_about(tmp_path: Path) -> None:
    """Not those of a group in which too few sent their part."""
    boards = the_boards()
    with closing(Store(tmp_path / "hub")) as store:
        fed = begin(store, fresh(), prepare)
        assert fed.sums is not None
        fed.open()
        for device in boards.devices[:5]:
            fed.take(device, boards.part(fed, device))
        store.updates.drain()
        assert len(fed.updates) == 5
        fed.seal()
        assert secure.in_sums(fed) == 4


def test_the_model_is_the_mean_of_what_the_boards_had(tmp_path: Path) -> None:
    """Against the changes themselves, without a mask in sight."""
    boards = the_boards()
    fed = live(tmp_path / "hub", rounds=ROUNDS)
    plain = fresh()
    for number in range(1, ROUNDS + 1):
        there = boards.counted(number)
        total = 4 * np.sum([boards.changes(device, number) for device in there], axis=0)
        plain.master.add((2 * total + len(there)) // (2 * len(there)))
        plain.master.release()
    assert fed.master.base.tobytes() == plain.master.base.tobytes()


def test_a_round_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    with closing(Store(folder)) as store:
        begin(store, fresh(), prepare).open()
    with closing(Store(folder)) as store, pytest.raises(UsageError, match="with masks: give"):
        resume(store)
    plain = tmp_path / "plain"
    with closing(Store(plain)) as store:
        begin(store, fresh()).open()
    with closing(Store(plain)) as store, pytest.raises(UsageError, match="without masks: leave"):
        resume(store, 0, prepare)


def test_a_board_speaks_for_itself_alone(tmp_path: Path) -> None:
    boards = the_boards()
    folder = tmp_path / "hub"
    with closing(Store(folder)) as store:
        fed = begin(store, fresh(), prepare)
        fed.open()
        sums = fed.sums
        assert sums is not None
        one, two = boards.devices[:2]
        with pytest.raises(FormatError, match="another board's name"):
            fed.take(two, boards.part(fed, one))
        with pytest.raises(FormatError, match="in no group"):
            fed.take(b"stranger", boards.part(fed, one))
        for device in boards.devices[:4]:
            fed.take(device, boards.part(fed, device))
        fed.seal()
        with pytest.raises(FormatError, match="nobody asked"):
            sums.answer(two, boards.answer(one, sums.question(one)))


def test_noise_goes_onto_the_sum_even_onto_none(tmp_path: Path) -> None:
    """With --epsilon: the boards clip, the hub adds noise, also where every sum has failed."""
    boards = the_boards()
    folder = tmp_path / "hub"
    private = Private(8.0, 1e-3, 0.25, 7, ROUNDS)

    def made_private(fed: Durable) -> None:
        prepare(fed)
        assert fed.sums is not None
        fed.sums.clip = private.clip_q12
        fed.sums.average = private.average(fed)
        fed.new_secret = new_key

    with closing(Store(folder)) as store:
        fed = begin(store, fresh(), made_private)
        sums = fed.sums
        assert sums is not None
        before = fed.master.master.copy()
        fed.open()
        for device in boards.devices:
            body = boards.part(fed, device)
            fed.take(device, body)
        hold(fed, boards)
        after = fed.master.master.copy()
        assert (before != after).mean() > 0.9
        fed.open()
        fed.close()
        assert (after != fed.master.master).mean() > 0.9
        assert fed.counted == dict.fromkeys(boards.devices, 1)
        assert private.after(3) > private.after(1)


def test_boards_clip_to_what_the_noise_is_for() -> None:
    boards = the_boards()
    private = Private(8.0, 1e-3, 0.25, 7, ROUNDS)
    sums = Sums(boards.members, lambda name: 1, private.clip_q12)
    sums.begin(sums.draw(), WEIGHTS)
    device = boards.devices[0]
    board = masks.Masker(groups.unpack(boards.stored[device]), WEIGHTS)
    changes = array("h", [1000] * WEIGHTS)
    board.mask(1, changes, int.from_bytes(sums.part(device)[12:], "little"), bytearray(board.size))
    sent = 1000 - np.array(changes, dtype=np.int64)
    assert 0.97 * private.sum.clip <= 4 * np.sqrt((sent**2).sum()) <= private.sum.clip
