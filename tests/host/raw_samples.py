"""Raw samples, looked for in what a board has sent."""

from collections.abc import Callable, Iterable

WINDOW = 8
DISTINCT = 4


class Leak(AssertionError):
    """A board has sent what is not documented, or a raw sample."""


class Samples:
    """Looks for raw samples: eight bytes in a row of any of them, as they are or as usually coded.

    Eight bytes with fewer than four different ones are left out: zeros are everywhere.  Of the
    others, N in number, one is found in M random bytes by a chance of N * M / 2**64.  What is sent
    is not random: `test` with samples that the board never had says how that compares.
    """

    def __init__(self, rows: Iterable[bytes]) -> None:
        self.windows: set[bytes] = set()
        for row in rows:
            cut = [row[i : i + WINDOW] for i in range(len(row) - WINDOW + 1)]
            self.windows.update(one for one in cut if len(set(one)) >= DISTINCT)
        codings: list[Callable[[bytes], bytes]] = [
            lambda one: one,  # uint8
            lambda one: bytes(byte ^ 0x80 for byte in one),  # int8
            lambda one: b"".join(bytes((byte, 0)) for byte in one),  # int16
            lambda one: one.hex().encode(),  # text
        ]
        self.wanted = {WINDOW: set[bytes](), 2 * WINDOW: set[bytes]()}
        for one in self.windows:
            for coding in codings:
                coded = coding(one)
                self.wanted[len(coded)].add(coded)

    def chance(self, length: int) -> float:
        """Return by what chance something is found in so many random bytes."""
        return len(self.wanted[WINDOW]) * length / 2.0 ** (8 * WINDOW)

    def found(self, pieces: Iterable[bytes]) -> list[bytes]:
        """Return what of the samples stands in the pieces."""
        hits: list[bytes] = []
        for size, wanted in self.wanted.items():
            for piece in pieces:
                for i in range(len(piece) - size + 1):
                    if piece[i : i + size] in wanted:
                        hits.append(piece[i : i + size])
        return hits

    def check(self, pieces: Iterable[bytes]) -> None:
        """Make sure that none is in what was sent, in pieces.

        Raises:
            Leak: there is one.
        """
        if found := self.found(pieces):
            raise Leak(f"{len(found)} pieces of raw samples were sent, the first {found[0].hex()}")
