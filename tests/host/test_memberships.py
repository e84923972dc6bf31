"""`paebiru keys group`: secrets go over USB onto real virtual boards, and nowhere else."""

import subprocess
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from hub_process import PAEBIRU
from paebiru import enrollment
from paebiru.deploy.repl import Repl
from paebiru.errors import UsageError
from paebiru.federated.sums import Members, Sums
from paebiru.memberships import Memberships, leave
from paebiru.vboard import VirtualBoard
from sil import groups

DEVICES = tuple(b"device-%d" % number for number in range(1, 6))  # 8 bytes
NAME = b"group-01"


def keys(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PAEBIRU, "keys", *words], capture_output=True, text=True, check=False, timeout=300
    )


def stored(board: VirtualBoard) -> bytes:
    """Return the membership as the board's own store has it, read over USB."""
    with Repl(board.port) as repl:
        text = repl.run(f"{enrollment._KEEP}\nprint((get('group') + get('group_2')).hex())")
        return bytes.fromhex(text.strip())


def test_a_group_is_dealt_over_usb_and_the_hub_keeps_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "hub" / "keys.sqlite"
    with ExitStack() as stack:
        boards = [stack.enter_context(VirtualBoard(tmp_path / f"b{i}")) for i in range(3)]
        ports = [board.port for board in boards]
        done = keys("group", *ports, "--keys", str(file))
        assert done.returncode == 0, done.stderr
        assert "3 boards, of which 3 unmask a sum" in done.stdout
        found = [groups.unpack(stored(board)) for board in boards]
        assert [group.index for group in found] == [1, 2, 3]
        for one in found:
            for two in found:
                assert secret(one, two.index) == secret(two, one.index)
        kept = b"".join(path.read_bytes() for path in file.parent.iterdir())
        assert found[0].name in kept
        assert not any(secret(g, j) in kept for g in found for j in (1, 2, 3))
        with closing(Memberships(file)) as store:
            (group,) = store.groups()
        assert [device[:6].hex() for device in group.devices] == [b.id for b in boards]
        again = keys("group", *ports[:2], ports[0], "--keys", str(file))
        assert again.returncode == 2
        assert "comes twice" in again.stderr
        with Repl(ports[0]) as repl, closing(Memberships(file)) as store:
            device = enrollment.identify(repl)
            with pytest.raises(UsageError, match="pulled out"):
                leave(Pulled(repl), store, device)
            assert store.groups() == [group], "it may be tried again"
        done = keys("ungroup", ports[0], "--keys", str(file))
        assert done.returncode == 0, done.stderr
        assert "note:" not in done.stdout
        assert stored(boards[0]) == b""
        assert "(left)" in keys("groups", "--keys", str(file)).stdout
        other = str(tmp_path / "other.sqlite")  # as of a hub that did not deal it
        done = keys("ungroup", ports[1], "--keys", other)
        assert done.returncode == 0, done.stderr
        assert "other.sqlite had it in none" in " ".join(done.stdout.split())
        assert stored(boards[1]) == b""


class Pulled:
    """A board that is pulled out after it has erased half of its membership."""

    def __init__(self, board: Repl) -> None:
        self._board = board
        self._left = 1

    def run(self, code: str, /) -> str:
        if not self._left:
            raise UsageError("the board was pulled out")
        self._left -= 1
        return self._board.run(code)


def secret(group: groups.Group, other: int) -> bytes:
    return group.secrets[32 * (other - 1) : 32 * other]


def test_too_few_boards_make_no_group(tmp_path: Path) -> None:
    done = keys("group", "/dev/none1", "/dev/none2", "--keys", str(tmp_path / "k"))
    assert done.returncode == 2
    assert "3 to 16 boards, not 2" in done.stderr
    done = keys("group", "/dev/none1", "/dev/none2", "--size", "3", "--keys", str(tmp_path / "k"))
    assert "give one port" in done.stderr


def test_tickets_never_come_back(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    with closing(Memberships(file)) as one, closing(Memberships(file)) as two:
        one.add(NAME, 3, DEVICES[:4])
        assert [store.new_ticket(NAME) for store in (one, two, one)] == [1, 2, 3]
    with closing(Memberships(file)) as again:
        assert again.new_ticket(NAME) == 4
        assert again.all()[0].ticket == 4


def test_a_board_is_in_one_group(tmp_path: Path) -> None:
    with closing(Memberships(tmp_path / "keys.sqlite")) as store:
        store.add(NAME, 3, DEVICES[:4])
        store.add(b"group-02", 2, (DEVICES[3], *DEVICES[4:], b"device-9"))
        first, second = store.groups()
        assert first.devices == (*(d for d in DEVICES[:3]), b"")
        assert second.devices[0] == DEVICES[3]
        assert store.remove(DEVICES[0])
        assert [group.name for group in store.groups()] == [b"group-02"]
        assert not store.remove(DEVICES[0])


def test_only_boards_of_whole_enough_groups_take_part() -> None:
    sums = Sums([Members(NAME, 3, DEVICES[:4])], lambda name: 1)
    assert sums.able(DEVICES) == list(DEVICES[:4])
    assert sums.able(DEVICES[1:4]) == list(DEVICES[1:4])
    assert sums.able(DEVICES[2:]) == []
    with pytest.raises(UsageError, match="deal one"):
        Sums([], lambda name: 1)
