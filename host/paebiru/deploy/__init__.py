"""The way onto a board: what is built on the host and runs there.

`twin` compiles the core for MicroPython, its kernels as viper machine code.
"""
