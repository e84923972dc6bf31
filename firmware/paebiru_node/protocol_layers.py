"""Layers D, E and F of a board: which branch of the model, how far from the common one, how old."""

from sil import bytesil
from sil.compat import const
from sil.kernels import sparse

from .kinds import Learning
from .sensors import scale

_ONE = const(64)  # 1/64 in Q12: the mean change that waits which makes rho 0


def protocol_layers(learning: "Learning", state: bytearray) -> None:
    """Write LD, LE and LF of what `learning` has into `state` (SPEC-node.md section 4)."""
    newest = learning.slots.newest
    learner = learning.learner
    if newest is None or learner is None:
        state[13] = state[14] = state[15] = 0
        return
    state[13] = bytesil.make(0, learning.branch)
    waits = sparse.mean(learner.residual, learner.trainer.weights, 1)
    state[14] = scale.code(scale.strength(waits, _ONE), 0) if waits else 0
    age = scale.strength(newest.generation, 1)
    state[15] = bytesil.make(age, newest.generation & 15)
