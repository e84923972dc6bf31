"""Every hot loop of the core, once, in the subset that viper compiles.

Rules, so that one source runs as CPython, numba, MicroPython bytecode and viper
(tests hold all of them to the same bytes):

* a kernel is a module-level function; parameters are annotated ``ptr8``,
  ``ptr16``, ``ptr32`` or ``int``; it returns one ``int``; no defaults;
* only ints, ``while``, ``if``, indexing; no slices, tuples, ``for``, floats,
  closures, exceptions or calls to other kernels;
* every intermediate value stays within +-2**30 (small ints on 32-bit boards);
* a byte is masked before it is stored;
* signed elements are read with the sign-extension idiom, because viper reads
  pointers unsigned: ``((p16[i] & 0xFFFF) ^ 0x8000) - 0x8000`` and, for the
  30-bit values that we keep in ``ptr32``,
  ``((p32[i] & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000``;
* a kernel trusts its arguments: callers check lengths once, outside of the loop.

Callers write ``from sil.kernels import dense`` and ``dense.forward(...)``:
accelerators replace module attributes from outside (`paebiru.accel` with numba
on the host; a viper twin of the file in the bundle for MicroPython).
"""
