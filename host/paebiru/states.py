"""Reading the states that a board posts: one short JSIL stream a batch, hundreds a second."""

from sil.errors import FormatError
from sil.jsil_read import Decoder
from sil.state import SIZE as STATE

_MOST = 48  # states of a batch, as the node's settings allow


class StateReader:
    """Reads batches one after another; its memory, and what a head says, stay for the next."""

    def __init__(self) -> None:
        self._decoder = Decoder(STATE, _MOST)
        self._head = b""  # of the stream before

    def read(self, stream: bytes) -> list[bytes]:
        """Return the states of a stream, 16 bytes each.

        Raises:
            FormatError: it is damaged, cut, or no stream of states.
        """
        decoder, head = self._decoder, self._head
        self._head = b""  # until this one has proved to be whole
        is_known = bool(head) and stream.startswith(head)
        decoder.restart(is_known)
        at = len(head) if is_known else 0
        found = bytearray()
        piece = bytearray(STATE * _MOST)
        while at < len(stream):
            at = decoder.feed(stream, at, len(stream))
            while decoder.waiting:
                found += piece[: decoder.pull(piece, 0, len(piece))]
        size = decoder.head.size
        if decoder.finish() or not found or size != STATE:
            raise FormatError("no stream of whole states of 16 bytes")
        self._head = head if is_known else decoder.head.encode()
        return [bytes(found[i : i + STATE]) for i in range(0, len(found), STATE)]
