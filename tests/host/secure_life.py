"""Masked rounds on a hub's store and key file, from whatever is in a folder to the last round.

Boards answer as real ones do: what each of them sends follows from its name, the round and the
ticket.  In the second round a group has too few parts, and its sum comes to nothing.
"""

from array import array
from collections.abc import Callable
from contextlib import closing
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from durable_fleet import Told, silent
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.rounds import Federation
from paebiru.federated.secure import deal
from paebiru.federated.sums import Members, Sums, tickets_of
from paebiru.memberships import Memberships
from paebiru.rng import Rng
from paebiru.store import State, Store, StoreError
from sil import groups, masks
from sil.groups import NAME_SIZE
from sil.protocol import Task

SIZES = (4, 3, 2)
WEIGHTS = 23
ROUNDS = 2
_TICKET = NAME_SIZE + 4  # bytes: the group and the number of its sum


class Boards:
    """Two groups of boards, and what they send."""

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
        self._parts: dict[tuple[bytes, int, bytes], bytes] = {}
        self._answers: dict[tuple[bytes, bytes], bytes] = {}

    def there(self, number: int) -> tuple[bytes, ...]:
        """Return the boards that send their part in a round."""
        return self.devices[: 5 if number == 2 else 7]

    def counted(self, number: int) -> tuple[bytes, ...]:
        """Return those whose sum comes about."""
        return self.devices[: 4 if number == 2 else 7]

    def changes(self, device: bytes, number: int) -> list[int]:
        words = Rng("changes", device.hex(), number).words(WEIGHTS)
        return [int(word % np.uint64(2001)) - 1000 for word in words]

    def part(self, fed: Federation, device: bytes) -> bytes:
        """Return the MASKED of a board, for the round that is open."""
        assert fed.sums is not None
        asked = fed.sums.part(device)
        key = device, fed.number, asked
        if key not in self._parts:
            board = masks.Masker(groups.unpack(self.stored[device]), WEIGHTS)
            out = bytearray(board.size)
            ticket, clip = (int.from_bytes(asked[at : at + 4], "little") for at in (8, 12))
            board.mask(ticket, array("h", self.changes(device, fed.number)), clip, out)
            self._parts[key] = bytes(out)
        return self._parts[key]

    def answer(self, device: bytes, question: bytes) -> bytes:
        key = device, question
        if key not in self._answers:
            board = masks.Masker(groups.unpack(self.stored[device]), WEIGHTS)
            self._answers[key] = board.answer(question)
        return self._answers[key]


def fresh() -> Federation:
    return Federation(Task(SIZES, False, 10_000), seed=3, rate=256)


def live(
    folder: Path, told: Told = silent, on_error: Callable[[], None] | None = None,
    *, rounds: int = ROUNDS, boards: Boards | None = None,
) -> Durable:  # fmt: skip
    """Live as a hub to the last round; return the federation.  A store that fails ends it.

    `told` hears of everything that others are told, and what boards send and are asked.
    """
    boards = boards or the_boards()
    with closing(Store(folder)) as store, closing(Memberships(folder / "keys.sqlite")) as keys:
        known = {group.name for group in keys.groups()}
        for group in boards.members:
            if group.name not in known:
                keys.add(group.name, group.threshold, group.devices)
        told("dealt", 0, b"")

        def prepare(fed: Durable) -> None:
            fed.sums = Sums(keys.groups(), keys.new_ticket)

        if store.history.ref(0, "head"):
            fed = resume(store, 0, prepare)
        else:
            fed = begin(store, fresh(), prepare)
        while fed.number < rounds or store.unfinished(0):
            hold(fed, boards, told)
        return fed


def hold(fed: Durable, boards: Boards, told: Told = silent) -> None:
    """Hold a round, or go on with it."""
    sums = fed.sums
    assert sums is not None
    if not fed.is_open and not sums.is_sealed:
        fed.open()
        told("opened", fed.number, b"")
    if fed.is_open:
        collect(fed, boards, told)
        fed.seal()
        told("sealed", fed.number, b"")
    for device in boards.devices:
        if question := sums.question(device):
            told("asked", fed.number, named(device, question))
            sums.answer(device, boards.answer(device, question))
    assert sums.is_done()
    fed.close()
    told("published", fed.number, b"")


