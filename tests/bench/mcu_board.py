# ruff: noqa: F821 - bench_mcu.py puts MODEL, ROWS, LABELS and SHARE in front
"""Runs on an emulated board, behind the data that bench_mcu.py puts before it: counts instructions.

Prints a line ``count NAME TICKS`` for each task; a tick is the board's own (`bench_mcu.py`
turns it into instructions by the two loops of known length).
"""

import gc
import sys
import time
from array import array
from binascii import unhexlify

import micropython

from sil import nn, update
from sil.learner import Learner
from sil.payload import Payload

SIZES = (64, 32, 10)
BATCH = 8
PERIOD = (1 << 30) - 1  # of ticks_cpu: 671 million instructions on ARM, 1,073 million on RV32

# Two instructions a round; each compiler knows its own assembler only.
SPIN_RV32 = """
@micropython.asm_rv32
def spin(a0):
    label(LOOP)
    addi(a0, a0, -1)
    bne(a0, zero, LOOP)
"""
SPIN_ARM = """
@micropython.asm_thumb
def spin(r0):
    label(LOOP)
    sub(r0, r0, 1)
    bne(LOOP)
"""


def count(name, work, *args):
    """Print how many ticks ``work(*args)`` takes."""
    gc.collect()
    before = time.ticks_cpu()
    work(*args)
    print("count", name, (time.ticks_cpu() - before) & PERIOD)


def bare(spin, rounds):
    """Return the ticks of `spin` alone: nothing is allocated, whose search takes its time."""
    before = time.ticks_cpu()
    spin(rounds)
    return (time.ticks_cpu() - before) & PERIOD


def main():
    codes = unhexlify(MODEL)
    x = unhexlify(ROWS)
    y = unhexlify(LABELS)
    first = bytes(nn.initial_codes(SIZES, 1))
    order = array("H", range(len(y)))

    gc.collect()
    held = gc.mem_alloc()
    network = nn.Network(SIZES, codes, False)
    gc.collect()
    print("bytes network", gc.mem_alloc() - held)
    held = gc.mem_alloc()
    board = Learner(SIZES, False, first, SHARE)
    gc.collect()
    print("bytes learner", gc.mem_alloc() - held)
    gc.disable()  # a collection would count where it happens to fall

    names = {"micropython": micropython}
    exec(SPIN_RV32 if "RV32" in sys.implementation._build else SPIN_ARM, names)
    spin = names["spin"]
    bare(spin, 1)  # what a first call has to look up is no part of it
    print("count loop", bare(spin, 1000))
    print("count loop_long", bare(spin, 101000))
    count("inference", network.classify, x[: SIZES[0]])
    count("batch", board.trainer.epoch, x, y, order[:BATCH], 7)

    board.train(x, y, order, 5, 7)
    changes = array("h", board.residual)
    frame = bytearray(len(changes))
    update.Selector(len(changes), SHARE).take(changes, frame)
    coder = Payload(SIZES, first)
    coder.expect(board.base)
    out = bytearray(coder.limit)
    size = coder.encode(frame, out)
    print("bytes update", size)
    count("encode", coder.encode, frame, out)
    sent = bytes(out[:size])
    count("decode", coder.decode, sent, bytearray(len(frame)))
    count("report", board.report, out)
    count("receive", board.receive, sent)


main()
