"""The life of a device's key: enrolment on a real interpreter, rotation, revocation, back-off."""

import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from paebiru.deploy.repl import Repl
from paebiru.door import BackOff, Door
from paebiru.enrollment import enroll
from paebiru.errors import UsageError
from paebiru.keys import KeyStore
from paebiru.testing import DEVICE, Peer, SessionPair
from paebiru.vboard import VirtualBoard
from sil.errors import FormatError
from sil.link import events as ev
from sil.link import keys
from sil.link import messages as m
from sil.link.keys import DeviceKey
from sil.link.posts import Outbox
from sil.link.responder import Responder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    store = KeyStore(tmp_path / "hub" / "keys.sqlite")
    yield store
    store.close()


class HubPeer(Peer):
    """A hub with a door."""

    door: Door
    answers: list[bool]

    def act(self, event: int) -> None:
        assert isinstance(self.session, Responder)
        if event == ev.HELLO:
            self.answers.append(self.door.answer(self.session, "10.0.0.7", self.now()))
        elif event == ev.UP:
            self.door.entered(self.session, "10.0.0.7")
        else:
            super().act(event)

    def now(self) -> float:
        return self.session._now / 1000


class BoardPeer(Peer):
    """A board that follows its hub's rotations."""

    def act(self, event: int) -> None:
        super().act(event)
        if event == ev.POST and self.session.kind == m.ROTATE:
            self.key = keys.followed(self.key, self.posts.pop()[1]) or self.key


def pair_of(store: KeyStore, key: DeviceKey) -> SessionPair:
    pair = SessionPair()
    pair.board = BoardPeer(pair.board.session, key, pair.random)
    hub = HubPeer(pair.hub.session, key, pair.random)
    hub.door = Door(store, lambda: pair.random.randbytes(16))
    hub.answers = []
    pair.hub = hub
    return pair


def enrolled(store: KeyStore) -> DeviceKey:
    key = store.new_key(DEVICE)
    store.enroll(DEVICE, key)
    return key


def hang_up(pair: SessionPair) -> None:
    pair.board.session.close()
    pair.run_until(lambda: not pair.is_up, limit=1000)


