"""What commands read out of the text of an option."""

from paebiru.errors import UsageError


def address(option: str, text: str, usual: int) -> tuple[str, int]:
    """Return host and port from HOST:PORT.

    Raises:
        UsageError: it is none; the message names `option`, and the port that is `usual`.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} {text}: give HOST:PORT, as 127.0.0.1:{usual}")
    return host.strip("[]"), int(port)


def units(text: str) -> tuple[int, ...]:
    """Return hidden layers' units from `32` or `64,32`; an empty text is a linear model.

    Raises:
        UsageError: it is no such list, or a layer is out of range.
    """
    try:
        units = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--hidden {text} is no list of units: give them as 32 or 64,32") from None
    if any(not 1 <= n <= 1024 for n in units):
        raise UsageError(f"--hidden {text} is out of range: a layer has 1..1024 units")
    return units
