"""The groups of a simulated fleet that learns under masks, dealt by its plan's seed.

Boards next to each other are a group, of at most 16.
"""

from collections import Counter

from paebiru.errors import UsageError
from paebiru.federated.secure import deal
from paebiru.federated.sums import Members, Sums
from paebiru.rng import Rng
from sil import groups
from sil.groups import MAX_MEMBERS

_LEAST = 3


class Question(bytes):
    """An UNMASK object: what a simulated board is asked in the place of an order."""


def memberships(names: list[bytes], seed: int) -> dict[bytes, bytes]:
    """Return each board's membership, as it is stored.

    Raises:
        UsageError: there are too few boards for a group.
    """
    if len(names) < _LEAST:
        raise UsageError(f"--secure needs --clients {_LEAST} or more: {len(names)} make no group")
    count = -(-len(names) // MAX_MEMBERS)
    dealt: dict[bytes, bytes] = {}
    for number in range(count):
        part = names[number * len(names) // count : (number + 1) * len(names) // count]
        rng = Rng(seed, "memberships", number)

        def drawn(size: int, rng: Rng = rng) -> bytes:
            return rng.words(size // 8).tobytes()

        dealt |= dict(zip(part, deal(len(part), None, drawn), strict=True))
    return dealt


def sums(names: list[bytes], seed: int) -> Sums:
    """Return the hub's side of these groups; each counts its sums from 1."""
    places: dict[bytes, list[bytes]] = {}
    thresholds: dict[bytes, int] = {}
    for device, stored in memberships(names, seed).items():
        group = groups.unpack(stored)
        places.setdefault(group.name, []).append(device)
        thresholds[group.name] = group.threshold
    tickets: Counter[bytes] = Counter()

    def new_ticket(name: bytes) -> int:
        tickets[name] += 1
        return tickets[name]

    made = [Members(name, thresholds[name], tuple(there)) for name, there in places.items()]
    return Sums(made, new_ticket)
