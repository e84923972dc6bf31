"""Boards spread over processes, or all in this one: the same answers in the same order.

A worker keeps its boards from round to round; only orders and updates cross the pipes. What a
board answers depends on its own data and its orders, so the number of workers
changes nothing but the time.
"""

import contextlib
import multiprocessing as mp
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Protocol

from paebiru import accel

PATIENCE_S = 600.0  # no round of a simulated fleet takes so long: a worker that does has died


class WorkerError(Exception):
    """A process of the fleet died or hangs: nothing of ours to mend, the run ends."""


class Board(Protocol):
    """One simulated board, as the fleet sees it."""

    def round(self, order: bytes) -> bytes:
        """Do what the hub's order says; return the update."""


class Here:
    """All boards in this process."""

    def __init__(self, boards: Sequence[Board]):
        self._boards = boards

    def round(self, orders: Sequence[bytes]) -> list[bytes]:
        """Return the update of every board, each for its order."""
        return [board.round(order) for board, order in zip(self._boards, orders, strict=True)]

    def close(self) -> None:
        """Nothing to end."""


class Workers:
    """Boards dealt in runs to `count` processes.

    Raises:
        WorkerError: in `round`, if a worker died or answers no more.
    """

    def __init__(self, boards: Sequence[Board], count: int):
        context = mp.get_context("spawn")  # a fork would copy numba's and rich's threads' locks
        self._pipes: list[Connection] = []
        self._processes = []
        self._share = share = -(-len(boards) // count)
        for first in range(0, len(boards), share):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, boards[first : first + share]), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def round(self, orders: Sequence[bytes]) -> list[bytes]:
        """Return the update of every board, in the boards' order."""
        answers: list[bytes] = []
        try:
            for number, pipe in enumerate(self._pipes):
                pipe.send(orders[number * self._share : (number + 1) * self._share])
            for pipe in self._pipes:
                if not pipe.poll(PATIENCE_S):
                    raise WorkerError(f"a worker has not answered for {PATIENCE_S:.0f} s")
                answer = pipe.recv()
                if isinstance(answer, Exception):
                    raise answer
                answers += answer
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise WorkerError(
                "a worker died, perhaps for want of memory: take fewer --workers"
            ) from None
        return answers

    def close(self) -> None:
        """End the workers; never waits for one that hangs."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=1)
            if process.is_alive():
                process.kill()


def _serve(pipe: Connection, boards: Sequence[Board]) -> None:
    """Answer rounds until the hub closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the hub's to handle
    accel.install()
    here = Here(boards)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            orders = pipe.recv()
            try:
                pipe.send(here.round(orders))
            except Exception as error:  # shown by the hub, which has the terminal
                pipe.send(error)


def spread(boards: Sequence[Board], count: int) -> Here | Workers:
    """Return `boards` in `count` processes of their own, or here if that is one or none."""
    return Workers(boards, min(count, len(boards))) if count > 1 else Here(boards)
