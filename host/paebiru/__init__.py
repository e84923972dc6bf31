"""Federated learning and sensor perception for microcontrollers: the host side."""

from sil import __version__

__all__ = ["__version__"]
