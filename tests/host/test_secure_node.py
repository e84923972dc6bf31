"""Masked sums of whole boards in virtual time: exact whoever drops out, and once, or not at all."""

from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest

from paebiru import accel
from paebiru.federated.master import Master
from paebiru.federated.ranges import half_up
from paebiru.federated.rounds import name
from paebiru.federated.secure import deal
from paebiru.sim.flash import Flash
from paebiru.sim.lab import SimBoard
from paebiru_node.errors import PortError
from paebiru_node.masked import Masks
from secure_lab import BOARDS, SecureLab, enroll, memberships, plain, waiting
from sil import groups, masks
from sil import protocol as p
from sil.errors import FormatError
from sil.masks import Masker
from sil.payload import Payload

A, B, C, D = BOARDS


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Run the kernels by numba, a tenth of the time: the bytes are the same."""
    accel.install("numba")
    yield
    accel.install("plain")


class Checked(SecureLab):
    """A lab whose hub is followed by one that sees what is under the masks."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.shadow = Master(self.federation.first, self.federation.task.share, 256)

    def close(self) -> set[bytes]:
        """End the round; check the model against the mean of what was under the masks."""
        got = {device: body for device, kind, body in self.desk_of.got if kind == p.MASKED}
        self.desk_of.close()
        counted = set(self.federation.updates)
        if counted:
            bodies = [got[device] for device in sorted(counted)]
            total = 4 * np.sum([plain(body) for body in bodies], axis=0)
            self.shadow.add(half_up(total, len(bodies)))
        self.shadow.release()
        assert self.federation.name == name(self.shadow.base.tobytes())
        return counted

    def unmask(self, limit: int = 120_000) -> set[bytes]:
        self.desk_of.seal()
        self.run_until(self.sums.is_done, limit)
        return self.close()

    def check_traffic(self) -> None:
        """No update in the clear, no second vector under a ticket's masks, no second question."""
        assert not self.sent(p.UPDATE)
        parts: dict[tuple[bytes, bytes], set[bytes]] = {}
        for device, kind, body in self.desk_of.got:
            if kind == p.MASKED:
                parts.setdefault((device, body[:12]), set()).add(body)
        assert all(len(bodies) == 1 for bodies in parts.values())
        assert all(len(bodies) == 1 for bodies in self.desk_of.asked.values())


def lose(lab: SecureLab, device: bytes) -> Callable[[], None]:
    """Take a board out of the lab; return what brings it back, after a power cut."""
    board = lab.boards.pop(device)
    board.wire.unplug()
    lab.devices[device].gone()

    def back() -> None:
        board.wire.plug()
        lab.boards[device] = board
        board.power_cut()

    return back


def slowed(lab: SecureLab) -> SimBoard:
    """Have D train long behind the others; return it."""
    lab.federation.epochs = 50
    for device, board in lab.boards.items():
        board.given["slice"] = 1 if device == D else 1000
        board.power_cut()
    return lab.boards[D]


def test_masked_boards_learn_the_exact_mean_and_nothing_leaves_in_the_clear() -> None:
    lab = Checked()
    lab.until_known()
    for _ in range(3):
        lab.collect()
        assert lab.unmask() == set(BOARDS)
    lab.until_equal()
    lab.check_traffic()
    parts = lab.sent(p.MASKED)
    assert len(parts) == 12
    payload = Payload(lab.federation.task.sizes, lab.federation.first)
    for body in parts:
        assert np.abs(plain(body)).max() > 0
        words = np.frombuffer(body[20 : 20 + 2 * 139], dtype="<i2")
        assert np.abs(words.astype(int)).mean() > 10_000, "changes are small, masks are not"
        with pytest.raises(FormatError):
            payload.decode(body[8:], bytearray(139))
    assert not lab.heard("refused")
    assert not lab.heard("text")


def test_a_board_that_is_lost_before_its_part_is_left_out_and_learns_on() -> None:
    lab = Checked()
    lab.until_known()
    back = lose(lab, C)
    lab.collect((A, B, D))
    assert lab.unmask() == {A, B, D}
    back()
    lab.collect()
    assert lab.unmask() == set(BOARDS)
    lab.until_equal()
    lab.check_traffic()


