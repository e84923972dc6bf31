"""The hub's part in a masked sum: it learns what a group of boards learned, not who learned what.

One `SecureRound` is one sum of one group, pure of I/O and time (SPEC-secure.md):

    take        each board's MASKED, until all are there or the round's time is over
    requests    ends that: what to ask each board, once, with the shares sealed for it
    answer      each answer, until `threshold` of them are there
    total       the exact sum over the boards that were present

Fewer answers than the threshold give an error and nothing else: every board's words are
still under a stream that nobody took off.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from paebiru.errors import UsageError
from paebiru.federated.field import at_zero
from sil.errors import FormatError
from sil.groups import MAX_MEMBERS, NAME_SIZE, SECRET_SIZE, SEED_SIZE, Group
from sil.link.fields import get16, get32
from sil.masks import ASK_HEAD, CHECK_SIZE, HEAD, check_of, masked_size, sealed_size

Int64 = NDArray[np.int64]
Words = NDArray[np.uint16]
Seeds = dict[int, dict[int, bytes]]
"""Of each board present, by the boards whose streams are to be taken off it."""

SECURE_RULE = "mean"
_TRIES = 4368  # sets of answers, where some are false: all 11 of 16, which takes seconds


class ThresholdError(UsageError):
    """Too few boards: the sum cannot be unmasked, and nothing of it is known."""


def deal(
    members: int,
    threshold: int | None = None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> list[bytes]:
    """Return the memberships (`sil.groups`) of a new group, to be stored on its boards over USB.

    Who keeps a copy can unmask every update. The default threshold, two thirds and one, holds
    against a hub that lies and has less than a third of the boards on its side.

    Raises:
        UsageError: the size or the threshold makes no group.
    """
    if not 3 <= members <= MAX_MEMBERS:
        raise UsageError(
            f"a group for masked sums has 3 to {MAX_MEMBERS} boards, not {members}:"
            " make several groups of a large fleet"
        )
    threshold = 2 * members // 3 + 1 if threshold is None else threshold
    if not members < 2 * threshold <= 2 * members:
        raise UsageError(
            f"a threshold of {threshold} of {members} is out of range: give more than half, or a"
            " hub could ask two halves for what together unmasks a board"
        )
    name = random_bytes(NAME_SIZE)
    pairs = {(i, j): random_bytes(SECRET_SIZE) for i in range(members) for j in range(i, members)}
    rows = [b"".join(pairs[min(i, j), max(i, j)] for j in range(members)) for i in range(members)]
    return [Group(name, i + 1, threshold, row).pack() for i, row in enumerate(rows)]


def require_secure_rule(rule: str) -> None:
    """Refuse to combine masked sums with a rule that looks at single updates.

    Raises:
        UsageError: the rule is another than the mean.
    """
    if rule != SECURE_RULE:
        raise UsageError(
            f"--rule {rule} needs each board's update, which masked sums hide from the hub (so do"
            " clipping by the hub and weights by samples); take --rule mean, or no masks"
        )


class SecureRound:
    """One masked sum of one group.

    Args:
        name: of the group.
        members, threshold: as dealt.
        weights: of the model.
        ticket: the sum's number; never used before in this group's life.
    """

    def __init__(self, name: bytes, members: int, threshold: int, weights: int, ticket: int):
        self.name = name
        self.members = members
        self.threshold = threshold
        self.weights = weights
        self.ticket = ticket
        self.masked: dict[int, bytes] = {}
        self.answers: dict[int, bytes] = {}
        self.is_sealed = False
        # Of so many answers: the seeds, or why there are none. It is asked often, and takes long.
        self._joined: tuple[int, Seeds, str] = (0, {}, "")
        self.false: set[int] = set()
        """Boards whose answers did not fit those of the others, known after `total`."""

    @property
    def present(self) -> list[int]:
        """The boards whose words are in the sum, ascending."""
        return sorted(self.masked)

    @property
    def size(self) -> int:
        """The bytes of a MASKED."""
        return masked_size(self.members, self.weights)

    # -- what boards send

    def check(self, body: bytes) -> int:
        """Return which board a MASKED is of.

        Raises:
            FormatError: it is damaged, or of another group, sum or model.
        """
        n = self.members
        if len(body) != self.size or body[:NAME_SIZE] != self.name:
            raise FormatError("not a masked update of this group and model")
        index = body[12]
        if get32(body, 8) != self.ticket or get32(body, 16) != self.weights:
            raise FormatError(f"not a part of masked sum {self.ticket}")
        if not 1 <= index <= n or (body[13], body[14]) != (n, self.threshold):
            raise FormatError("a masked update of a board that the group does not have")
        return index

    def take(self, body: bytes) -> int:
        """Count a MASKED; return its board. A second one of the same board changes nothing.

        Raises:
            FormatError: as `check` says, or it is too late.
        """
        index = self.check(body)
        if self.is_sealed:
            raise FormatError(f"too late for masked sum {self.ticket}")
        self.masked.setdefault(index, body)
        return index

    def requests(self) -> dict[int, bytes]:
        """End the taking; return the UNMASK for each board, those absent included.

        Raises:
            ThresholdError: fewer boards than the threshold: they would not answer.
        """
        if len(self.masked) < self.threshold:
            raise ThresholdError(
                f"{len(self.masked)} of {self.members} boards sent their part, {self.threshold} are"
                " needed: the sum stays masked; what was learned is sent in a later round"
            )
        self.is_sealed = True
        return {to: self._request(to) for to in range(1, self.members + 1)}

    def _request(self, to: int) -> bytes:
        bits = sum(1 << (i - 1) for i in self.present)
        head = self.name + self.ticket.to_bytes(4, "little") + bytes((to, self.members))
        blocks = [self._sealed(i, to) for i in self.present if i != to]
        return head + bits.to_bytes(2, "little") + b"".join(blocks)

    def _sealed(self, sender: int, to: int) -> bytes:
        size = sealed_size(self.members)
        at = HEAD + 2 * self.weights + CHECK_SIZE * self.members
        at += size * (to - 1 if to < sender else to - 2)
        return self.masked[sender][at : at + size]

    def answer(self, body: bytes) -> bool:
        """Count an answer to UNMASK; tell whether there are enough.

        Raises:
            FormatError: it is damaged, or of another question.
        """
        here = len(self.masked)
        size = ASK_HEAD + here * (self.members - here + 1) * SEED_SIZE
        bits = sum(1 << (i - 1) for i in self.present)
        if not self.is_sealed or len(body) != size or body[:NAME_SIZE] != self.name:
            raise FormatError("not an answer about this masked sum")
        if get32(body, 8) != self.ticket or get16(body, 14) != bits:
            raise FormatError(f"an answer about another sum than {self.ticket}")
        if not 1 <= body[12] <= self.members or body[13] != self.members:
            raise FormatError("an answer of a board that the group does not have")
        self.answers.setdefault(body[12], body[ASK_HEAD:])
        return len(self.answers) >= self.threshold

    # -- what the hub makes of it

    def is_solved(self) -> bool:
        """Tell whether the answers suffice, those that are false left out."""
        try:
            return bool(self._seeds())
        except ThresholdError:
            return False

    def total(self) -> Int64:
        """Return the exact sum [weights] over the boards present, Q14.

        Raises:
            ThresholdError: fewer answers than the threshold, or too many false ones.
        """
        seeds = self._seeds()
        words = np.zeros(self.weights, dtype=np.uint16)
        for i in self.present:
            part = self.masked[i][HEAD : HEAD + 2 * self.weights]
            words += np.frombuffer(part, dtype="<u2")
            for j, seed in seeds[i].items():
                words += stream(seed, self.weights) * np.uint16(1 if j < i else 0xFFFF)
        return words.view(np.int16).astype(np.int64) << 2

    def _seeds(self) -> Seeds:
        """Return for each board present its own seed and those that it has with the absent."""
        if len(self.answers) < self.threshold:
            raise ThresholdError(
                f"{len(self.answers)} of {self.members} boards helped to unmask the sum,"
                f" {self.threshold} are needed: it stays masked"
            )
        if self._joined[0] != len(self.answers):
            self._joined = (len(self.answers), *self._join())
        _, seeds, why = self._joined
        if why:
            raise ThresholdError(why)
        return seeds

    def _join(self) -> tuple[Seeds, str]:
        """Return the seeds of the first set of answers that fits, or why none does."""
        sets = combinations(sorted(self.answers), self.threshold)
        for chosen in islice(sets, _TRIES):
            seeds = self._split(at_zero({i: self.answers[i] for i in chosen}))
            if self._fit(seeds):
                self.false = self._liars(chosen)
                return seeds, ""
        why = f"fewer than {self.threshold} are true"
        if next(sets, None) is not None:
            why = f"no {self.threshold} that fit were found in {_TRIES} tries"
        text = f"the answers of {len(self.answers)} boards do not fit what was sent: {why}"
        return {}, f"{text}, and the sum stays masked"

    def _split(self, joined: bytes) -> Seeds:
        parts = iter(range(0, len(joined), SEED_SIZE))
        absent = [d for d in range(1, self.members + 1) if d not in self.masked]
        return {
            i: {j: joined[at : at + SEED_SIZE] for j, at in zip([i, *absent], parts, strict=False)}
            for i in self.present
        }

    def _fit(self, seeds: Seeds) -> bool:
        """Tell whether all seeds are those that the boards used."""
        at = HEAD + 2 * self.weights - CHECK_SIZE
        return all(
            check_of(seed) == self.masked[i][at + CHECK_SIZE * j : at + CHECK_SIZE * (j + 1)]
            for i, row in seeds.items()
            for j, seed in row.items()
        )

    def _liars(self, chosen: tuple[int, ...]) -> set[int]:
        """Return whose answers are off the polynomials through those of `chosen`."""
        true = {i: self.answers[i] for i in chosen}
        rest = {i for i in self.answers if i not in true}
        whole = at_zero(true)
        few = list(chosen)[1:]
        return {i for i in rest if at_zero({k: self.answers[k] for k in [*few, i]}) != whole}


def stream(seed: bytes, n: int) -> Words:
    """Return the n words that the boards spread from a seed."""
    blocks = -(-2 * n // 32)
    whole = b"".join(sha256(seed + k.to_bytes(4, "little")).digest() for k in range(blocks))
    return np.frombuffer(whole[: 2 * n], dtype="<u2").astype(np.uint16)
