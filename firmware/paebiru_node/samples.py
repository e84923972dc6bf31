"""The board's own training samples: the newest so many, in fixed memory.  They never leave it."""

from array import array

from sil.errors import RangeError
from sil.kernels import spans


class Samples:
    """A ring of labelled inputs.

    Args:
        capacity: samples kept; the oldest gives way.
        inputs: bytes of a sample.
    """

    def __init__(self, capacity: int, inputs: int) -> None:
        self.inputs = inputs
        self.capacity = capacity
        self.count = 0
        self.x = bytearray(capacity * inputs)
        self.y = bytearray(capacity)
        self._next = 0

    def add(self, inputs: "bytes | bytearray", label: int) -> None:
        """Keep one sample.

        Raises:
            RangeError: it has another number of inputs, or its label is no byte.
        """
        if len(inputs) != self.inputs or not 0 <= label <= 255:
            raise RangeError("a sample has %d inputs and a label 0..255" % self.inputs)
        spans.copy(inputs, 0, self.x, self._next * self.inputs, self.inputs)
        self.y[self._next] = label
        self._next = (self._next + 1) % self.capacity
        if self.count < self.capacity:
            self.count += 1

    def order(self, classes: int) -> "array[int]":
        """Return the numbers of the samples whose label is one of so many classes, in order."""
        order = array("H")
        for i in range(self.count):
            if self.y[i] < classes:
                order.append(i)
        return order
