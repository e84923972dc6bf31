"""Layer 5: what a place's perception means, by the hub's own network, or as a board has answered.

The network's inputs are the fused layers L0-L4, six int8 Q5 each (see `inputs`).  Where the hub
has no model, the surest of the boards' recent answers stands; a decision says where it was
computed and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paebiru.federated import evaluate
from sil import bytesil, tables
from sil.confidence import answer_byte
from sil.errors import ModelError
from sil.nn import Network

PER_LAYER = 6
INPUTS = 5 * PER_LAYER
_ONE = 32  # of Q5
_SENSES = 5


@dataclass(frozen=True)
class Decision:
    """Layer 5 of a place: `byte` has the class in theta and its log-confidence in rho."""

    byte: int
    found: int
    """The class; -1 for none."""
    where: str
    """hub, board, or nowhere."""
    why: str
    board: bytes = b""
    """Which one, where a board answered."""


class Heard(NamedTuple):
    """A board's own answer, on the hub's clock; greater is surer, then newer."""

    rho: int
    stamp: int
    board: bytes
    found: int
    byte: int
    rho_sil: int
    critical: int


def inputs(perception: bytes) -> bytes:
    """Return L0-L4 as a network's inputs, int8 Q5 [30].

    A layer is: 1 for being there, rho/4, and cos and sin of theta and of twice theta (kinds
    that are not next to each other can be told apart by the second).  A NULL layer is zeros.
    """
    cosines = tables.cosines()
    row = bytearray(INPUTS)
    for layer in range(_SENSES):
        byte = perception[layer]
        if byte == bytesil.NULL:
            continue
        theta = bytesil.phase(byte)
        values = (
            _ONE,
            bytesil.rho(byte) * (_ONE // 4),
            _q5(cosines[theta]),
            _q5(cosines[theta + 12 & 15]),
            _q5(cosines[2 * theta & 15]),
            _q5(cosines[2 * theta + 12 & 15]),
        )
        for k, value in enumerate(values):
            row[layer * PER_LAYER + k] = value & 0xFF
    return bytes(row)


def _q5(cosine: int) -> int:
    return (cosine + 256) >> 9


def accuracy(sizes: tuple[int, ...], codes: bytes, samples: Sequence[tuple[bytes, int]]) -> float:
    """Return the share of samples, inputs and class each, that a model has right; 0 for none.

    Raises:
        ModelError: the model has another shape or could overflow.
    """
    if not samples:
        return 0.0
    rows = np.frombuffer(b"".join(row for row, _ in samples), dtype=np.uint8)
    found = np.array([found for _, found in samples], dtype=np.uint8)
    return evaluate.accuracy(sizes, codes, rows.reshape(len(found), -1), found, signed=True)


class Electronic:
    """The decision on layer 5, shared by all places of a hub."""

    def __init__(self) -> None:
        self._network: Network | None = None

    @property
    def has_model(self) -> bool:
        """Tell whether the hub can decide."""
        return self._network is not None

    def load(self, sizes: tuple[int, ...], codes: bytes) -> None:
        """Take a model.

        Raises:
            ModelError: it has another shape, takes other inputs, or cannot be run.
        """
        if sizes[0] != INPUTS:
            raise ModelError(f"layer 5 has {INPUTS} inputs, not {sizes[0]}: train it on places")
        self._network = Network(sizes, codes, True)

    def guess(self, row: bytes) -> int:
        """Return the class that the hub's model finds for inputs; -1 without a model."""
        return self._network.classify(row) if self._network else -1

    def decide(self, perception: bytes, answers: Sequence[Heard]) -> Decision:
        """Return layer 5 for fused L0-L4 and what the boards have answered lately."""
        network = self._network
        if network and any(perception):
            found = network.classify(inputs(perception))
            return Decision(answer_byte(network, found), found, "hub", "the hub has a model")
        if answers:
            best = max(answers)
            lacks = "no layer is perceived" if network else "the hub has no model"
            why = (
                f"{lacks}; the board found it simple enough:"
                f" rho_sil {best.rho_sil} <= {best.critical}"
            )
            return Decision(best.byte, best.found, "board", why, best.board)
        if network:
            return Decision(bytesil.NULL, -1, "nowhere", "no layer is perceived")
        return Decision(bytesil.NULL, -1, "nowhere", "the hub has no model and no board answers")
