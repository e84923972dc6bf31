"""Reading the head of a JSIL stream back from its numbers; who only writes does without."""

from .errors import FormatError, RangeError
from .jsil_head import AGREED, GROUPED, MAX_LAYERS, ROWS, VERSION, VERSION_AT, Head


def parse(numbers: "list[int]", agreed_rows: "tuple[int, ...]") -> "Head | None":
    """Return the head that `numbers` (all that follow the magic) make, None while some miss.

    Raises:
        FormatError: of another version, or a value outside of its domain.
    """
    flags = numbers[0]
    if flags >> VERSION_AT & 3 != VERSION or flags >= 2 * ROWS:
        raise FormatError(
            "JSIL version %d: this reader knows version %d" % (flags >> VERSION_AT & 3, VERSION)
        )
    at = 2
    group, interval = 1, 0
    rows: "tuple[int, ...]" = ()
    if flags & GROUPED:
        at += 2
        if len(numbers) >= at:
            group, interval = numbers[at - 2], numbers[at - 2] * numbers[at - 1]
    if flags & ROWS:
        at += 1
        if len(numbers) >= at:
            if numbers[at - 1] > MAX_LAYERS:
                raise FormatError("%d layers: a head names at most 8" % numbers[at - 1])
            rows = tuple(numbers[at : at + numbers[at - 1]])
            at += numbers[at - 1]
    if len(numbers) < at:
        return None
    agreed = bool(flags & AGREED)
    try:
        return Head(flags & 7, numbers[1], group, interval, agreed_rows if agreed else rows, agreed)
    except RangeError as error:
        raise FormatError("a damaged head: %s" % error)
