"""Dealing the training rows of a set to the boards of a federation.

Every rule returns a list of index arrays, one a client, ascending, disjoint, that hold
all rows between them and at least one each.  The same arguments give the same parts on
every machine: see `paebiru.rng`.
"""

import math

import numpy as np
import numpy.typing as npt

from paebiru.errors import UsageError
from paebiru.rng import Rng

Indices = npt.NDArray[np.intp]
Labels = npt.NDArray[np.uint8]
Groups = npt.NDArray[np.int32]

# Alpha is held in this many parts of 1: sharper than any figure that one would publish.
_ALPHA_ONE = 1 << 20


def iid(rows: int, clients: int, seed: int) -> list[Indices]:
    """Deal `rows` rows at random, in parts whose sizes differ by one at most.

    Raises:
        UsageError: no client, or more clients than rows.
    """
    _check(rows, clients)
    order = Rng(seed, "iid").permutation(rows)
    return [np.sort(order[client::clients]) for client in range(clients)]


def dirichlet(y: Labels, clients: int, alpha: float, seed: int) -> list[Indices]:
    """Deal the rows of each class by shares drawn from a Dirichlet of `alpha`.

    The smaller `alpha`, the fewer classes a client sees.  Drawn as a Polya urn, whose
    counts have the very distribution of multinomial draws by Dirichlet shares, and which
    needs integers only: gamma variates would need logarithms, whose last bit differs
    between machines.  A client left without rows takes one of the richest client.

    Raises:
        UsageError: no client, more clients than rows, or alpha not a number above 0.
    """
    _check(len(y), clients)
    if not (math.isfinite(alpha) and round(alpha * _ALPHA_ONE) > 0):
        raise UsageError(f"alpha is {alpha:g}: give a number above 0, such as 0.3")
    ball = round(alpha * _ALPHA_ONE)
    rng = Rng(seed, "dirichlet")
    owner = np.empty(len(y), dtype=np.intp)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        rows = rows[rng.permutation(len(rows))]
        owner[rows] = _urn(len(rows), clients, ball, rng)
    _feed_the_empty(owner, clients, rng)
    return _parts(owner, clients)


def natural(group: Groups | None, clients: int | None = None) -> list[Indices]:
    """Give every client whole groups (speakers, subjects, months), whose rows stay together.

    Without `clients` each group is a client.  With fewer clients than groups, the largest
    group left goes to the client with the fewest rows, until all are dealt.

    Raises:
        UsageError: the set has no groups, or `clients` is 0 or more than there are groups.
    """
    if group is None:
        raise UsageError("this set has no natural groups: split it iid or by dirichlet")
    values, members = np.unique(group, return_inverse=True)
    clients = len(values) if clients is None else clients
    _check(len(group), clients)
    if clients > len(values):
        raise UsageError(
            f"{clients} clients for {len(values)} natural groups: ask for at most {len(values)}"
        )
    sizes = np.bincount(members)
    held = np.zeros(clients, dtype=np.intp)
    client_of = np.empty(len(values), dtype=np.intp)
    for i in np.argsort(-sizes, kind="stable"):
        client_of[i] = int(np.argmin(held))
        held[client_of[i]] += sizes[i]
    if clients == len(values):  # one each: keep the groups' own order
        client_of = np.arange(clients)
    return _parts(client_of[members], clients)


def _check(rows: int, clients: int) -> None:
    if clients < 1:
        raise UsageError(f"{clients} clients cannot learn: ask for at least 1")
    if clients > rows:
        raise UsageError(
            f"{clients} clients for {rows} training samples: ask for at most {rows}, "
            "so that each has one"
        )


def _urn(draws: int, clients: int, ball: int, rng: Rng) -> list[int]:
    """Return who gets each of `draws` rows: a Polya urn of `ball` / _ALPHA_ONE a client.

    A draw by mass is a draw among the rows dealt so far (take its owner) or among the
    clients, in proportion: no cumulative sums.
    """
    owners: list[int] = []
    for dealt, word in enumerate(rng.words(draws).tolist()):
        point = word * (clients * ball + dealt * _ALPHA_ONE) >> 64
        first = point - clients * ball
        owners.append(point // ball if first < 0 else owners[first // _ALPHA_ONE])
    return owners


def _feed_the_empty(owner: Indices, clients: int, rng: Rng) -> None:
    """Let each client without rows take a random one of the client with the most."""
    held = np.bincount(owner, minlength=clients)
    for client in np.flatnonzero(held == 0):
        richest = int(np.argmax(held))
        rows = np.flatnonzero(owner == richest)
        owner[rows[rng.below(len(rows))]] = client
        held[richest] -= 1
        held[client] += 1


def _parts(owner: Indices, clients: int) -> list[Indices]:
    return [np.flatnonzero(owner == client) for client in range(clients)]
