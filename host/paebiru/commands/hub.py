"""`paebiru hub`: boards learn together, by USB and network."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from paebiru.commands.inputs import address, units
from paebiru.console import out, size

_lines = partial(typer.Option, rich_help_panel="Boards and lines")
_learned = partial(typer.Option, rich_help_panel="What is learned")
_rounds = partial(typer.Option, rich_help_panel="Rounds")
_trust = partial(typer.Option, rich_help_panel="Rules and privacy")
_places = partial(typer.Option, rich_help_panel="Places")
_api = partial(typer.Option, rich_help_panel="HTTP API")
_store = partial(typer.Option, rich_help_panel="Store")

_PORT = 7353
_API = 7380


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(hub)


def hub(
    listen: Annotated[
        str, _lines(help="HOST:PORT for boards by network, TCP and UDP.")
    ] = f"127.0.0.1:{_PORT}",
    serial: Annotated[list[str] | None, _lines(help="A serial port; may be given again.")] = None,
    find: Annotated[bool, _lines(help="Serve what looks like a board on USB.")] = True,
    dataset: Annotated[
        str, _learned(help="Its inputs and classes: digits, vowel, air, wine or watch.")
    ] = "digits",
    hidden: Annotated[str, _learned(help="Hidden units, as 32 or 64,32.")] = "32",
    share: Annotated[
        float | None,
        _learned(help="Share of the weights sent a round.", show_default="0.05; 1 if --secure"),
    ] = None,
    epochs: Annotated[int, _learned(help="Epochs a board trains a round.")] = 1,
    proximal: Annotated[
        float, _learned(help="Draws boards back to the round's model (FedProx), as 0.01.")
    ] = 0.0,
    seed: Annotated[int, _learned(help="Of the first model and the boards' training.")] = 0,
    rounds: Annotated[int, _rounds(help="The last one; numbered over all branches.")] = 60,
    boards: Annotated[int, _rounds(help="Boards without which no round begins.")] = 1,
    fraction: Annotated[float, _rounds(help="Share of the boards a round wants.")] = 1.0,
    over: Annotated[float, _rounds(help="Share asked beyond, for those that fail.")] = 0.0,
    deadline: Annotated[float, _rounds(help="Seconds a round waits for its boards.")] = 120.0,
    least: Annotated[int, _rounds(help="Updates without which it waits on.")] = 1,
    rule: Annotated[
        str | None, _trust(help="Of aggregation: mean, nnm-trimmed, …; by --liars.")
    ] = None,
    liars: Annotated[int, _trust(help="Boards of a round that may lie.")] = 0,
    epsilon: Annotated[
        float | None, _trust(help="Privacy for all rounds: the mean gets noise.")
    ] = None,
    delta: Annotated[float, _trust(help="With --epsilon: the chance that it fails.")] = 1e-3,
    clip: Annotated[float, _trust(help="With --epsilon: longest update, L2 norm.")] = 0.5,
    secure: Annotated[
        bool, _trust("--secure", help="Masked sums: no single update is seen (keys group).")
    ] = False,
    places: Annotated[
        Path | None, _places(help="TOML: which boards are where, and what moves what.")
    ] = None,
    api: Annotated[
        str, _api(help="HOST:PORT where it is served; beyond 127.0.0.1 with a token.")
    ] = f"127.0.0.1:{_API}",
    no_api: Annotated[bool, _api("--no-api", help="No HTTP API.")] = False,
    token_file: Annotated[
        Path | None, _api(help="Whose token callers must send; or PAEBIRU_TOKEN.")
    ] = None,
    dir: Annotated[Path, _store(help="Where keys, rounds and models are kept.")] = Path("hub"),
    resume: Annotated[
        bool, _store("--resume", help="Go on with what --dir holds, to the bit.")
    ] = False,
    branch: Annotated[int, _store(help="With --resume: of which branch (paebiru store).")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Serve boards and hold rounds with them, until all are done or Ctrl-C.

    Boards come in with a key of their own (paebiru enroll); by network: --listen 0.0.0.0:7353.
    """
    from paebiru import accel
    from paebiru.hub.api import Api
    from paebiru.hub.api_guard import token
    from paebiru.hub.policy import Policy
    from paebiru.hub.run import Options, serve
    from paebiru.hub.tell import Telling

    accel.install()
    share = share if share is not None else 1.0 if secure else 0.05
    host, port = address("--listen", listen, _PORT)
    door = None if no_api else Api(*address("--api", api, _API), token(token_file))
    policy = Policy(
        rounds=rounds, boards=boards, fraction=fraction, over=over, deadline=deadline, least=least
    )
    options = Options(
        folder=dir, dataset=dataset, hidden=units(hidden), share=share, epochs=epochs, seed=seed,
        host=host, port=port, serial=tuple(serial or ()), finds=find, policy=policy, rule=rule,
        liars=liars, epsilon=epsilon, delta=delta, clip=clip, places=places, resume=resume,
        branch=branch, api=door, proximal=proximal, secure=secure,
    )  # fmt: skip
    tell = Telling(sys.stdout if json else None)
    if not json:
        tell.listen(_show)
    asyncio.run(serve(options, tell))


