"""Errors of the core: what was wrong, said so that a user can act on it.

One root, so that a caller can catch everything the core raises on purpose;
any other exception that leaves ``sil`` is a bug of ours.  The root itself is a
``ValueError``, since MicroPython allows an exception one built-in ancestor only.
"""


class SilError(ValueError):
    """Root of every error that the core raises on purpose."""


class RangeError(SilError):
    """An argument lies outside of its documented domain."""


class FormatError(SilError):
    """Bytes that are not what their format promises (magic, version, checksum, length)."""


class ModelError(SilError):
    """A model whose shape or weights the integer engine cannot run exactly."""
