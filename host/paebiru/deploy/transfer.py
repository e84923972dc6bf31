"""A bundle into a board's files, whichever way leads there: only what differs, checked afterwards.

What the board has is what it says now, by the hashes of its files.  Before anything is changed
its entry file goes away, and it comes back when all the rest is right: a deploy that breaks off
leaves a board that runs nothing and waits for the next deploy, which repairs it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from errno import ENOSPC
from typing import Protocol

from paebiru.deploy.bundle import LIST, OURS, Bundle, listed, listing
from paebiru.errors import UsageError

Progress = Callable[[str, int, int], None]
"""Told of a file's name, the bytes that have gone out, and all that will."""


def silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Found:
    """A file on the board; `hash` is its SHA-256, hex."""

    size: int
    hash: str


class Store(Protocol):
    """A board's files, by paths from its root."""

    free: int
    """Bytes that are free; -1 unknown."""

    def look(self, paths: Sequence[str], folders: Sequence[str]) -> dict[str, Found]:
        """Return those of the files that are there, and all below the folders."""

    def read(self, path: str) -> bytes:
        """Return what a file holds."""

    def write(self, path: str, data: bytes, told: Callable[[int], None]) -> None:
        """Write a file; OSError if the file system refuses."""

    def remove(self, paths: Sequence[str], folders: Sequence[str]) -> None:
        """Remove files, then whatever below the folders is empty."""

    def make_folders(self, folders: Sequence[str]) -> None:
        """Make folders, parents first, that may be there."""


@dataclass(frozen=True)
class Result:
    """What a deploy did."""

    device: str
    """The board's own id, hex; empty where it has none."""
    sent: tuple[str, ...]
    """Files that were missing or different; the list and the entry file go along."""
    unchanged: int
    removed: tuple[str, ...]
    size: int
    """Bytes that went out."""
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What differs between a bundle and a board."""

    bundle: Bundle
    there: dict[str, Found]
    changed: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def sent(self) -> tuple[str, ...]:
        """Files that are missing or different, but for the list of them."""
        return tuple(path for path in self.changed if path != LIST)

    @property
    def unchanged(self) -> int:
        """How many files are right already."""
        return len(self.bundle.files) - 1 - len(self.sent)


def compare(bundle: Bundle, store: Store) -> Plan:
    """Return what is to be done."""
    there = store.look([path for path in bundle.files if not path.startswith(OURS)], OURS)
    if LIST in there:
        # What an earlier bundle has brought, and this one does not.
        old = [path for path in listed(store.read(LIST)) if path not in bundle.files]
        there |= store.look([path for path in old if not path.startswith(OURS)], ())
    hashes = bundle.hashes
    changed = (path for path in hashes if not _is_right(there, path, hashes[path]))
    return Plan(bundle, there, tuple(changed), tuple(sorted(there.keys() - hashes.keys())))


def carry_out(plan: Plan, store: Store, told: Progress = silent) -> int:
    """Make the board's files the bundle's; return the bytes that went out.

    Raises:
        UsageError: there is no room, or a file did not arrive whole.
    """
    if not plan.changed and not plan.stale:
        return 0
    _check_room(plan, store.free)
    bundle = plan.bundle
    files = {path: bundle.files[path] for path in plan.changed if path not in (LIST, bundle.entry)}
    last = {path: bundle.files[path] for path in (LIST, bundle.entry)}
    # Whatever happens from here on, the list tells which files of the board are ours.
    union = listing({**dict.fromkeys(plan.stale, ""), **bundle.hashes}, bundle.board.name)
    steps = ({LIST: union}, files, last)
    total = sum(len(data) for step in steps for data in step.values())
    done = 0
    store.remove((bundle.entry,), ())
    for step in steps:
        store.make_folders(list(_folders(step)))
        for path, data in step.items():
            _write(store, path, data, lambda n, p=path, d=done: told(p, d + n, total))  # type: ignore[misc]
            done += len(data)
        if step is steps[0]:
            store.remove(plan.stale, OURS)
        else:
            _check(bundle, store, list(step))
    return done


def _write(store: Store, path: str, data: bytes, told: Callable[[int], None]) -> None:
    try:
        store.write(path, data, told)
    except OSError as error:
        if error.errno == ENOSPC:
            raise UsageError(
                f"the board is full: {path} does not fit; remove files of your own from it, or"
                " send fewer recordings, then deploy again"
            ) from None
        raise UsageError(
            f"the board cannot write {path} ({error.strerror or error}): if it stays so, its file"
            " system is damaged: paebiru flash --erase, then deploy again"
        ) from None


def _check(bundle: Bundle, store: Store, paths: Sequence[str]) -> None:
    """Compare what has arrived."""
    there = store.look(paths, ())
    for path in paths:
        if not _is_right(there, path, bundle.hashes[path]):
            raise UsageError(f"{path} did not arrive whole: deploy again")


def _is_right(there: dict[str, Found], path: str, digest: str) -> bool:
    return path in there and there[path].hash == digest


def _check_room(plan: Plan, free: int) -> None:
    """Refuse what cannot fit before anything is changed; blocks may still make it too much."""
    freed = sum(plan.there[p].size for p in (*plan.changed, *plan.stale) if p in plan.there)
    needed = sum(len(plan.bundle.files[path]) for path in plan.changed) - freed
    if 0 <= free < needed:
        raise UsageError(
            f"the board is full: {needed} bytes are to come, {free} are free; remove files of"
            " your own from it, or send fewer recordings"
        )


def _folders(paths: Iterable[str]) -> Iterator[str]:
    """Yield the folders of files, parents first."""
    seen: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")[1:-1]
        for count in range(1, len(parts) + 1):
            seen["/" + "/".join(parts[:count])] = None
    yield from seen