def test_a_board_that_is_lost_after_its_part_is_in_the_sum() -> None:
    lab = Checked()
    lab.until_known()
    lab.collect()
    back = lose(lab, B)
    assert lab.unmask() == set(BOARDS)
    back()
    lab.collect()
    assert not waiting(lab.boards[B]).any(), "what is in a sum is not sent again"
    assert lab.unmask() == set(BOARDS)
    lab.until_equal()
    lab.check_traffic()


def test_below_the_threshold_nothing_is_known_and_nothing_is_lost() -> None:
    """Two boards answer, two are lost: the sum fails, those two send the same changes later."""
    lab = Checked()
    lab.until_known()
    lab.collect()
    before = lab.federation.name
    bodies = {device: body for device, kind, body in lab.desk_of.got if kind == p.MASKED}
    back = [lose(lab, C), lose(lab, D)]
    lab.desk_of.seal()
    lab.run_until(lambda: len(lab.heard("shares")) == 2, 60_000)
    lab.run(20_000)
    assert not lab.sums.is_done()
    assert lab.close() == set()
    assert lab.federation.name == before
    assert "2 of 4 boards helped" in lab.sums.failed[0]
    for again in back:
        again()
    lab.until_known()
    lab.desk_of.open()
    lab.run_until(lambda: lab.boards[C].node.learning.phase == p.TRAINING, 60_000)
    assert waiting(lab.boards[C]).tolist() == plain(bodies[C]).tolist(), "taken back, whole"
    assert not waiting(lab.boards[A]).any(), "it has helped: its changes may be known"
    lab.run_until(lambda: set(lab.federation.updates) == set(BOARDS), 60_000)
    assert lab.unmask() == set(BOARDS)
    lab.until_equal()
    lab.check_traffic()


def test_too_few_parts_are_not_asked_about() -> None:
    lab = Checked()
    lab.until_known()
    back = [lose(lab, C), lose(lab, D)]
    lab.collect((A, B))
    lab.desk_of.seal()
    lab.run(10_000)
    assert not lab.desk_of.asked
    assert lab.close() == set()
    assert "2 of 4 boards sent their part" in lab.sums.failed[0]
    for again in back:
        again()
    lab.collect()
    assert lab.unmask() == set(BOARDS)
    lab.check_traffic()


def test_who_is_not_in_the_sum_helps_where_others_are_lost() -> None:
    lab = Checked()
    lab.until_known()
    back = lose(lab, D)
    lab.collect((A, B, C))
    back()
    also = lose(lab, A)
    lab.run_until(lambda: D in lab.desk_of.devices, 30_000)
    lab.desk_of.seal()
    lab.run(10_000)
    assert len(lab.heard("shares")) == 2
    lab.desk_of.ask(absent=True)
    lab.run_until(lab.sums.is_done, 60_000)
    assert lab.close() == {A, B, C}
    also()
    lab.collect()
    assert lab.unmask() == set(BOARDS)
    lab.until_equal()
    lab.check_traffic()


def test_who_helps_while_it_learns_has_no_part_any_more() -> None:
    lab = Checked()
    slow = slowed(lab)
    lab.until_known()
    lab.desk_of.open()
    lab.run_until(lambda: set(lab.federation.updates) == {A, B, C}, 60_000)
    lose(lab, A)
    lab.desk_of.seal()
    lab.desk_of.ask(absent=True)
    lab.run_until(lambda: lab.heard("shares"), 60_000)
    lab.run_until(lambda: any(d == D for d, k, _ in lab.desk_of.got if k == p.SHARES), 60_000)
    assert slow.node.learning.phase == p.TRAINING
    lab.run_until(lambda: slow.node.learning.phase != p.TRAINING, 60_000)
    assert slow.node.learning.phase == p.IDLE
    assert waiting(slow).any(), "what it has learned goes into the next sum"
    assert lab.close() == {A, B, C}
    assert not any(d == D for d, k, _ in lab.desk_of.got if k == p.MASKED)
    lab.collect((B, C, D))
    assert lab.unmask() == {B, C, D}
    assert not lab.heard("refused")
    lab.check_traffic()


def test_a_board_in_a_group_refuses_to_learn_without_masks() -> None:
    lab = SecureLab()
    lab.until_known()
    lab.federation.sums = None
    lab.desk_of.open()
    lab.run(10_000)
    assert lab.heard("refused") == [12] * 4
    assert not lab.desk_of.got
    said = b"".join(health.text for health in lab.heard("health"))
    assert b"learns under masks only" in said