def collect(fed: Durable, boards: Boards, told: Told) -> None:
    """Take the parts that are missing, two with each commit."""
    jobs: list[Any] = []
    errors: list[StoreError] = []
    fed.store.updates.run, fed.failed = jobs.append, errors.append
    missing = [device for device in boards.there(fed.number) if device not in fed.updates]
    for i, device in enumerate(missing):
        part = boards.part(fed, device)
        told("masked", fed.number, named(device, part))

        def done(code: int, device: bytes = device) -> None:
            told("refused" if code else "acked", fed.number, device)

        fed.take(device, part, done)
        if i % 2 or i == len(missing) - 1:
            while jobs:
                jobs.pop(0)()()
        if errors:
            raise errors[0]


def named(device: bytes, body: bytes) -> bytes:
    """Return whose ticket it is about, and what of it: of a board's part, or a question to it."""
    return device + body[:_TICKET] + sha256(body).digest()[:8]


@cache
def the_boards() -> Boards:
    return Boards()


def outcome(fed: Durable) -> tuple[Any, ...]:
    """Return all that a run has come to: the state, and who is in each round's model."""
    return fed.state(), fed.counted


@cache
def undisturbed(rounds: int = ROUNDS) -> tuple[Any, ...]:
    """Return what a run comes to that nobody disturbs."""
    with TemporaryDirectory() as folder:
        return outcome(live(Path(folder) / "hub", rounds=rounds))


def prepare() -> None:
    """Have what each life needs in memory: most parts and answers are those of this one."""
    undisturbed()


def check(folder: Path, said: list[str]) -> None:
    """Assert that nothing of what others were told is lost, and that the rest ends as it should.

    And that no board was asked twice about a ticket in other words, or masked two things by it.
    """
    _check_told(folder, said)
    later: list[str] = []
    fed = live(folder, lambda word, number, device: later.append(f"{word} {number} {device.hex()}"))
    assert outcome(fed) == undisturbed()
    about: dict[tuple[str, bytes], str] = {}
    for text in said + later:
        word, _, name = (*text.split(" "), "")[:3]
        if word in ("masked", "asked"):
            key = word, bytes.fromhex(name)[:-8]
            assert about.setdefault(key, text) == text, f"{about[key]}, and {text}"
    _check_rounds(folder)


def _check_told(folder: Path, said: list[str]) -> None:
    if "dealt 0 " not in said:
        return
    with closing(Store(folder)) as store, closing(Memberships(folder / "keys.sqlite")) as keys:
        assert len(keys.groups()) == len(the_boards().members), "a group is lost"
        last = {entry.group.name: entry.ticket for entry in keys.all()}
        for text in said:
            word, number, name = (*text.split(" "), "")[:3]
            if word == "acked":
                stored = [row.device.hex() for row in store.updates_of(int(number))]
                assert stored.count(name) == 1, text
            elif word == "sealed":
                assert store.round(int(number)).state != State.OPEN, text
            elif word == "published":
                assert store.round(int(number)).state == State.PUBLISHED, text
            elif word == "masked":
                body = bytes.fromhex(name)[-8 - _TICKET : -8]
                ticket = int.from_bytes(body[NAME_SIZE:], "little")
                assert last[body[:NAME_SIZE]] >= ticket, f"{text}: it can be drawn again"


def _check_rounds(folder: Path) -> None:
    boards = the_boards()
    with closing(Store(folder)) as store:
        drawn: list[tuple[bytes, int]] = []
        for row in store.rounds():
            assert row.devices() == list(boards.counted(row.number)), "each counts once"
            found = [update.device for update in store.updates_of(row.number)]
            assert found == list(boards.there(row.number))
            drawn += tickets_of(row.settings).items()
        assert len(drawn) == len(set(drawn)) == ROUNDS * len(boards.members)
