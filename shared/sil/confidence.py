"""How sure a network is of its answer, as the byte of layer 5 (SPEC-node.md, ANSWER).

rho is ln of the class's softmax probability, rounded: 0 is nearly certain; with at most 64
classes it is never below -4.  theta is the class modulo 16.
"""

from . import bytesil, nn, tables
from .compat import const
from .intmath import log2

_LN2 = const(11357)  # ln 2 in Q14
_ONE = const(12288)  # log2 of the table's 1.0, 4096, in Q10
_LOGIT_BITS = const(5)  # the table of exponentials has steps of 1/32


def log_confidence(network: "nn.Network", found: int) -> int:
    """Return ln of the probability of class `found`, rounded, -8..0.

    `found` is what the network's latest `classify` returned: its sums are read.
    """
    fa = nn.FA_HIDDEN if len(network.sizes) > 2 else nn.input_bits(network.signed)
    shift = 14 + fa - _LOGIT_BITS
    table = tables.expn()
    top = network.logit(found) >> shift
    total = 0
    for k in range(network.sizes[-1]):
        total += table[min(top - (network.logit(k) >> shift), 255)]
    nats = ((log2(total) - _ONE) * _LN2 + (1 << 23)) >> 24
    return -min(max(nats, 0), 8)


def answer_byte(network: "nn.Network", found: int) -> int:
    """Return layer 5's byte of the latest answer: rho the log-confidence, theta the class."""
    return bytesil.make(log_confidence(network, found), found & 15)
