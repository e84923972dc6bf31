"""Types of the node's modules for checkers: so none has to import another for its name alone."""

from array import array
from collections.abc import Callable
from typing import Any as Any
from typing import Protocol, TypeAlias

from paebiru_node.app import Node as Node
from paebiru_node.health import Health as Health
from paebiru_node.kept import Config as Config
from paebiru_node.learning import Learning as Learning
from paebiru_node.port import Port as Port
from paebiru_node.sampler import Sampler as Sampler
from paebiru_node.samples import Samples as Samples
from paebiru_node.uplink import Uplink as Uplink
from sil.link.initiator import Initiator as Session

Buffer: TypeAlias = bytes | bytearray | memoryview | array[int]
Entry: TypeAlias = dict[str, Any]
Table: TypeAlias = dict[str, Any]
Make: TypeAlias = Callable[[Table], Port]

class Readable(Protocol):
    def readinto(self, buf: Any, /) -> int | None: ...

__all__ = [
    "Any",
    "Buffer",
    "Config",
    "Entry",
    "Health",
    "Learning",
    "Make",
    "Node",
    "Port",
    "Readable",
    "Sampler",
    "Samples",
    "Session",
    "Table",
    "Uplink",
]