def _show(said: dict[str, Any]) -> None:
    """Print what a person wants to see: a line a round, and who comes and goes."""
    event = said["event"]
    if event == "listening":
        out.print(f"listening on {said['host']}:{said['port']}; {said['weights']} weights")
    elif event == "warning":
        out.print(f"warning: {said['text']}", markup=False)
    elif event == "privacy":
        out.print(
            f"private: ε at most {said['epsilon']:g} (δ {said['delta']:g}), {said['spent']:g} of it"
            f" spent; updates clipped to {said['clip']:g}, noise {said['noise']:g} on their sum"
        )
    elif event == "broken":
        out.print(f"round {said['round']:>4}  came to nothing: {said['why']}", markup=False)
    elif event == "ended":
        out.print(f"no more rounds: {said['why']}", markup=False)
    elif event == "resuming":
        what = "going on in" if said["is_open"] else "going on after"
        of = f"branch {said['branch']}: " if said["branch"] else ""
        out.print(f"{of}{what} round {said['round']}, model {said['model']}")
    elif event == "api":
        out.print(f"API on http://{said['host']}:{said['port']}/v1/hub", soft_wrap=True)
    elif event == "round":
        told = f"round {said['round']:>4}  {said['updates']}/{said['asked']} boards"
        if "accuracy" in said:
            told += f"  {100 * said['accuracy']:.2f} %"
        if "epsilon" in said:
            told += f"  ε {said['epsilon']:.2f}"
        up, down = size(said["bytes_up"]), size(said["bytes_down"])
        missing = f"  without {', '.join(said['missing'])}" if said["missing"] else ""
        out.print(f"{told}  {up} up, {down} down{missing}")
    elif event == "unsummed":
        out.print(f"round {said['round']}: {said['why']}", markup=False)
    elif event == "learned" and not said["left"]:
        had = "" if said["accuracy"] is None else f"  {100 * said['accuracy']:.1f} % of its labels"
        out.print(f"layer 5: round {said['round']}  {said['places']} places{had}")
    elif event == "waiting":
        out.print(f"round {said['round']}: {said['updates']} updates at the deadline; waiting on")
    elif event in ("up", "down", "revoked"):
        out.print(f"{said['device']} {event}")
    elif event == "text":
        out.print(f"{said['device']}: {said['text']}", markup=False)
    elif event == "health" and said["reasons"]:
        out.print(f"{said['device']}: {'; '.join(said['reasons'])}", markup=False)
    elif event == "port":
        out.print(f"{said['path']}: {said['problem']}", markup=False)
    elif event == "stopped":
        out.print(f"{said['file']}  sha256 {said['model']}", soft_wrap=True)
