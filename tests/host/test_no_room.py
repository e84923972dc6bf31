"""What has no room is offered again, later and later, and goes through when there is room."""

from collections.abc import Callable
from errno import ENOSPC
from typing import Any

import pytest

from paebiru.sim.flash import Flash
from sil import protocol as p
from sil.link import messages as m
from wine_lab import BOARDS, WineLab


def waits(times: list[int]) -> list[int]:
    """Return the seconds between two refusals."""
    return [(after - before) // 1000 for before, after in zip(times, times[1:], strict=False)]


def refused_at(lab: WineLab) -> list[int]:
    """Return a list that grows by the time of each refusal."""
    times: list[int] = []
    told = lab.coordinator.told

    def hear(word: str, device: Any, about: Any) -> None:
        if word == "refused":
            times.append(lab.clock.now)
        told(word, device, about)

    lab.coordinator.told = hear
    return times


def test_a_board_whose_flash_is_full_is_offered_the_model_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_full = True
    whole = Flash.open

    def full(self: Flash, name: str, mode: str) -> Any:
        if is_full and mode == "wb":
            raise OSError(ENOSPC, "no space left")
        return whole(self, name, mode)

    monkeypatch.setattr(Flash, "open", full)  # before a port takes it
    lab = WineLab(1)
    times = refused_at(lab)
    lab.until_known()
    lab.coordinator.open()
    lab.run(500_000)
    found = waits(times)
    assert found[0] >= p.PAUSE
    # HEALTH, each 60 s, is when the hub looks: a pause is over at the next one.
    assert found == sorted(found)
    assert [wait // 60 for wait in found] == [1, 2, 3]  # 30, 60 and 120 s, and what of a minute
    texts = [health.text.decode() for health in lab.heard("health")]
    assert any("no space left" in text for text in texts)
    is_full = False
    lab.run_until(lambda: bool(lab.federation.updates), p.PAUSE_MOST * 1000)
    lab.coordinator.close()
    lab.until_equal()


@pytest.mark.parametrize(("retry", "first"), [(0, 30), (100, 100)])
def test_an_update_for_which_a_hub_has_no_room_comes_less_and_less_often(
    retry: int, first: int
) -> None:
    lab = WineLab(1)
    times: list[int] = []
    is_full = True
    take = lab.federation.take

    def full(device: bytes, body: bytes, done: Callable[[int], None]) -> None:
        if is_full:
            times.append(lab.clock.now)
            session = lab.devices[device].session
            session.refuse(m.E_SPACE, retry)
        else:
            take(device, body, done)

    lab.federation.take = full  # type: ignore[method-assign]
    lab.until_known()
    lab.coordinator.open()
    lab.run(3 * first * 1000 + 20_000)
    found = waits(times)
    assert found == [first * 2**i for i in range(len(found))]
    assert len(found) == 2
    is_full = False
    lab.run_until(lambda: bool(lab.federation.updates), p.PAUSE_MOST * 1000)
    assert len(lab.heard("update")) == 1
    lab.coordinator.close()
    lab.until_equal()


def test_a_new_session_and_a_new_round_begin_anew() -> None:
    lab = WineLab(1)
    lab.until_known()
    refused: list[int] = []
    take = lab.federation.take

    def full(device: bytes, body: bytes, done: Callable[[int], None]) -> None:
        refused.append(lab.clock.now)
        done(m.E_SPACE)

    lab.federation.take = full  # type: ignore[method-assign]
    lab.coordinator.open()
    lab.run(100_000)
    assert len(refused) == 3  # at 0, 30, 90 s
    wire = lab.boards[BOARDS[0]].wire
    wire.unplug()
    lab.run(2_000)
    wire.plug()
    lab.run(20_000)
    assert len(refused) == 4
    lab.federation.take = take  # type: ignore[method-assign]
    lab.coordinator.close()
    lab.coordinator.open()
    lab.run_until(lambda: bool(lab.federation.updates), 20_000)
