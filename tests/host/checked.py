"""Integers that fail when they leave 31 bits: run a plain kernel on them to prove its bounds.

A board's small int is -2**30..2**30-1.  A kernel fed with `Checked` numbers and `Watched`
buffers computes as ever, but the first intermediate outside of +-2**30, shift by a
negative or too large count, index outside of a buffer, or stored value that its element
cannot hold raises `OutOfBounds`.  So the largest inputs that a kernel promises to take,
tried once here, speak for every board.
"""

import operator
from collections.abc import Callable, MutableSequence
from typing import Any

LIMIT = 1 << 30


class OutOfBounds(AssertionError):
    """A kernel went where a board could not follow."""


class Checked(int):
    """An int whose every result is within +-2**30, both ends excluded."""

    peak = 0  # the largest |result| since it was last set to 0: shows how close a case came


def _result(value: int, what: str) -> Checked:
    if not -LIMIT < value < LIMIT:
        raise OutOfBounds(f"{what} = {value} is outside of +-2**30")
    Checked.peak = max(Checked.peak, abs(value))
    return Checked(value)


def _binary(op: Callable[[int, int], int], sign: str, swap: bool) -> Callable[[int, int], Checked]:
    def method(self: int, other: int) -> Checked:
        a, b = (int(other), int(self)) if swap else (int(self), int(other))
        if sign in ("<<", ">>") and not 0 <= b < 31:
            raise OutOfBounds(f"{a} {sign} {b} is not defined on a board")
        return _result(op(a, b), f"{a} {sign} {b}")

    return method


def _unary(op: Callable[[int], int]) -> Callable[[int], Checked]:
    return lambda self: _result(op(int(self)), f"{op.__name__} of {int(self)}")


for _sign, _name in (
    ("+", "add"), ("-", "sub"), ("*", "mul"), ("//", "floordiv"), ("%", "mod"), ("<<", "lshift"),
    (">>", "rshift"), ("&", "and"), ("|", "or"), ("^", "xor"),
):  # fmt: skip
    _op = getattr(operator, f"__{_name}__")
    setattr(Checked, f"__{_name}__", _binary(_op, _sign, False))
    setattr(Checked, f"__r{_name}__", _binary(_op, _sign, True))

for _name in ("neg", "invert", "abs"):
    setattr(Checked, f"__{_name}__", _unary(getattr(operator, f"__{_name}__")))


class Watched:
    """A buffer as a kernel's pointer: it yields `Checked` and takes only what fits."""

    def __init__(self, buffer: MutableSequence[int] | bytes) -> None:
        self.buffer = buffer

    def __getitem__(self, i: int) -> Checked:
        return Checked(self.buffer[self._at(i)])

    def __setitem__(self, i: int, value: int) -> None:
        try:
            self.buffer[self._at(i)] = int(value)  # type: ignore[index]
        except (OverflowError, ValueError) as error:
            raise OutOfBounds(f"{value} does not fit its element: {error}") from error

    def _at(self, i: int) -> int:
        if not 0 <= i < len(self.buffer):
            raise OutOfBounds(f"index {i} is outside of a buffer of {len(self.buffer)}")
        return int(i)


def checked(kernel: Callable[..., int]) -> Callable[..., int]:
    """Return `kernel` so that its plain arguments are watched; its result is an int."""

    def call(*arguments: Any) -> int:
        watched = [Checked(a) if isinstance(a, int) else Watched(a) for a in arguments]
        return int(kernel(*watched))

    return call
