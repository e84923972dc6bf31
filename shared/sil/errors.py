"""Errors of the core: what was wrong, said so that a user can act on it.

One root, so that a caller can catch everything the core raises on purpose;
any other exception that leaves ``sil`` is a bug of ours.
"""


class SilError(Exception):
    """Root of every error that the core raises on purpose."""


class RangeError(SilError, ValueError):
    """An argument lies outside of its documented domain."""


class FormatError(SilError, ValueError):
    """Bytes that are not what their format promises (magic, version, checksum, length)."""


class ModelError(SilError, ValueError):
    """A model whose shape or weights the integer engine cannot run exactly."""
