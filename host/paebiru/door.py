"""Who may come in: the hub's answer to a HELLO.

A HELLO that its key has signed is always answered, whatever else came from the
same address, so nobody can lock a real board out by making noise in its name.
What is rationed is the answer to those that are not: each failure of an address
doubles the time until the next ERROR is sent there.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from paebiru.keys import KeyStore
from paebiru.store.errors import StoreError
from sil.link import messages as m
from sil.link.responder import Responder

_FIRST = 1.0  # s
_LAST = 600.0


class BackOff:
    """When an address that failed may hear of it again; the oldest are forgotten."""

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._until: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def failed(self, address: str, now: float) -> bool:
        """Count a failure; tell whether it may be answered."""
        until, wait = self._until.pop(address, (0.0, _FIRST))
        is_due = now >= until
        if is_due:
            until, wait = now + wait, min(2 * wait, _LAST)
        self._until[address] = (until, wait)
        if len(self._until) > self._limit:
            self._until.popitem(last=False)
        return is_due

    def forgive(self, address: str) -> None:
        """Forget an address whose caller has proved itself."""
        self._until.pop(address, None)


class Door:
    """Answers HELLOs out of a key store."""

    def __init__(
        self, store: KeyStore, nonce: Callable[[], bytes] = lambda: secrets.token_bytes(16)
    ) -> None:
        self.back_off = BackOff()
        self._store = store
        self._nonce = nonce
        self._seen: tuple[int, int] | None = None  # of the keys, when sessions were looked at

    def answer(self, session: Responder, address: str, now: float) -> bool:
        """Answer the HELLO at hand in ``session``; tell whether its key had signed it."""
        device = session.caller()
        key = self._store.find(device, session.caller_epoch())
        if key and session.challenge(key, self._nonce()):
            return True
        if self.back_off.failed(address, now):
            session.turn_away(m.E_REVOKED if self._store.is_revoked(device) else m.E_AUTH)
        return False

    def entered(self, session: Responder, address: str) -> None:
        """Note that the session is up: its device has proved its key."""
        self.back_off.forgive(address)
        self._seen = None  # its key may have gone since it was challenged
        with suppress(StoreError):  # an older key that stays for now keeps nobody out
            self._store.proved(session.device, session.epoch)
        salt = self._store.follow_up(session.device, session.epoch)
        if salt:
            body = (session.epoch + 1).to_bytes(2, "little") + salt
            session.send(m.ROTATE, body, 0, len(body))

    def has_changed(self) -> bool:
        """Tell whether keys or sessions are others than at the last call."""
        seen, self._seen = self._seen, self._store.version()
        return seen != self._seen

    def still_open(self, session: Responder) -> bool:
        """Hang up on a session whose key was taken away; call now and then for each."""
        if session.is_up and not self._store.find(session.device, session.epoch):
            session.close(m.E_REVOKED)
            return False
        return True
