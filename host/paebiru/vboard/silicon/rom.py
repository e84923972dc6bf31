"""The virtual board's ROM: the VM runs it at power-on, then gives the REPL its globals.

    rom.py FLASH TELL ANSWER MARK [raw]

The work is in `startup`, so that programs find nothing in their globals that is not theirs.
"""

import micropython

micropython.kbd_intr(-1)  # nothing is there yet that Ctrl-C could interrupt

import sys  # noqa: E402

sys.path[:] = [__file__.rsplit("/", 1)[0]]

import startup  # noqa: E402

del micropython, sys
startup.power_on(globals())
