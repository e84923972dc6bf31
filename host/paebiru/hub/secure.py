"""Rounds as masked sums on a running hub: which options go with them, and how a round is unmasked.

What is summed, by whom and what it protects from: SPEC-secure.md.  The hub learns of a round the
mean over the boards in its sums, every board once; what looks at single updates is refused.
"""

from collections.abc import Awaitable, Callable, Iterable

from paebiru.coordinator import Coordinator
from paebiru.errors import UsageError
from paebiru.federated.registry import RULES, Rule, Setting, choose
from paebiru.federated.rounds import Federation, Update
from paebiru.federated.sums import Sums, tickets_of
from paebiru.hub.policy import Policy
from paebiru.hub.tell import Telling
from paebiru.memberships import Memberships
from paebiru.store import Store
from sil.update import SHARE_ONE

Until = Callable[[Callable[[], bool], float], Awaitable[bool]]
"""Waits until something holds; False when so many seconds have passed before."""

_NOTE = (
    "masked sums: every board counts once, whatever its samples; a sum that too few boards help"
    " to unmask comes to nothing; a board that lies is not seen"
)


def rule(name: str | None, policy: Policy, liars: int, share: int) -> tuple[Rule, list[str]]:
    """Return what makes one update of the sums, and what is to be said of it.

    Raises:
        UsageError: an option needs what masks hide.
    """
    if liars:
        raise UsageError(
            f"--liars {liars}: no rule finds liars where single updates are hidden; leave out"
            " --secure, or --liars"
        )
    if policy.fraction < 1 or policy.over:
        raise UsageError(
            "--fraction and --over choose among boards, a masked sum is over all of a group that"
            " are there: leave them out with --secure"
        )
    if share != SHARE_ONE:
        raise UsageError(
            f"--share {share / SHARE_ONE:g}: a masked sum has every weight, which is what makes it"
            " large; leave --share out with --secure"
        )
    choose(name or "mean", Setting(max(policy.least, 1), secure=True))
    return RULES["equal-mean"], [_NOTE]


def sums(store: Memberships, clip: int = 0) -> Sums:
    """Return the masked sums of a hub's groups; `clip` is the boards' own, Q12.

    Raises:
        UsageError: no board is in a group.
    """
    return Sums(store.groups(), store.new_ticket, clip)


def check_resumed(store: Store, branch: int, sums: Sums) -> None:
    """Refuse to go on with an open round that has the part of a board which has left its group.

    Raises:
        UsageError: one is; what it was masked with is gone.
    """
    row = store.unfinished(branch)
    if row is None or not tickets_of(row.settings):
        return
    for update in store.updates_of(row.number):
        if update.device not in sums:
            where = f"--dir {store.folder}" + (f" --branch {branch}" if branch else "")
            raise UsageError(
                f"round {row.number} is open and has the part of {update.device.hex()}, which is in"
                " no group any more (paebiru keys ungroup): give the round up with paebiru store"
                f" rollback head --drop {where}"
            )


def in_sums(federation: Federation) -> int:
    """Return how many boards are in the sums of a sealed round, those that are asked about."""
    made = federation.sums
    return sum(made.is_asked(device) for device in federation.updates) if made else 0


def able(federation: Federation | None, there: Iterable[bytes]) -> list[bytes]:
    """Return those of the boards there that may take part: in sums, of groups that are enough."""
    made = federation.sums if federation else None
    return sorted(there if made is None else made.able(there))


async def unmask(desk: Coordinator, until: Until, deadline: float, tell: Telling) -> None:
    """Seal a round of masked sums, and wait for enough answers; elsewhere do nothing.

    The last half of the deadline is for boards that are not in the sums to help.
    """
    federation = desk.federation
    if federation is None or federation.sums is None:
        return
    made = federation.sums
    desk.seal()
    tell("sealed", round=federation.number, boards=in_sums(federation))
    if not await until(made.is_done, deadline / 2):
        tell("asking", round=federation.number)
        desk.ask(absent=True)
        await until(made.is_done, deadline / 2)


def counted(
    federation: Federation, updates: dict[bytes, Update], tell: Telling
) -> dict[bytes, Update]:
    """Return those updates of a round just closed that are in its model; say why others are not."""
    if federation.sums is None:
        return updates
    for why in federation.sums.failed:
        tell("unsummed", round=federation.number, why=why)
    number = federation.number
    return {name: one for name, one in updates.items() if federation.counted.get(name) == number}


def is_going(federation: Federation) -> bool:
    """Tell whether a round has begun and is not closed: parts come in, or answers."""
    return federation.is_open or (federation.sums is not None and federation.sums.is_sealed)
