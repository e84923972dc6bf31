"""What the link asks of an AES: for checkers alone, a board never loads this module."""


class BlockCipher:
    """What an AES object has to offer: one block of 16 bytes, encrypted into ``out``."""

    def encrypt(self, block: bytearray, out: bytearray) -> object:
        """Encrypt ``block`` into ``out``."""
        raise NotImplementedError


class AesFactory:
    """What makes one: ``cryptolib.aes`` on a board, an adapter on the host."""

    def __call__(self, key: bytes) -> BlockCipher:
        """Return AES under ``key``, in ECB mode."""
        raise NotImplementedError