def test_a_board_in_no_group_or_another_refuses_a_sum() -> None:
    lab = SecureLab()
    enroll(lab.boards[A], b"")
    enroll(lab.boards[B], memberships(seed=9)[1])
    damaged = bytearray(memberships()[2])
    damaged[40] ^= 1
    enroll(lab.boards[C], bytes(damaged))
    for device in (A, B, C):
        lab.boards[device].power_cut()
    lab.until_known()
    lab.desk_of.open()
    lab.run(10_000)
    assert set(lab.federation.updates) == {D}
    assert lab.heard("refused") == [12] * 3
    said = b"".join(health.text for health in lab.heard("health"))
    assert b"in no group: run paebiru keys group" in said
    assert b"another group" in said
    assert b"deal its secrets again" in said


def test_a_ticket_that_was_used_is_refused() -> None:
    """As by a hub whose key file was put back to an older one."""
    lab = SecureLab()
    lab.until_known()
    lab.round()
    lab.until_equal()
    lab.sums._new_ticket = lambda name: 1
    lab.desk_of.open()
    lab.run(10_000)
    assert lab.heard("refused") == [12] * 4
    said = b"".join(health.text for health in lab.heard("health"))
    assert b"masked sum 1 came before" in said


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_part_that_is_refused_waits_again_as_it_was_learned(is_cut: bool) -> None:
    """Also behind a power cut: masks that were taken off once are not taken off again."""
    lab = Checked()
    slow = slowed(lab)
    lab.until_known()
    lab.desk_of.open()
    lab.run_until(lambda: set(lab.federation.updates) == {A, B, C}, 60_000)
    lab.desk_of.seal()
    lab.run_until(lambda: slow.node.learning.update_end > 100, 60_000)
    part = plain(bytes(slow.node.learning.update))
    lab.run_until(lambda: slow.node.learning.phase == p.IDLE, 60_000)
    assert waiting(slow).tolist() == part.tolist()
    assert lab.close() == {A, B, C}
    if is_cut:
        slow.power_cut()
    lab.federation.epochs = 1
    lab.desk_of.open()
    lab.run_until(lambda: slow.node.learning.phase == p.TRAINING, 60_000)
    assert waiting(slow).tolist() == part.tolist()
    begun = lab.clock.now
    lab.run_until(lambda: set(lab.federation.updates) == set(BOARDS), 60_000)
    assert lab.clock.now - begun < 20_000, "a new part is not one that was refused"
    assert lab.unmask() == set(BOARDS)
    lab.check_traffic()


@pytest.mark.parametrize("phase", [p.TRAINING, p.REPORTING])
def test_a_board_that_comes_into_a_group_amid_a_plain_round_sends_nothing_in_the_clear(
    phase: int,
) -> None:
    lab = SecureLab()
    board = lab.boards[A]
    enroll(board, b"")
    board.power_cut()
    lab.until_known()
    sums, lab.federation.sums = lab.federation.sums, None
    lab.desk_of.open()
    lab.run_until(lambda: board.node.learning.phase == phase, 60_000)
    enroll(board, memberships()[0])
    board.power_cut()
    lab.run(60_000)
    assert not lab.desk_of.got
    assert board.node.learning.phase != phase
    lab.federation.sums = sums
    lab.federation.is_open = False
    lab.collect()
    assert {kind for _, kind, _ in lab.desk_of.got} == {p.MASKED}
    lab.unmask()
    lab.until_equal()


def test_a_clip_out_of_range_is_refused_before_anything_is_trained() -> None:
    lab = SecureLab()
    lab.until_known()
    lab.sums.clip = 1 << 25
    lab.desk_of.open()
    lab.run(10_000)
    assert lab.heard("refused") == [12] * 4
    assert b"clip is out of range" in b"".join(health.text for health in lab.heard("health"))


