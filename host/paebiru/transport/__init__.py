"""Lines that carry the link: serial, TCP, UDP, memory.  asyncio lives here and above."""

from paebiru.transport.base import Driver, Transport, ticks
from paebiru.transport.memory import FaultyTransport, MemoryTransport

__all__ = ["Driver", "FaultyTransport", "MemoryTransport", "Transport", "ticks"]
