"""What every command shows on: colours where the terminal has them, one line for an error."""

import sys
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from rich.progress import Progress

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a line as it is: file names are no markup and are not wrapped."""
    out.print(text, markup=False, soft_wrap=True)


def bytes_bar() -> "Progress":
    """Return a bar for bytes on their way, with the time left; nothing where no terminal is."""
    from rich.progress import (  # here: most commands show none
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        console=out, transient=True, disable=not out.is_terminal,
    )  # fmt: skip


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
