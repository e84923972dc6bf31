"""Fusion: the layers L5-L7 of places, from what several boards perceive there.

`config.load` reads which boards are where, `Fusion` does the rest.  Pure of I/O: time is an
argument everywhere, and the same arrivals give the same states.

    boards' L0-L4 --track--> by time stamp --merge--> one byte a layer --electronic--> L5
    L0-L7 --psychomotor--> L6, back to the boards        L0-L4 --environmental--> L7
"""

from paebiru.fusion.config import Config, load
from paebiru.fusion.facade import Fusion, Outgoing
from paebiru.fusion.fused import Fused
from paebiru.fusion.participant import Participant, learn_together

__all__ = ["Config", "Fused", "Fusion", "Outgoing", "Participant", "learn_together", "load"]
