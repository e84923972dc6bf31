"""The hub's copy of a model in training: int32-range masters, and what the boards already have."""

from array import array

import numpy as np
from numpy.typing import NDArray

from paebiru.federated.rules import Codes, decoded, fedavg_aggregate
from sil import nn, update

Int64 = NDArray[np.int64]
RATE_ONE = 256  # a server rate of 1.0
_DECAY = 7  # weights lose 1/2**7 of themselves a round


class Master:
    """One model: the master (Q20) and the boards' base (int16 Q12), which trails behind it.

    What the boards lack, master - base, goes down a share a round: the hub's own error feedback.

    Args:
        codes: the first model.
        share: of the weights sent down a round, in parts of 10000.
        rate: server learning rate, in 1/256: each mean update counts this much.

    Where updates are sparse, weights decay by 1/128 a round: what each board sends late, others
    have learned meanwhile, so the sum overshoots, and in hundreds of rounds weights would
    outgrow what their codes can tell apart (measured: 4 times as large after 600 rounds of
    digits and 2 points less; with the decay neither).
    """

    def __init__(self, codes: bytes, share: int, rate: int):
        self.rate = rate
        self.base = nn.decode(codes)
        self.master: Int64 = np.array(self.base, dtype=np.int64) << 8
        self._selector = update.Selector(len(self.base), share)
        self._decays = share <= update.SPARSE

    def absorb(self, frames: Codes, samples: Int64) -> None:
        """Add one round's updates, codes [boards, weights], counted by their samples."""
        self.add(fedavg_aggregate(decoded(frames), samples))

    def add(self, mean: Int64) -> None:
        """Add what a round's updates come to by whatever rule, Q14 [weights]."""
        limit = (8 << 20) - 1
        if self._decays:
            self.master -= self.master + (1 << _DECAY - 1) >> _DECAY
        np.clip(self.master + ((mean << 6) * self.rate >> 8), -limit, limit, out=self.master)

    def release(self) -> bytearray:
        """Return the next frame of changes for the boards, and count it as theirs."""
        lack = (self.master + 128 >> 8) - np.array(self.base, dtype=np.int64)
        changes = array("h", np.clip(lack, -32767, 32767).astype(np.int16).tobytes())
        frame = bytearray(len(self.base))
        self._selector.take(changes, frame)
        update.apply(self.base, frame)
        return frame

    def codes(self) -> bytes:
        """Return the model as the boards have it, one byte a weight."""
        return bytes(nn.encode(self.base))
