"""Every byte that leaves a board is a documented message, and no raw sample is among them.

In virtual time, and from real MicroPython processes through a TCP proxy that keeps what passes;
nodes that were changed to send a sample, in one way or another, are caught by the same checks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import light_boards
from captured import Models, captured
from overheard import Overheard
from paebiru.sim.wire import Wire
from raw_samples import Leak, Samples
from sil import jsil
from sil import protocol as p
from sil.link.offer import BytesSource, Offer
from sil.payload import Payload
from wine_lab import BOARDS, WineLab, recording

ROUNDS = 3


def rows(number: int) -> list[bytes]:
    """Return the samples of a board's recording, without their classes."""
    return [bytes(row[:13]) for row in jsil.unpack(recording(number))]


def check_all(heard: Overheard, number: int) -> None:
    """See that nothing raw is in it, by a rule that finds nothing by chance."""
    own, others = Samples(rows(number)), Samples(rows((number + 1) % len(BOARDS)))
    pieces = heard.everything()
    assert len(own.windows) > 100
    assert own.chance(sum(map(len, pieces))) < 1e-6
    # What it never had: as many bytes, as like each other, and none is found.
    alien = Samples([])
    alien.wanted = {size: others.wanted[size] - own.wanted[size] for size in others.wanted}
    assert sum(map(len, alien.wanted.values())) > 400
    assert not alien.found(pieces)
    own.check(pieces)


# -- in virtual time


@contextmanager
def listening(lab: WineLab, heard: Overheard) -> Iterator[None]:
    """Have all that passes between the lab's one board and its hub overheard."""
    take, give = Wire.take, Wire.give

    def taken(self: Wire) -> bytes:
        data = take(self)
        heard.up(data)
        return data

    def given(self: Wire, data: bytes) -> None:
        heard.down(data)
        give(self, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "take", taken)
        patch.setattr(Wire, "give", given)
        yield


def overheard_lab(changed: Callable[[Any], None] = lambda node: None) -> Overheard:
    """Run a board for three rounds; `changed` is called with its node before the last."""
    lab = WineLab(1)
    models = Models(lab.federation)
    heard = Overheard(lab.keys[BOARDS[0]], models.decode)
    with listening(lab, heard):
        lab.until_known()
        for _ in range(2):
            lab.round()
            models.note()
            lab.run(10_000)
        changed(lab.boards[BOARDS[0]].node)
        lab.round()
        lab.run(5_000)
    return heard


def test_raw_samples_never_leave() -> None:
    heard = overheard_lab()
    check_all(heard, 0)
    assert {p.STATUS, p.BATCH, p.HEALTH} <= {kind for kind, _ in heard.posts}
    assert [kind for kind, _ in heard.objects] == [p.UPDATE] * 3
    assert len(heard.wire) > 1500


def as_answer(node: Any, row: bytes) -> None:
    node.uplink.send(p.ANSWER, bytearray(row), p.ANSWER_SIZE)


def as_status(node: Any, row: bytes) -> None:
    body = bytearray(node._status)
    body[16:24] = row[:8]
    node.uplink.send(p.STATUS, body, len(body))


def as_states(node: Any, row: bytes) -> None:
    for _ in range(8):
        node.batches.add(bytearray(row + bytes(3)), 0, node.uplink)


def as_words(node: Any, row: bytes) -> None:
    node.failed("see " + row.hex())


def as_reasons(node: Any, row: bytes) -> None:
    body = bytearray(22) + bytearray(b"\x07\xff") + row
    node.uplink.send(p.HEALTH, body, len(body))


def as_a_post(node: Any, row: bytes) -> None:
    node.uplink.send(20, bytearray(row), len(row))


def as_a_longer_answer(node: Any, row: bytes) -> None:
    node.uplink.send(p.ANSWER, bytearray(p.ANSWER_SIZE) + bytearray(row), 20)


def behind_states(node: Any, row: bytes) -> None:
    body = bytearray(p.BATCH_HEAD) + bytearray(jsil.pack([bytes(16)])) + bytearray(row)
    node.uplink.send(p.BATCH, body, len(body))


def as_an_object(node: Any, row: bytes) -> None:
    node.uplink.session.offer(Offer(9, len(row), b"\0" * 32), BytesSource(row))


def as_an_update(node: Any, row: bytes) -> None:
    """Coded as changes are: not a byte of it is on the line as it is, and the hub counts it."""
    learning = node.learning

    def report() -> tuple[Offer, BytesSource]:
        payload = Payload(learning.task.sizes, bytes(learning.first))
        payload.expect(learning.learner.base)
        out = bytearray(payload.limit)
        frame = bytearray(len(learning.first))
        frame[: len(row)] = row
        size = payload.encode(frame, out)
        head = bytearray(p.UPDATE_HEAD)
        p.write_update_head(head, learning.round, learning.trained, learning.right)
        body = bytes(head + out[:size])
        offer = Offer(p.UPDATE, len(body), sha256(body).digest(), base=learning.model)
        return offer, BytesSource(body)

    learning.report = report


def beside_frames(node: Any, row: bytes) -> None:
    node.uplink._line.write(bytearray(row), 0, len(row))


@pytest.mark.parametrize(
    ("changed", "caught"),
    [
        (as_answer, "raw samples"),
        (as_status, "raw samples"),
        (as_states, "raw samples"),
        (as_words, "raw samples"),
        (as_reasons, "HEALTH"),
        (as_a_post, "kind 20"),
        (as_a_longer_answer, "kind 19"),
        (behind_states, "kind 17"),
        (as_an_object, "kind 9"),
        (as_an_update, "raw samples"),
        (beside_frames, "on the line"),
    ],
)
def test_a_node_that_sends_a_sample_is_caught(
    changed: Callable[[Any, bytes], None], caught: str
) -> None:
    row = rows(0)[5]
    with pytest.raises(Leak, match=caught):
        check_all(overheard_lab(lambda node: changed(node, row)), 0)


# -- from real processes


@pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")
def test_every_byte_that_leaves_a_board_is_a_documented_message(tmp_path: Path) -> None:
    made = captured(tmp_path, ROUNDS)
    total = 0
    for number in range(2):
        heard = made.heard(number)
        check_all(heard, number)
        assert {p.STATUS, p.BATCH, p.HEALTH} <= {kind for kind, _ in heard.posts}
        updates = [body for kind, body in heard.objects if kind == p.UPDATE]
        assert len(updates) == len(heard.objects) == ROUNDS
        total += len(heard.wire)
    sent = sum(len(data) for line in made.lines for is_up, data in line if is_up)
    assert total == sent, "every connection is some board's"


# Once in a while the node says what its sensor has read, in the most harmless of its messages.
SPY = """
from paebiru_node.app import Node
told = Node._tell
def tell(self, now):
    told(self, now)
    if self.sampler.inputs and self.learning.round > 1 and not hasattr(self, "spied"):
        self.spied = self.uplink.send(19, bytearray(self.sampler.inputs[:10]), 10)  # ANSWER
Node._tell = tell
"""


@pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")
def test_a_board_that_sends_a_sample_is_caught(tmp_path: Path) -> None:
    made = captured(tmp_path, 2, SPY)
    for number in range(2):
        with pytest.raises(Leak, match="raw samples"):
            check_all(made.heard(number), number)
