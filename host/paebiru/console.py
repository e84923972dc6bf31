"""What every command shows on: colours where the terminal has them, one line for an error."""

import sys
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a line as it is: file names are no markup and are not wrapped."""
    out.print(text, markup=False, soft_wrap=True)


def fail(message: str, code: int = 2) -> NoReturn:
    """Print a wrong input's cause and way out on one line and end with an exit code."""
    err.print(f"[bold red]paebiru:[/] {escape(' '.join(message.split()))}", soft_wrap=True)
    sys.exit(code)


def size(count: float) -> str:
    """Return a number of bytes as a reader says it: 950 B, 12 kB, 1.5 MB."""
    if round(count) < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.5 or unit == "GB":
            break
    # Two digits suffice, and a whole number has no ".0".
    return f"{count:.1f} {unit}".replace(".0 ", " ") if count < 9.95 else f"{count:.0f} {unit}"
