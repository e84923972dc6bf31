"""The integer-only core of Paebiru: the same files on board, hub and simulator."""

__version__ = "0.1.0"
