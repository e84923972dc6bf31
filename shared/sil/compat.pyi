"""Types of ``compat`` for checkers: a kernel's pointer is any integer buffer."""

from array import array
from collections.abc import Iterable, Iterator
from hashlib import sha256 as sha256
from typing import Any, TypeAlias

ptr8: TypeAlias = Any
ptr16: TypeAlias = Any
ptr32: TypeAlias = Any

Buf: TypeAlias = bytes | bytearray | memoryview  # bytes to read
Ints: TypeAlias = array[int]  # integers to read and write
Frames: TypeAlias = Iterable[Buf]  # of equal length
Unpacked: TypeAlias = Iterator[bytes]
Blocks: TypeAlias = Iterator[tuple[int, int, int, int]]
About: TypeAlias = dict[str, Any]

aes: Any

def const(value: int) -> int: ...
def ticks_add(ticks: int, delta: int) -> int: ...
def ticks_diff(later: int, earlier: int) -> int: ...
