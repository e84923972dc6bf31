"""The durable federation: the same bits as one in memory, from wherever it is resumed."""

import json
from pathlib import Path
from typing import Any

import pytest

from durable_fleet import DEVICES, federation, new, play, undisturbed, update
from paebiru.errors import UsageError
from paebiru.federated import branches
from paebiru.federated.durable import begin, resume
from paebiru.federated.rounds import Federation
from paebiru.store import State, Store, StoreError
from sil import bytesil
from sil.errors import FormatError, ModelError
from sil.link import messages as m


def again(store: Store) -> Store:
    """Open the folder anew, as another process would."""
    folder = store.folder
    store.close()
    return Store(folder)


def test_a_state_goes_on_to_the_same_bits() -> None:
    one = federation()
    play(one, 2)
    other = Federation.of(one.state())
    play(one, 2)
    play(other, 2)
    assert one.state() == other.state() == undisturbed(4)
    assert one.model() == other.model()


@pytest.mark.parametrize("cut", [0, 3, 40, -1])
def test_a_cut_state_is_refused(cut: int) -> None:
    state = undisturbed(1)
    with pytest.raises(FormatError):
        Federation.of(state[:cut])


def test_the_store_changes_no_bit(tmp_path: Path) -> None:
    fed = new(tmp_path)
    play(fed, 3)
    assert fed.state() == undisturbed(3)
    assert fed.counted == dict.fromkeys(DEVICES, 3)


def test_coded_updates_are_read_back_alike(tmp_path: Path) -> None:
    fed, other = new(tmp_path), federation()
    for one in (fed, other):
        one.open()
        for device in DEVICES:
            one.take(device, update(one, device, changes=5))
    assert max(update.size for update in fed.updates.values()) < len(fed.first)
    fed = resume(again(fed.store))
    assert fed.updates == other.updates
    fed.close()
    other.close()
    assert fed.state() == other.state()