def test_a_stored_key_reads_back_and_damage_is_seen() -> None:
    key = DeviceKey(secrets.token_bytes(32), 513)
    stored = key.pack()
    again = keys.unpack(stored)
    assert (again.secret, again.epoch) == (key.secret, 513)
    for bit in range(8 * len(stored)):
        spoiled = bytearray(stored)
        spoiled[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(FormatError):
            keys.unpack(spoiled)


def test_enrolment_on_a_board(store: KeyStore, tmp_path: Path) -> None:
    """The key goes through the REPL of a virtual board into its NVS, where its firmware looks."""
    with VirtualBoard(tmp_path / "board") as board, Repl(board.port) as repl:
        device, key = enroll(repl, store)
        assert device.hex() == board.id
        repl.run("import esp32; b = bytearray(99); n = esp32.NVS('paebiru').get_blob('key', b)")
        stored = repl.run("print(b[:n].hex())")
        with pytest.raises(UsageError, match="ZeroDivisionError"):
            repl.run("1/0")
        repl.run("import machine; del machine.unique_id")
        with pytest.raises(UsageError, match="--device"):
            enroll(repl, store)
        assert enroll(repl, store, b"\xde\xad")[0] == b"\xde\xad"
    assert keys.unpack(bytes.fromhex(stored)).secret == key.secret
    found = store.find(device, 1)
    assert found and found.secret == key.secret


def test_the_key_file_is_the_owners_alone(store: KeyStore, tmp_path: Path) -> None:
    mode = (tmp_path / "hub" / "keys.sqlite").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_rotation_current_and_previous(store: KeyStore) -> None:
    first = enrolled(store)
    pair = pair_of(store, first)
    pair.run_until(lambda: pair.is_up, limit=1000)
    second = store.rotate(DEVICE)
    assert store.list()[0].is_changing
    with pytest.raises(UsageError, match="not taken up"):
        store.rotate(DEVICE)
    hang_up(pair)
    pair.run_until(lambda: pair.is_up, limit=10_000)  # still by the key before
    pair.run_until(lambda: pair.board.key.epoch == 2, limit=1000)
    assert pair.board.key.secret == second.secret
    assert store.find(DEVICE, 1), "the key before must stay good until the new one is proved"
    hang_up(pair)
    pair.run_until(lambda: pair.is_up, limit=10_000)
    assert store.find(DEVICE, 1) is None
    assert not store.list()[0].is_changing
    pair.board.key = first
    hang_up(pair)
    for _ in range(3000):
        pair.step(5)
    assert not pair.is_up, "an old key must not open the door"


def test_revocation_in_mid_transfer(store: KeyStore) -> None:
    pair = pair_of(store, enrolled(store))
    pair.run_until(lambda: pair.is_up, limit=1000)
    pair.board.offer(Random(1).randbytes(100_000))
    pair.run_until(lambda: pair.hub.session.incoming.consumed() > 20_000, limit=10_000)
    store.revoke(DEVICE)
    hub = pair.hub
    assert isinstance(hub, HubPeer) and isinstance(hub.session, Responder)
    assert not hub.door.still_open(hub.session)
    taken = hub.session.incoming.consumed()
    start = pair.clock.now
    pair.run_until(lambda: not pair.board.session.is_up, limit=1000)
    took = pair.clock.now - start
    for _ in range(20_000):
        pair.step(5)
    late = sum(len(part) for part in hub.partial.values()) - taken
    print(f"\nrevoked in mid-transfer: down after {took} ms, {late} bytes later, objects stored 0")
    assert not pair.is_up
    assert hub.objects == {} and pair.board.committed == 0
    assert late <= 1000
    assert not any(hub.answers[1:])
    assert pair.board.session.code == m.E_REVOKED


def test_enrolling_again_undoes_a_revocation(store: KeyStore) -> None:
    old = enrolled(store)
    store.revoke(DEVICE)
    new = enrolled(store)
    assert new.epoch > old.epoch + 1, "the epoch of a revoked key must not come back"
    pair = pair_of(store, new)
    pair.run_until(lambda: pair.is_up, limit=1000)


def test_back_off_never_locks_the_real_board_out(store: KeyStore) -> None:
    """Forged HELLOs at 2000/s from the board's own address; the board calls all the same."""
    pair = pair_of(store, enrolled(store))
    hub = pair.hub
    assert isinstance(hub, HubPeer)
    stranger = pair_of(store, DeviceKey(bytes(32), 1)).board
    stranger.session.tick(0)
    stranger.drain()
    out = bytearray(500)
    forged = bytes(out[: stranger.session.pull(out, len(out))])
    errors = 0
    waits = []
    for _ in range(20):
        start = pair.clock.now
        while not pair.is_up:
            hub.feed(forged)
            hub.feed(forged)
            pair.step()
            errors += pair.board.events.count(ev.ERROR)
            pair.board.events.clear()
            assert pair.clock.now - start < 5000
        waits.append(pair.clock.now - start)
        hang_up(pair)
    forgeries = hub.answers.count(False)
    print(
        f"\nforged HELLOs: {forgeries}, answered {errors}; the board was up within {max(waits)} ms"
    )
    assert forgeries > 1000
    assert errors <= 30


def test_back_off_forgets_the_oldest_address() -> None:
    back_off = BackOff(limit=100)
    assert [back_off.failed("a", now) for now in (0, 0.5, 1, 2, 3, 6, 7)] == [
        True, False, True, False, True, False, True,
    ]  # fmt: skip
    for number in range(10_000):
        back_off.failed(str(number), 8)
    assert len(back_off) == 100
    assert back_off.failed("a", 8)


def test_a_door_looks_again_when_anybody_changed_a_key_and_when_a_board_came_in(
    store: KeyStore, tmp_path: Path
) -> None:
    door = Door(store)
    assert door.has_changed()
    assert not door.has_changed()
    store.enroll(DEVICE, DeviceKey(bytes(32), 1))
    assert door.has_changed()
    assert not door.has_changed()
    other = KeyStore(tmp_path / "hub" / "keys.sqlite")  # as `paebiru keys` has
    other.list()
    assert not door.has_changed()
    other.revoke(DEVICE)
    other.close()
    assert door.has_changed()
    assert not door.has_changed()
    door.entered(Responder(Outbox(1)), "somewhere")
    assert door.has_changed()
