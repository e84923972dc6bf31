"""AES for sessions on the host, out of the optional package `cryptography`.

>>> Responder(outbox, aes=aes)         # None where the package is missing: no encryption
"""

from sil.link.aes import AesFactory, BlockCipher

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:
    Cipher = None  # type: ignore[assignment, misc]


class HostAes(BlockCipher):
    """AES in ECB mode, one block at a time."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()

    def encrypt(self, block: bytearray, out: bytearray) -> None:
        """Encrypt ``block`` into ``out``."""
        out[:] = self._encryptor.update(bytes(block))


class _Factory(AesFactory):
    def __call__(self, key: bytes) -> BlockCipher:
        return HostAes(key)


aes: AesFactory | None = _Factory() if Cipher is not None else None
