"""What tests of links are made of, for this project's tests and for yours."""

from paebiru.testing.clock import VirtualClock
from paebiru.testing.link import CLEAN, Faults, LossyLink
from paebiru.testing.pair import DEVICE, SECRET, Peer, SessionPair

__all__ = [
    "CLEAN",
    "DEVICE",
    "SECRET",
    "Faults",
    "LossyLink",
    "Peer",
    "SessionPair",
    "VirtualClock",
]
