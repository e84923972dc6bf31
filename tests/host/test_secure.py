"""Masked sums: exact for any boards that drop out, silent below the threshold, uniform before."""

import json
import math
from array import array
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checked import checked
from paebiru import accel
from paebiru.errors import UsageError
from paebiru.federated import field, secure
from paebiru.federated.noise import SecretWords
from paebiru.federated.privacy import PrivateSum
from paebiru.federated.secure import SecureRound, ThresholdError
from paebiru.rng import Rng
from sil import groups, masks
from sil.errors import FormatError
from sil.kernels import masks as kernels

GOLDEN = json.loads((Path(__file__).parents[1] / "vectors" / "masks.json").read_text())


def bytes_of(rng: Rng) -> Callable[[int], bytes]:
    return lambda n: rng.words(n // 8).tobytes()


class Fleet:
    """A dealt group, its boards and one round of it."""

    def __init__(self, members: int, threshold: int | None, weights: int, seed: int, ticket: int):
        stored = secure.deal(members, threshold, bytes_of(Rng(seed, "secrets")))
        self.boards = [masks.Masker(groups.unpack(s), weights) for s in stored]
        group = self.boards[0].group
        self.ticket = ticket
        self.round = SecureRound(group.name, members, group.threshold, weights, ticket)
        draw = Rng(seed, "changes").words(members * weights).reshape(members, weights)
        self.changes = (draw % np.uint64(3001)).astype(np.int64) - 1500

    def send(self, index: int) -> np.ndarray:
        """Let board `index` send its part; return the words that left it."""
        board = self.boards[index - 1]
        out = bytearray(board.size)
        board.mask(self.ticket, array("h", self.changes[index - 1].tolist()), 0, out)
        self.round.take(bytes(out))
        end = masks.HEAD + 2 * board.weights
        return np.frombuffer(bytes(out[masks.HEAD : end]), dtype="<u2").astype(np.int64)

    def sum(self, present: list[int]) -> list[int]:
        rows = [self.changes[i - 1] for i in present]
        return (4 * np.sum(rows, axis=0)).tolist()  # Q12 to Q14


def run(fleet: Fleet, present: list[int], helpers: list[int]) -> list[int]:
    """Run a round in which `present` send their part and `helpers` answer."""
    for i in present:
        fleet.send(i)
    requests = fleet.round.requests()
    for i in helpers:
        fleet.round.answer(fleet.boards[i - 1].answer(requests[i]))
    return fleet.round.total().tolist()


@pytest.mark.parametrize("threshold", [3, 4, 5])
def test_any_dropouts_give_exactly_the_sum_of_the_survivors(threshold: int) -> None:
    """Every set of five boards that may send, and every set that may then answer."""
    everyone = range(1, 6)
    tried = 0
    for size in range(threshold, 6):
        for present in combinations(everyone, size):
            for count in range(threshold, size + 1):
                for helpers in combinations(present, count):
                    fleet = Fleet(5, threshold, 3, tried, 1 + tried)
                    assert run(fleet, list(present), list(helpers)) == fleet.sum(list(present))
                    tried += 1
    assert tried == {3: 51, 4: 11, 5: 1}[threshold]


@given(st.data())
@settings(max_examples=25)
def test_the_sum_is_exact_for_any_group(data: st.DataObject) -> None:
    members = data.draw(st.integers(3, 9))
    threshold = data.draw(st.integers(members // 2 + 1, members))
    everyone = list(range(1, members + 1))
    sets = st.lists(st.sampled_from(everyone), min_size=threshold, unique=True)
    fleet = Fleet(members, threshold, data.draw(st.integers(1, 40)), 1, data.draw(tickets))
    present = data.draw(sets)
    # Boards that were not there in time can help as well.
    assert run(fleet, present, data.draw(sets)) == fleet.sum(present)


tickets = st.integers(1, (1 << 29) - 1)


def test_the_largest_group_at_the_largest_changes() -> None:
    """Sixteen boards, all at the limit, with one sign: the sum just fits its 16 bits."""
    fleet = Fleet(16, None, 5, 3, 9)
    assert fleet.round.threshold == 11
    for sign in (1, -1):
        fleet = Fleet(16, None, 5, 3, 9)
        fleet.changes[:] = sign * 32767
        everyone = list(range(1, 17))
        most = masks.limit(16)
        assert run(fleet, everyone, everyone[3:14]) == [sign * 4 * 16 * most] * 5


def test_too_few_parts_are_never_asked_about() -> None:
    fleet = Fleet(5, 4, 3, 1, 1)
    for i in (1, 2, 3):
        fleet.send(i)
    with pytest.raises(ThresholdError, match="3 of 5 boards sent their part, 4 are needed"):
        fleet.round.requests()
    fleet.send(5)
    assert set(fleet.round.requests()) == {1, 2, 3, 4, 5}
    with pytest.raises(FormatError, match="too late"):
        fleet.send(4)


def test_below_the_threshold_nothing_is_revealed() -> None:
    """An error, whichever boards answered; and a missing share makes every seed as likely."""
    for helpers in combinations((1, 2, 3, 5), 2):
        fleet = Fleet(5, 3, 3, 1, 1)
        with pytest.raises(ThresholdError, match="2 of 5 boards helped"):
            run(fleet, [1, 2, 3, 5], list(helpers))
        shares = {i: fleet.round.answers[i][:1] for i in helpers}
        third = next(i for i in (1, 2, 3, 5) if i not in helpers)
        guesses = {field.at_zero({**shares, third: bytes([v])}) for v in range(256)}
        assert len(guesses) == 256


def chi_square(words: np.ndarray) -> float:
    """Return the statistic of the words' high bytes and low bytes against uniform, 510 degrees."""
    total = 0.0
    for part in (words >> 8 & 255, words & 255):
        counts = np.bincount(part.ravel(), minlength=256)
        expected = words.size / 256
        total += float(((counts - expected) ** 2 / expected).sum())
    return total


LIMIT = 510 + 4.3 * math.sqrt(2 * 510)


def test_what_leaves_a_board_looks_uniform() -> None:
    """Each part, and each sum of all parts but one; the changes under them are all alike."""
    fleet = Fleet(5, 3, 20_000, 4, 7)
    fleet.changes[:] = 11
    sent = [fleet.send(i) for i in range(1, 6)]
    for words in sent:
        assert chi_square(words) < LIMIT
    for without in range(5):
        rest = sum(words for i, words in enumerate(sent) if i != without)
        assert chi_square(rest % 65536) < LIMIT
    assert chi_square(sum(sent) % 65536) < LIMIT  # the own streams are still on
    assert chi_square(np.full(20_000, 11)) > LIMIT  # what it would be without masks
    # Two boards' words, or one board's of two sums, have nothing in common.
    assert chi_square((sent[0] - sent[1]) % 65536) < LIMIT
    fleet.ticket = 8
    fleet.round.ticket = 8
    assert chi_square((sent[0] - fleet.send(1)) % 65536) < LIMIT


def test_unmasked_streams_leave_the_exact_sum() -> None:
    """The chi-square test sees the sum when the hub has done its part: the masks were all."""
    fleet = Fleet(5, 3, 20_000, 4, 7)
    fleet.changes[:] = 11
    assert set(run(fleet, [1, 2, 4, 5], [2, 4, 5])) == {4 * 4 * 11}


def test_a_false_answer_is_found_and_named() -> None:
    for liar in (1, 3, 4):
        fleet = Fleet(5, 3, 6, 2, 5)
        present = [1, 2, 3, 4]
        for i in present:
            fleet.send(i)
        requests = fleet.round.requests()
        for i in present:
            told = bytearray(fleet.boards[i - 1].answer(requests[i]))
            told[-1] ^= i == liar
            fleet.round.answer(bytes(told))
        assert fleet.round.total().tolist() == fleet.sum(present)
        assert fleet.round.false == {liar}
        for i in present:
            if i not in (liar, present[0], present[1]):
                del fleet.round.answers[i]
                break
        if len([i for i in fleet.round.answers if i != liar]) < 3:
            with pytest.raises(ThresholdError, match="fewer than 3 are true"):
                fleet.round.total()


def answered(threshold: int, liars: int) -> Fleet:
    """Return 16 boards that have all answered, the first ones falsely."""
    fleet = Fleet(16, threshold, 6, 2, 5)
    for i in range(1, 17):
        fleet.send(i)
    requests = fleet.round.requests()
    for i in range(1, 17):
        told = bytearray(fleet.boards[i - 1].answer(requests[i]))
        for at in range(1, 31 if i <= liars else 1):
            told[-at] ^= i * i * 37 + at * i * 11 + 1 & 255
        fleet.round.answer(bytes(told))
    return fleet


def test_all_sets_of_eleven_of_sixteen_are_tried() -> None:
    fleet = answered(11, liars=5)
    assert fleet.round.total().tolist() == fleet.sum(list(range(1, 17)))
    assert fleet.round.false == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("threshold", "says"), [(11, "fewer than 11 are true"), (9, "no 9 that fit were found in 4368")]
)
def test_answers_that_do_not_fit_are_looked_through_once(
    threshold: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = answered(threshold, liars=8)
    tried = []
    at_zero = secure.at_zero
    monkeypatch.setattr(secure, "at_zero", lambda shares: tried.append(1) or at_zero(shares))
    for _ in range(3):
        assert not fleet.round.is_solved()
        with pytest.raises(ThresholdError, match=says):
            fleet.round.total()
    assert len(tried) == math.comb(16, 11) == 4368


def test_the_hub_refuses_what_is_no_part_or_answer() -> None:
    fleet = Fleet(4, 3, 6, 2, 5)
    board = fleet.boards[0]
    out = bytearray(board.size)
    board.mask(5, array("h", fleet.changes[0].tolist()), 0, out)
    for at in (0, 8, 12, 13, 14, 16):
        wrong = bytearray(out)
        wrong[at] ^= 0x55
        with pytest.raises(FormatError):
            fleet.round.take(bytes(wrong))
    with pytest.raises(FormatError):
        fleet.round.take(bytes(out[:-1]))
    assert fleet.round.take(bytes(out)) == fleet.round.take(bytes(out)) == 1
    for i in (2, 3):
        fleet.send(i)
    request = fleet.round.requests()[1]
    answer = board.answer(request)
    for at in (0, 8, 12, 13, 14):
        wrong = bytearray(answer)
        wrong[at] ^= 0x55
        with pytest.raises(FormatError):
            fleet.round.answer(bytes(wrong))
    with pytest.raises(FormatError):
        fleet.round.answer(answer[:-1])
    assert not fleet.round.answer(answer)
    assert not fleet.round.answer(answer)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_golden_sums(case: dict) -> None:
    stored = groups.unpack(bytes.fromhex(case["stored"][0]))
    numbers = (case["members"], case["threshold"], case["weights"], case["ticket"])
    hub = SecureRound(stored.name, *numbers)
    for i in case["present"]:
        hub.take(bytes.fromhex(case["masked"][i - 1]))
    requests = hub.requests()
    for i, request, answer in zip(case["present"], case["requests"], case["answers"], strict=True):
        assert requests[i].hex() == request
        hub.answer(bytes.fromhex(answer))
    assert hub.total().tolist() == [4 * v for v in case["sum"]]


def test_a_masked_sum_can_be_private() -> None:
    """Clipped by the boards in Q12, summed under masks, noise from the hub in Q14."""
    fleet = Fleet(4, 3, 2000, 2, 5)
    clip = 2048
    taken = []
    for i in range(1, 5):
        board, changes = fleet.boards[i - 1], array("h", fleet.changes[i - 1].tolist())
        before = np.array(changes)
        out = bytearray(board.size)
        board.mask(5, changes, clip, out)
        fleet.round.take(bytes(out))
        taken.append(before - np.array(changes))
        assert 0.9 * clip**2 < (taken[-1] ** 2).sum() <= clip**2
    requests = fleet.round.requests()
    for i in (1, 2, 4):
        fleet.round.answer(fleet.boards[i - 1].answer(requests[i]))
    exact = fleet.round.total()
    assert exact.tolist() == (4 * sum(taken)).tolist()
    private = PrivateSum(4 * clip, 500, 4)
    off = private.noised(exact, SecretWords(bytes(32))) - exact
    assert 450 < off.std() < 550


shorts = st.lists(st.integers(-32768, 32767), min_size=1, max_size=60)


@given(shorts, st.integers(1, masks.MAX_CLIP), st.integers(3, 16))
@settings(max_examples=150)
def test_no_board_sends_more_than_the_clip(values: list[int], clip: int, members: int) -> None:
    """What leaves is within the clip and the words' range; what stays adds up with it."""
    stored = secure.deal(members, None, bytes_of(Rng(1)))[0]
    board = masks.Masker(groups.unpack(stored), len(values))
    factor = board._factor(array("h", values), masks.limit(members), clip)
    changes, out = array("h", values), bytearray(2 * len(values))
    kernels.take(changes, len(values), masks.limit(members), factor, out, 0)
    sent = np.frombuffer(bytes(out), dtype="<i2").astype(int).tolist()
    assert sum(v * v for v in sent) <= clip * clip
    assert all(abs(v) <= masks.limit(members) for v in sent)
    for before, gone, left in zip(values, sent, changes, strict=True):
        assert left == max(before - gone, -32767)
        assert gone * before >= 0
    cut = [max(-masks.limit(members), min(masks.limit(members), v)) for v in values]
    if math.isqrt(sum(v * v for v in cut)) < clip:
        assert sent == cut


def test_kernels_stay_within_31_bits() -> None:
    """At the largest changes, the longest model and the largest field elements."""
    high = array("i", [0, 0])
    for _ in range(5):
        checked(kernels.squares)(array("h", [-32768, 32767] * 500), 1000, 32767, high)
    assert high[0] + (high[1] << 24) == 5 * 1000 * 32767**2
    near = array("i", [(1 << 24) - 1, 1 << 26])
    checked(kernels.squares)(array("h", [32767]), 1, 32767, near)
    assert near[0] + (near[1] << 24) == (1 << 50) + (1 << 24) - 1 + 32767**2
    out = bytearray(8)
    changes = array("h", [-32768, 32767, -1, 0])
    checked(kernels.take)(changes, 4, 32767, 1 << 14, out, 0)
    assert out.hex() == "0180ff7fffff0000"
    given = array("h", [-32767, 32767, 5, 6])
    checked(kernels.give)(out, 0, 4, given)
    assert list(given) == [-32767, 32767, 4, 6]
    checked(kernels.add)(out, 0, 8, b"\xff" * 8, 1)
    checked(kernels.add)(out, 0, 8, b"\xff" * 8, -1)
    assert out.hex() == "0180ff7fffff0000"
    rows = bytes([255] * 16 * 11)
    checked(kernels.share)(rows, 11, 16, 16, bytearray(16), 0)


def test_numba_gives_the_same_bytes() -> None:
    def made() -> list[bytes]:
        fleet = Fleet(5, None, 50, 6, 2)
        found = [fleet.send(i).tobytes() for i in (1, 2, 3, 5)]
        requests = fleet.round.requests()
        return found + [fleet.boards[i - 1].answer(requests[i]) for i in (1, 2, 3, 4)]

    plain = made()
    accel.install("numba")
    try:
        assert made() == plain
    finally:
        accel.install("plain")


def test_a_group_has_its_size() -> None:
    for members in (2, 17):
        with pytest.raises(UsageError, match="3 to 16"):
            secure.deal(members)
    for threshold in (3, 7):
        with pytest.raises(UsageError, match="more than half"):
            secure.deal(6, threshold)
    stored = [groups.unpack(s) for s in secure.deal(4)]
    assert [g.threshold for g in stored] == [3] * 4
    at = slice(32, 64)
    assert stored[0].secrets[at] == stored[1].secrets[:32]
    assert len({g.secrets[32 * k : 32 * k + 32] for g in stored for k in range(4)}) == 10


@pytest.mark.parametrize("rule", ["krum", "median", "trimmed", "norm-clip"])
def test_rules_that_look_at_updates_are_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="hide"):
        secure.require_secure_rule(rule)
    secure.require_secure_rule("mean")


@given(st.integers(1, 255), st.integers(1, 255), st.integers(0, 255))
def test_the_field_is_one(a: int, b: int, c: int) -> None:
    """As make_masks.py defines it: products distribute, and each factor but 0 has an inverse."""
    import make_masks

    values = np.arange(256, dtype=np.uint8)
    assert field.times(values, a).tolist() == [make_masks.product(v, a) for v in range(256)]
    assert sorted(field.times(values, b).tolist()) == list(range(256))
    left = field.times(np.array([c ^ a], dtype=np.uint8), b)
    right = field.times(np.array([c], dtype=np.uint8), b) ^ field.times(
        np.array([a], dtype=np.uint8), b
    )
    assert left.tolist() == right.tolist()


@pytest.mark.parametrize(
    ("members", "weights", "sizes"),
    [(10, 2410, (6432, 1528, 176)), (16, 2410, (8928, 3976, 272)),
     (10, 50826, (103264, 1528, 176))],
)  # fmt: skip
def test_the_costs_are_those_of_the_specification(
    members: int, weights: int, sizes: tuple[int, ...]
) -> None:
    text = (Path(__file__).parents[2] / "shared" / "SPEC-secure.md").read_text()
    stored = secure.deal(members, None, bytes_of(Rng(1)))[0]
    up = masks.Masker(groups.unpack(stored), weights).size
    down = masks.ASK_HEAD + (members - 1) * masks.sealed_size(members)
    told = masks.ASK_HEAD + members * groups.SEED_SIZE
    assert (up, down, told) == sizes
    for size in sizes:
        assert f"{size:,}" in text
