"""Masked sums in a store: a hub cut off after any step asks the same question, and counts once."""

import shutil
from array import array
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from paebiru.errors import UsageError
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.noise import new_key
from paebiru.federated.rounds import Federation
from paebiru.federated.secure import deal
from paebiru.federated.sums import Members, Sums
from paebiru.hub import secure
from paebiru.hub.private import Private
from paebiru.rng import Rng
from paebiru.store import State, Store
from sil import groups, masks
from sil.errors import FormatError
from sil.protocol import Task

SIZES = (4, 3, 2)
WEIGHTS = 23
ROUNDS = 3


class Boards:
    """Two groups of boards: what each of them sends in a round follows from its name."""

    def __init__(self) -> None:
        self.members = []
        self.stored: dict[bytes, bytes] = {}
        for number, size in enumerate((4, 3)):
            rng = Rng(number, "secrets")
            dealt = deal(size, None, lambda n, rng=rng: rng.words(n // 8).tobytes())  # type: ignore[misc]
            devices = tuple(b"board%d-%d" % (number, place) for place in range(size))
            self.stored |= dict(zip(devices, dealt, strict=True))
            one = groups.unpack(dealt[0])
            self.members.append(Members(one.name, one.threshold, devices))
        self.devices = tuple(sorted(self.stored))
        self.questions: dict[tuple[bytes, bytes], set[bytes]] = {}

    def changes(self, device: bytes, ticket: int) -> list[int]:
        words = Rng("changes", device.hex(), ticket).words(WEIGHTS)
        return [int(word % np.uint64(2001)) - 1000 for word in words]

    def part(self, sums: Sums, device: bytes) -> bytes:
        asked = sums.part(device)
        ticket = int.from_bytes(asked[8:12], "little")
        board = masks.Masker(groups.unpack(self.stored[device]), WEIGHTS)
        out = bytearray(board.size)
        clip = int.from_bytes(asked[12:16], "little")
        board.mask(ticket, array("h", self.changes(device, ticket)), clip, out)
        return bytes(out)

    def answer(self, device: bytes, question: bytes) -> bytes:
        self.questions.setdefault((device, question[:12]), set()).add(question)
        return masks.Masker(groups.unpack(self.stored[device]), WEIGHTS).answer(question)


def prepare(boards: Boards, folder: Path) -> Callable[[Durable], None]:
    """Return what gives a federation its groups; tickets are counted beside the store."""

    def new_ticket(name: bytes) -> int:
        file = folder.parent / f"{name.hex()}.ticket"
        last = int(file.read_text()) if file.exists() else 0
        file.write_text(str(last + 1))
        return last + 1

    def done(fed: Durable) -> None:
        fed.sums = Sums(boards.members, new_ticket)

    return done


def live(folder: Path, boards: Boards, step: Callable[[], None] = lambda: None) -> Durable:
    """Live as a hub to the last round, from whatever is in the folder; return the federation."""
    store = Store(folder)
    with closing(store):
        if store.history.ref(0, "head"):
            fed = resume(store, 0, prepare(boards, folder))
        else:
            fresh = Federation(Task(SIZES, False, 10_000), seed=3, rate=256)
            fed = begin(store, fresh, prepare(boards, folder))
        step()
        while fed.number < ROUNDS or store.unfinished(0):
            hold(fed, boards, step)
        return fed


def hold(fed: Durable, boards: Boards, step: Callable[[], None]) -> None:
    """Hold a round, or go on with it: in the second one a group has too few parts."""
    sums = fed.sums
    assert sums is not None
    if not fed.is_open and not sums.is_sealed:
        fed.open()
        step()
    if fed.is_open:
        for device in boards.devices[: 5 if fed.number == 2 else 7]:
            if device not in fed.updates:
                codes: list[int] = []
                fed.take(device, boards.part(sums, device), codes.append)
                assert codes == [0]
                step()
        fed.seal()
        step()
    for device in boards.devices:
        if question := sums.question(device):
            sums.answer(device, boards.answer(device, question))
            step()
    assert sums.is_done()
    fed.close()
    step()


def test_a_hub_cut_off_after_any_step_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    boards = Boards()
    folder = tmp_path / "life" / "hub"
    folder.parent.mkdir()
    copies: list[Path] = []

    def copy() -> None:
        copies.append(tmp_path / f"copy{len(copies)}")
        shutil.copytree(folder.parent, copies[-1], ignore=shutil.ignore_patterns("lock"))

    fed = live(folder, boards, copy)
    model, counted = fed.name, dict(fed.counted)
    assert len(copies) > 30
    assert {counted[device] for device in boards.devices[4:]} == {3}
    for number, cut in enumerate(copies):
        again = live(cut / "hub", boards)
        assert again.name == model, f"cut after step {number}"
        assert again.counted == counted
    assert all(len(asked) == 1 for asked in boards.questions.values())


def test_a_group_whose_sum_fails_does_not_hold_the_other(tmp_path: Path) -> None:
    boards = Boards()
    folder = tmp_path / "hub"
    fed = live(folder, boards)
    with closing(Store(folder)) as store:
        rows = store.rounds()
        second = rows[1]
        assert second.roster == b"".join(boards.devices[:4])
        assert "1 of 3 boards sent their part" in str(second.figures)
        assert [row.state for row in rows] == [State.PUBLISHED] * ROUNDS
    assert fed.number == ROUNDS


def test_boards_are_in_sums_that_are_asked_about(tmp_path: Path) -> None:
    """Not those of a group in which too few sent their part."""
    boards = Boards()
    with closing(Store(tmp_path / "hub")) as store:
        fresh = Federation(Task(SIZES, False, 10_000), seed=3, rate=256)
        fed = begin(store, fresh, prepare(boards, tmp_path / "hub"))
        assert fed.sums is not None
        fed.open()
        for device in boards.devices[:5]:
            fed.take(device, boards.part(fed.sums, device))
        store.updates.drain()
        assert len(fed.updates) == 5
        fed.seal()
        assert secure.in_sums(fed) == 4


def test_the_model_is_the_mean_of_what_the_boards_had(tmp_path: Path) -> None:
    """Against the changes themselves, without a mask in sight."""
    boards = Boards()
    fed = live(tmp_path / "hub", boards)
    plain = Federation(Task(SIZES, False, 10_000), seed=3, rate=256)
    for number in range(1, ROUNDS + 1):
        there = boards.devices[:4] if number == 2 else boards.devices
        total = 4 * np.sum([boards.changes(device, number) for device in there], axis=0)
        plain.master.add((2 * total + len(there)) // (2 * len(there)))
        plain.master.release()
    assert fed.master.base.tobytes() == plain.master.base.tobytes()


def test_a_round_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    boards = Boards()
    folder = tmp_path / "hub"
    with closing(Store(folder)) as store:
        fresh = Federation(Task(SIZES, False, 10_000), seed=3, rate=256)
        begin(store, fresh, prepare(boards, folder)).open()
    with closing(Store(folder)) as store, pytest.raises(UsageError, match="with masks: give"):
        resume(store)
    plain = tmp_path / "plain"
    with closing(Store(plain)) as store:
        begin(store, Federation(Task(SIZES, False, 10_000), seed=3, rate=256)).open()
    with closing(Store(plain)) as store, pytest.raises(UsageError, match="without masks: leave"):
        resume(store, 0, prepare(boards, plain))


def test_a_board_speaks_for_itself_alone(tmp_path: Path) -> None:
    boards = Boards()
    folder = tmp_path / "hub"
    with closing(Store(folder)) as store:
        fresh = Federation(Task(SIZES, False, 10_000), seed=3, rate=256)
        fed = begin(store, fresh, prepare(boards, folder))
        fed.open()
        sums = fed.sums
        assert sums is not None
        one, two = boards.devices[:2]
        with pytest.raises(FormatError, match="another board's name"):
            fed.take(two, boards.part(sums, one))
        with pytest.raises(FormatError, match="in no group"):
            fed.take(b"stranger", boards.part(sums, one))
        for device in boards.devices[:4]:
            fed.take(device, boards.part(sums, device))
        fed.seal()
        with pytest.raises(FormatError, match="nobody asked"):
            sums.answer(two, boards.answer(one, sums.question(one)))


def test_noise_goes_onto_the_sum_even_onto_none(tmp_path: Path) -> None:
    """With --epsilon: the boards clip, the hub adds noise, also where every sum has failed."""
    boards = Boards()
    folder = tmp_path / "hub"
    private = Private(8.0, 1e-3, 0.25, 7, ROUNDS)

    def made_private(fed: Durable) -> None:
        prepare(boards, folder)(fed)
        assert fed.sums is not None
        fed.sums.clip = private.clip_q12
        fed.sums.average = private.average(fed)
        fed.new_secret = new_key

    with closing(Store(folder)) as store:
        fresh = Federation(Task(SIZES, False, 10_000), seed=3, rate=256)
        fed = begin(store, fresh, made_private)
        sums = fed.sums
        assert sums is not None
        before = fed.master.master.copy()
        fed.open()
        for device in boards.devices:
            body = boards.part(sums, device)
            fed.take(device, body)
        hold(fed, boards, lambda: None)
        after = fed.master.master.copy()
        assert (before != after).mean() > 0.9
        fed.open()
        fed.close()
        assert (after != fed.master.master).mean() > 0.9
        assert fed.counted == dict.fromkeys(boards.devices, 1)
        assert private.after(3) > private.after(1)


def test_boards_clip_to_what_the_noise_is_for() -> None:
    boards = Boards()
    private = Private(8.0, 1e-3, 0.25, 7, ROUNDS)
    sums = Sums(boards.members, lambda name: 1, private.clip_q12)
    sums.begin(sums.draw(), WEIGHTS)
    device = boards.devices[0]
    board = masks.Masker(groups.unpack(boards.stored[device]), WEIGHTS)
    changes = array("h", [1000] * WEIGHTS)
    board.mask(1, changes, int.from_bytes(sums.part(device)[12:], "little"), bytearray(board.size))
    sent = 1000 - np.array(changes, dtype=np.int64)
    assert 0.97 * private.sum.clip <= 4 * np.sqrt((sent**2).sum()) <= private.sum.clip
