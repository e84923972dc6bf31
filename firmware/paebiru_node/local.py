"""Answers given on the board: whether to, by the state's complexity (SPEC.md 7), and what."""

from sil import nn
from sil import protocol as p
from sil.compat import const
from sil.confidence import answer_byte
from sil.errors import ModelError
from sil.link.fields import put16, put32
from sil.rho import ONE, RhoMeter, rho_critical, should_offload

from .kinds import Learning, Port

_STATE = const(16)


class Local:
    """The board's own model at work.

    Args:
        base: the complexity, Q15, above which an idle board with free memory hands work on.
    """

    def __init__(self, base: int) -> None:
        self.base = base
        self.rho = 0  # of the last state asked about, Q15
        self.critical = 0
        self.answered = 0
        self.handed_on = 0
        self._class = 0
        self.byte = 0  # layer 5 of the last answer
        self._meter = RhoMeter()
        self._network: "nn.Network | None" = None
        self._most = 1  # the most free memory seen, bytes

    def renew(self, learning: "Learning") -> None:
        """Take the model that `learning` has now."""
        learner = learning.learner
        self._network = None
        if learner is None:
            return
        trainer = learner.trainer
        try:
            self._network = nn.Network(trainer.sizes, learner.codes, trainer.signed)
        except ModelError:
            return  # its sums would not fit; the hub answers

    def answer(
        self, learning: "Learning", inputs: bytearray, senses: bytearray, port: "Port"
    ) -> bool:
        """Classify `inputs` if `senses`, the board's own layers, are simple enough for it.

        What others have told, and what it answered before, says nothing of how complex its
        input is.  False: the hub's turn, which has the state and more.
        """
        self._meter.reset()
        self._meter.feed(senses, 0, _STATE)
        self.rho = self._meter.value()
        free = port.free()
        self._most = max(self._most, free)
        full = ONE - ONE * (free >> 12) // max(self._most >> 12, 1)
        busy = ONE if learning.phase == p.TRAINING else 0
        self.critical = rho_critical(self.base, busy, max(full, 0), ONE)
        if should_offload(self.rho, self.critical) or self._network is None:
            self.handed_on += 1
            return False
        network = self._network
        self._class = network.classify(inputs)
        self.byte = answer_byte(network, self._class)
        self.answered += 1
        return True

    def write(self, body: bytearray, now: int) -> None:
        """Write ANSWER."""
        put32(body, 0, now)
        body[4] = self._class
        body[5] = self.byte
        put16(body, 6, self.rho)
        put16(body, 8, self.critical)
