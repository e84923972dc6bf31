"""``paebiru doctor``: is this machine ready, and does everything work together?"""

import json as jsons
import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paebiru.console import fail, out, say
from paebiru.errors import UsageError

if TYPE_CHECKING:
    from paebiru.doctor import Finding
    from paebiru.doctor_vm import Step

_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(doctor)


def doctor(
    vm: Annotated[bool, typer.Option("--vm", help="The whole way, on a virtual board.")] = False,
    tcp: Annotated[bool, typer.Option("--tcp", help="With --vm: over TCP.")] = False,
    heap: Annotated[str, typer.Option(help="With --vm: the board's free memory.")] = "320k",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Look at what this machine needs to put firmware onto boards; say what to do.

    With --vm a virtual board is set up, learns one federated round and is checked, all in a
    temporary folder.  Exit code 1 if anything fails.
    """
    if not vm:
        if tcp:
            raise UsageError("--tcp goes with --vm: paebiru doctor --vm --tcp")
        _examine(json)
        return
    found = re.fullmatch(r"(\d{2,6})k", heap)
    if found is None:
        raise UsageError(f"--heap {heap}: kilobytes are needed, as 512k")
    _try(tcp, int(found[1]) * 1024, json)


def _examine(json: bool) -> None:
    from paebiru.doctor import examine

    failed = 0
    for finding in examine():
        failed += finding.level == "fail"
        if json:
            _emit("finding", **asdict(finding))
        else:
            _show(finding)
    if failed:
        raise typer.Exit(1)


def _show(finding: "Finding") -> None:
    out.print(f"{_MARKS[finding.level]} ", end="")
    remedy = f": {finding.remedy}" if finding.remedy else ""
    say(f"{finding.what}: {finding.text}{remedy}")


def _try(tcp: bool, heap: int, json: bool) -> None:
    from paebiru.doctor_vm import Trial, TrialError

    def told(step: "Step") -> None:
        if json:
            _emit("step", **asdict(step))
        else:
            out.print(f"{_MARKS['ok']} ", end="")
            say(f"{step.seconds:5.1f} s  {step.name}: {step.text}")

    with tempfile.TemporaryDirectory(prefix="paebiru-") as folder:
        try:
            Trial(Path(folder), tcp, heap, told).run()
        except TrialError as error:
            if json:
                _emit("failed", text=str(error))
            fail(str(error), code=1)


def _emit(event: str, **values: Any) -> None:
    print(jsons.dumps({"event": event, **values}), flush=True)