def test_where_memory_ends_the_changes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Checked()
    lab.until_known()
    rows = Masker._rows

    def none_left(masker: Masker, ticket: int) -> bytearray:
        if masker.group.index == 2:
            raise MemoryError
        return rows(masker, ticket)

    monkeypatch.setattr(Masker, "_rows", none_left)
    lab.collect((A, C, D))
    lab.run(1_000)
    assert lab.boards[B].boots == 2, "it has not crashed"
    assert waiting(lab.boards[B]).any()
    assert any(b"no memory" in health.text for health in lab.heard("health"))
    monkeypatch.undo()
    assert lab.unmask() == {A, C, D}
    lab.collect()
    assert lab.unmask() == set(BOARDS)
    lab.check_traffic()


def test_a_membership_of_sixteen_boards_is_kept_in_two_values() -> None:
    stored = deal(16)
    flash = Flash()
    for place in (0, 15):
        flash.save("group", stored[place][:512])
        flash.save("group_2", stored[place][512:])
        port: Any = flash
        assert Masks(port)._group().secrets == groups.unpack(stored[place]).secrets
    with pytest.raises(PortError, match="at most 512"):
        flash.save("group", stored[0])
    assert masks.ASK_HEAD + 15 * masks.sealed_size(16) == p.MAX_UNMASK


# -- power cuts


def play(lab: Checked) -> None:
    """A round; one that fails before anybody answers, and is asked about too late; and another."""
    lab.collect()
    lab.unmask()
    lab.collect()
    lab.desk_of.seal()
    late = dict(lab.sums._questions)
    lab.sums._questions.clear()  # the hub forgets to ask
    lab.close()
    lab.desk_of.open()
    lab.run_until(lambda: lab.boards[A].node.learning.round == 3, 60_000)
    lab.run_until(lambda: lab.devices[A].is_up and lab.devices[A].status is not None, 60_000)
    refused = len(lab.heard("refused"))
    lab.devices[A].offer(p.UNMASK, late[A])
    lab.run_until(lambda: len(lab.heard("refused")) > refused or not lab.devices[A].is_up, 60_000)
    assert not [body for body in lab.sent(p.SHARES) if body[:12] == late[A][:12]]
    lab.run_until(lambda: set(lab.federation.updates) == set(BOARDS), 120_000)
    lab.unmask()
    lab.until_equal()


@cache
def undisturbed() -> tuple[bytes, int, int]:
    """Return the model, and the writes of the first board before and after."""
    lab = Checked()
    lab.until_known()
    lab.run(5_000)
    first = lab.boards[A].flash.writes
    play(lab)
    return lab.federation.name, first, lab.boards[A].flash.writes


@pytest.mark.parametrize("part", range(3))  # of the work, for as many processes
def test_power_cut_at_every_write_gives_the_same_bytes(part: int) -> None:
    """Of a round that comes about, one that is taken back, and one more."""
    model, first, last = undisturbed()
    assert last - first > 40
    for cut in range(first + 1 + part, last + 1, 3):
        lab = Checked()
        lab.until_known()
        lab.run(5_000)
        board = lab.boards[A]
        board.flash.cut_at = cut
        play(lab)
        assert board.boots == 3, f"cut at write {cut}"
        lab.check_traffic()
        assert lab.federation.name == model, f"cut at write {cut}"


@pytest.mark.parametrize("seed", range(4))
def test_boards_that_come_and_go_at_random(seed: int) -> None:
    """Whoever is there: each sum is exactly that of those in it, and no board is asked twice."""
    random = Random(seed)
    lab = Checked(seed=seed)
    lab.until_known()
    gone: dict[bytes, Callable[[], None]] = {}
    sums = 0
    for _ in range(6):
        lab.desk_of.open()
        for _ in range(4):
            disturb(lab, gone, random)
            lab.run(random.randrange(100, 4_000))
        lab.desk_of.seal()
        for _ in range(4):
            disturb(lab, gone, random)
            lab.run(random.randrange(100, 2_000))
        if not lab.sums.is_done():
            lab.desk_of.ask(absent=True)
            lab.run(4_000)
        sums += bool(lab.close())
    for back in gone.values():
        back()
    lab.collect()
    assert lab.unmask() == set(BOARDS)
    lab.until_equal()
    lab.check_traffic()
    assert sums >= 2


def disturb(lab: SecureLab, gone: dict[bytes, Callable[[], None]], random: Random) -> None:
    device = random.choice(BOARDS)
    if device in gone:
        gone.pop(device)()
    elif random.randrange(3):
        lab.boards[device].power_cut()
    elif len(gone) < 2:
        gone[device] = lose(lab, device)
