"""Bosch's compensation of temperature and pressure, for BME280 and BME688, within 31 bits.

The formulas are those of the data sheets (BME280 BST-BME280-DS002, section 4.2.3; BME688
BST-BME688-DS000, section 3.6), taken from their floating-point form: same terms, same order.
The 32-bit form there needs products of 32 bits, and keeps 3 Pa; here each wide product is a
`mulshift` and pressure keeps an eighth of a pascal.

One set of pressure coefficients serves both chips, since their formulas differ in scale only:
see `Pressure`.
"""

from array import array

from sil.compat import Buf
from sil.intmath import muldiv

from .scale import mulshift


def unsigned(data: "Buf", at: int) -> int:
    """Return the little-endian uint16 at data[at:]."""
    return data[at] | data[at + 1] << 8


def signed(data: "Buf", at: int) -> int:
    """Return the little-endian int16 at data[at:]."""
    return (unsigned(data, at) ^ 0x8000) - 0x8000


def signed8(byte: int) -> int:
    """Return a byte read as int8."""
    return (byte ^ 0x80) - 0x80


def fine(raw: int, t1: int, t2: int, t3: int) -> int:
    """Return t_fine: degrees Celsius times 5120.

    Args:
        raw: the temperature's 20 bits.
        t1: the first coefficient.
        t2: the second.
        t3: the third; times 16 of BME688, where it has 8 bits.
    """
    offset = (raw >> 3) - (t1 << 1)
    half = (raw >> 4) - t1
    return mulshift(offset, t2, 11) + mulshift(mulshift(half, half, 12), t3, 14)


def centidegrees(t_fine: int) -> int:
    """Return hundredths of a degree Celsius."""
    return (t_fine * 5 + 128) >> 8


class Pressure:
    """Compensation of pressure.

    Args:
        p: P1..P10.  Of BME280: P6 times 4, and 0 for P10, which it has not.  Of BME688: P3
            times 32 and P7 times 128.
    """

    def __init__(self, p: "array[int]") -> None:
        self._p = p

    def eighths(self, raw: int, t_fine: int) -> int:
        """Return pressure in eighths of a pascal; 0 when the coefficients cannot be.

        Args:
            raw: the pressure's 20 bits.
            t_fine: as `fine` gives it.
        """
        p = self._p
        v = (t_fine >> 1) - 64000
        quarter = v >> 2
        square = mulshift(quarter, quarter, 11)
        # The offset in raw steps, times 8; P4 * 65536 / 4096 is P4 * 16 there.
        offset = p[3] * 128 + ((mulshift(square, p[5], 3) + mulshift(v, p[4], 0)) >> 10)
        # The slope times P1, with 8 bits behind the point: about 2**23.
        bend = mulshift(square >> 2, p[2], 11) + mulshift(v, p[1], 9)
        slope = mulshift((32768 << 8) + ((bend + 1) >> 2), p[0], 15)
        x = ((1048576 - raw) << 3) - offset
        if slope < 6250 << 8 or x < 0:
            return 0
        pressure = muldiv(x, 6250 << 8, slope)
        pa = pressure >> 3
        parts = mulshift(mulshift(pa, pa, 13), p[8], 18) + mulshift(pressure, p[7], 18) + p[6]
        if p[9]:
            part = pa >> 4
            parts += mulshift(mulshift(part * part, part, 12), p[9], 17)
        return pressure + (parts >> 1)