def test_it_goes_on_from_an_open_round(tmp_path: Path) -> None:
    fed = new(tmp_path)
    play(fed, 1)
    fed.open()
    codes: list[int] = []
    base = fed.name
    for device in DEVICES[:2]:
        fed.take(device, update(fed, device), codes.append)
    assert codes == [0, 0]
    fed = resume(again(fed.store))
    assert fed.is_open
    assert sorted(fed.updates) == list(DEVICES[:2])
    assert fed.has(DEVICES[0], base)
    assert not fed.has(DEVICES[2], base)
    fed.take(DEVICES[0], update(fed, DEVICES[0]), codes.append)  # its answer was lost
    for device in DEVICES[2:]:
        fed.take(device, update(fed, device), codes.append)
    assert codes == [0] * 5
    fed.close()
    assert fed.state() == undisturbed(2)


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_close_that_fails_is_ended_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Whichever of its steps fails: the model before is served, then the one that follows."""
    fed = new(tmp_path)
    fed.open()
    for device in DEVICES:
        fed.take(device, update(fed, device))
    before = fed.name
    put, calls = Store.put_round, [0]

    def fails(self: Store, row: Any) -> None:
        calls[0] += 1
        if calls[0] == failing:
            raise StoreError("no space")
        put(self, row)

    monkeypatch.setattr(Store, "put_round", fails)
    with pytest.raises(StoreError):
        fed.close()
    assert fed.name == before
    state = fed.store.round(1).state
    assert state == [State.OPEN, State.SEALED, State.AGGREGATED][failing - 1]
    other = resume(again(fed.store))
    if failing == 1:
        assert other.is_open
        other.close()
    assert other.state() == undisturbed(1)
    assert other.store.round(1).state == State.PUBLISHED
    assert other.counted == dict.fromkeys(DEVICES, 1), "who counted is told so, and sends no more"
    assert all(other.has(device, before) for device in DEVICES)


def test_a_close_may_be_called_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = new(tmp_path)
    fed.open()
    for device in DEVICES:
        fed.take(device, update(fed, device))
    with monkeypatch.context() as patch:
        patch.setattr(fed.store.blobs, "put", lambda data: (_ for _ in ()).throw(StoreError("x")))
        with pytest.raises(StoreError):
            fed.close()
    assert not fed.is_open
    fed.close()
    assert fed.state() == undisturbed(1)
    with pytest.raises(UsageError, match="no round is open"):
        fed.close()


def test_a_refused_update_changes_nothing(tmp_path: Path) -> None:
    fed = new(tmp_path)
    fed.open()
    body = update(fed, DEVICES[0])
    with pytest.raises(FormatError):
        fed.take(DEVICES[0], body[:-1], pytest.fail)
    with pytest.raises(FormatError):
        fed.take(b"short", body, pytest.fail)
    fed.close()
    with pytest.raises(FormatError):
        fed.take(DEVICES[0], body, pytest.fail)
    assert not fed.store.updates_of(1)


def test_an_update_that_comes_while_the_round_is_sealed_is_told_no(tmp_path: Path) -> None:
    fed = new(tmp_path)
    fed.open()
    jobs: list[Any] = []
    fed.store.updates.run = jobs.append  # the writer is busy
    codes: list[int] = []
    fed.take(DEVICES[0], update(fed, DEVICES[0]), codes.append)
    late = update(fed, DEVICES[1])
    assert not codes
    fed.close()
    assert codes == [0], "what waited is written before the roster is sealed"
    assert fed.store.round(1).roster == DEVICES[0]
    with pytest.raises(FormatError):
        fed.take(DEVICES[1], late, codes.append)
    for job in jobs:
        job()()


def test_rollback_goes_on_from_there(tmp_path: Path) -> None:
    fed = new(tmp_path)
    play(fed, 1)
    first, state = fed.head, fed.state()
    base = Federation.of(undisturbed(0)).name
    play(fed, 2)
    branches.rollback(fed, first.id)
    assert fed.name == first.name
    assert fed.counted == dict.fromkeys(DEVICES, 1)
    assert fed.has(DEVICES[0], base)
    assert fed.number == 3, "numbers are not used again"
    play(fed, 1)
    assert fed.number == 4
    other = Federation.of(state)
    other.number = 3
    play(other, 1)
    assert fed.state() == other.state()
    fed = resume(again(fed.store))
    assert fed.state() == other.state()
    assert [row.parent for row in fed.store.history.all()] == [None, 1, 2, 3, 2]


def test_an_update_for_a_model_that_came_back_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    fed = new(tmp_path)
    play(fed, 1)
    branches.rollback(fed, 1)
    old = update(Federation.of(undisturbed(0)), DEVICES[0])
    assert not fed.has(DEVICES[0], fed.name)
    fed.open()
    assert not fed.has(DEVICES[0], fed.name)
    with pytest.raises(FormatError):
        fed.take(DEVICES[0], old, pytest.fail)
    fed.take(DEVICES[0], update(fed, DEVICES[0]))
    assert fed.has(DEVICES[0], fed.name)


def test_a_round_that_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    """The next round has the same base: its updates are new ones, the old ones counted."""
    fed = new(tmp_path)
    fed.open()
    fed.take(DEVICES[0], old := update(fed, DEVICES[0], changes=0))
    fed.close()
    base = fed.name
    fed.open()
    assert fed.name == base == fed.before
    assert not fed.has(DEVICES[0], base)
    codes: list[int] = []
    fed.take(DEVICES[0], old, codes.append)
    assert codes == [0]
    assert not fed.updates
    fed.take(DEVICES[0], update(fed, DEVICES[0]), codes.append)
    assert codes == [0, 0]
    assert list(fed.updates) == [DEVICES[0]]


def test_what_is_late_for_a_round_behind_a_broken_one_is_not_taken_for_what_counted(
    tmp_path: Path,
) -> None:
    """Both are about the same base; live, and as the store has it."""
    fed = new(tmp_path)
    base = fed.name
    with_error = fed.combine
    fed.combine = _broken
    play(fed, 1)
    assert fed.broken
    assert fed.name == base
    assert fed.has(DEVICES[0], base), "its update is over, as it was told"
    fed.combine = with_error
    play(fed, 1, DEVICES[1:])
    assert fed.name != base
    for one in (fed, resume(again(fed.store))):
        assert not one.has(DEVICES[0], base)
        assert one.has(DEVICES[1], base)


def _broken(frames: Any, samples: Any) -> Any:
    raise ModelError("the weights outgrow their sums")


def test_forks_go_on_side_by_side_and_are_merged(tmp_path: Path) -> None:
    fed = new(tmp_path)
    play(fed, 2)
    twin = branches.fork(fed, 3)
    assert twin.name == fed.name
    assert twin.branch == 3
    play(fed, 1, DEVICES[:2])
    play(twin, 1, DEVICES[2:])
    assert [fed.number, twin.number] == [3, 4]
    assert fed.name != twin.name
    assert bytesil.phase(branches.layers(twin, branches.generation(twin))[0]) == 3
    masters = fed.master.master, twin.master.master
    branches.merge(fed, twin, 1, 3)
    assert (fed.master.master == (2 * (masters[0] + 3 * masters[1]) + 4) // 8).all()
    assert fed.counted == {**dict.fromkeys(DEVICES[:2], 3), **dict.fromkeys(DEVICES[2:], 4)}
    row = fed.store.history.ref(0, "head")
    assert row
    assert (row.kind, row.parent, row.second) == ("merge", 5, 6)
    state = fed.state()
    store = again(fed.store)
    assert resume(store).state() == state
    assert resume(store, 3).name == twin.name
    play(resume(store), 1)


def test_merging_a_branch_with_itself_keeps_its_master(tmp_path: Path) -> None:
    fed = new(tmp_path)
    play(fed, 2)
    twin = branches.fork(fed, 1)
    master = fed.master.master.copy()
    branches.merge(fed, twin, 5, 2)
    assert (fed.master.master == master).all()
    _, entangled, _ = branches.layers(fed, branches.generation(fed))
    assert entangled == 0 or bytesil.rho(entangled) < 0, "boards get all of it"


@pytest.mark.parametrize("branch", [0, 16, -1])
def test_branches_are_1_to_15(tmp_path: Path, branch: int) -> None:
    with pytest.raises(UsageError, match=r"out of 1\.\.15"):
        branches.fork(new(tmp_path), branch)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    fed = new(tmp_path)
    twin = branches.fork(fed, 1)
    with pytest.raises(UsageError, match="there already"):
        branches.fork(fed, 1)
    with pytest.raises(UsageError, match="no checkpoint 77"):
        branches.rollback(fed, 77)
    with pytest.raises(UsageError, match="no mean"):
        branches.merge(fed, twin, 0, 0)
    fed.open()
    for wrong in (
        lambda: branches.rollback(fed, 1),
        lambda: branches.merge(twin, fed),
        lambda: branches.finish(fed),
        fed.open,
    ):
        with pytest.raises(UsageError, match="round 1 of branch 0 is open"):
            wrong()
    with pytest.raises(UsageError, match="--resume"):
        begin(fed.store, federation())
    with pytest.raises(UsageError, match="no branch"):
        resume(fed.store, 7)


def test_best_and_final_stay_when_old_models_are_let_go(tmp_path: Path) -> None:
    fed = new(tmp_path)
    fed.keep = 3
    accuracies = iter([0.5, 0.9, 0.7, 0.6, 0.8, 0.9, 0.4, 0.3])
    fed.measure = lambda federation: {"accuracy": next(accuracies)}
    play(fed, 4)
    final = branches.finish(fed)
    play(fed, 4)
    history = fed.store.history
    best = history.ref(0, "best")
    assert best
    assert (best.round, best.accuracy) == (2, 0.9)
    assert history.ref(0, "final") == final
    held = [row.round for row in history.all() if row.blob]
    assert held == [0, 2, 4, 6, 7, 8]
    assert len(list(fed.store.blobs.names())) == 6
    gone = next(row for row in history.all() if row.round == 3)
    with pytest.raises(UsageError, match="let go"):
        branches.rollback(fed, gone.id)
    branches.rollback(fed, best.id)
    assert fed.name == best.name


def test_an_accuracy_is_a_share(tmp_path: Path) -> None:
    fed = new(tmp_path)
    fed.measure = lambda federation: {"accuracy": float("nan")}
    with pytest.raises(UsageError, match="accuracy of nan"):
        play(fed, 1)
    fed.measure = lambda federation: {"accuracy": 1}
    fed.close()
    assert fed.state() == undisturbed(1)
    assert fed.store.history.checkpoint(2).accuracy == 1


def test_what_boards_sent_is_let_go_with_the_round(tmp_path: Path) -> None:
    fed = new(tmp_path)
    fed.new_secret = lambda: b"s" * 32
    fed.settings = {"rule": "mean"}
    fed.open()
    assert fed.secret == b"s" * 32
    for device in DEVICES:
        fed.take(device, update(fed, device))
    bodies = [row.body for row in fed.store.updates_of(1)]
    fed = resume(again(fed.store))
    assert fed.secret == b"s" * 32, "a round that is ended after a crash has the same noise"
    fed.close()
    assert [row.body for row in fed.store.updates_of(1)] == [None] * 4
    row = fed.store.round(1)
    assert row.secret is None
    assert json.loads(row.settings) == {"rule": "mean"}
    assert json.loads(row.figures or "")["updates"] == 4
    fed.store.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"s" * 32 not in stored
    assert all(body and body not in stored for body in bodies)


def test_the_hubs_own_layers(tmp_path: Path) -> None:
    fed = new(tmp_path)
    assert branches.layers(fed, branches.generation(fed))[0] == 0x80
    assert branches.layers(fed, branches.generation(fed))[1] == 0, "boards lack nothing"
    play(fed, 3)
    generation = branches.layers(fed, branches.generation(fed))[2]
    assert bytesil.phase(generation) == 4
    assert bytesil.rho(generation) == 1  # ln 4 = 1.4


def test_full_disk_codes_reach_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = new(tmp_path)
    fed.open()
    codes: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            fed.store.db, "run", lambda *args: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        fed.take(DEVICES[0], update(fed, DEVICES[0]), codes.append)
    assert codes == [m.E_SPACE]
    assert not fed.updates
    fed.take(DEVICES[0], update(fed, DEVICES[0]), codes.append)
    assert codes[1:] == [0]
