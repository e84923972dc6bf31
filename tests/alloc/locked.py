"""`locked`: a heap that refuses every allocation, where the interpreter can do so.

    with locked():
        dense.relu(acc, n, shift, out)      # MemoryError if anything allocates

Everything that the block needs is made before it, and results are looked at behind it:
an assertion, an f-string or a slice inside would allocate by itself.  On 32-bit targets
an int outside of +-2**30 allocates too, so the same block catches overflow.
On CPython the block runs unlocked.
"""

try:
    from micropython import heap_lock, heap_unlock

    LOCKS = True
except ImportError:
    LOCKS = False

    def heap_lock():
        """Do nothing: CPython's heap cannot be locked."""

    heap_unlock = heap_lock


class locked:
    """Context in which nothing may be allocated."""

    def __enter__(self):
        heap_lock()

    def __exit__(self, kind, value, trace):
        heap_unlock()
