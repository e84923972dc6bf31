"""AES-128 in counter mode, for sessions in which both sides have AES.

The counter block is the frame's session and counter and the number of the block
within the frame.  Each direction has its own key, keys live for one session, and
a frame counter is used once: no block of key stream ever comes twice.
"""

from ..kernels import wire
from .aes import AesFactory


class CtrCipher:
    """One direction's cipher; ``aes(key)`` gives an object with ``encrypt(block, out)``."""

    def __init__(self, aes: "AesFactory", key: bytes) -> None:
        self._aes = aes(key)
        self._block = bytearray(16)
        self._stream = bytearray(16)

    def apply(self, frame: bytearray, start: int, end: int) -> None:
        """Encrypt or decrypt ``frame[start:end]``, whose header gives the counter."""
        wire.copy(frame, 2, 8, self._block, 0)  # session, counter
        number = 0
        while start < end:
            self._block[8] = number
            self._aes.encrypt(self._block, self._stream)
            wire.xor(frame, start, min(start + 16, end), self._stream)
            start += 16
            number += 1
