"""One hub and thirty boards, real MicroPython processes of the firmware, killed as they learn.

Two thirds call by TCP, the others sit behind pseudo-terminals as on USB.  In every round a tenth
of them, drawn by seed, lose their power (kill -9) and start again.  Every board has its whole
share of the digits.  Beside it stands the simulator: the same boards, seeds and rounds, where
nothing goes wrong.  Bytes are those on the lines, framing, calls and posts included, as the hub's
own ledger has them.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from report import Row, changed, save, show

from paebiru import accel

# Where the tests are that run the same, smaller.
sys.path.insert(0, str(Path(__file__).parents[1] / "host"))

import killed_fleet

TAIL = 5


def rounds_of(found: killed_fleet.Outcome, simulated: list[float]) -> list[Row]:
    """Return a row a round."""
    return [
        {
            "round": said["round"], "updates": said["updates"], "killed": len(said["killed"]),
            "accuracy": round(100 * said["accuracy"], 2), "simulator": round(100 * alone, 2),
            "payload_up": said["bytes_up"], "seconds": said["seconds"],
        }
        for said, alone in zip(found.rounds, simulated, strict=True)
    ]  # fmt: skip


def boards_of(found: killed_fleet.Outcome) -> list[Row]:
    """Return the ledger, a row a board."""
    return [
        {
            "board": member.device.hex(), "link": member.line, "kills": member.kills,
            "updates": sum(member.device.hex() in some for some in found.rosters.values()),
            "bytes_up": found.bytes_of(member.device, "up"),
            "bytes_down": found.bytes_of(member.device, "down"),
        }
        for member in found.members
    ]  # fmt: skip


def links_of(boards: list[Row], rounds: int) -> list[Row]:
    """Return the ledger, a row a kind of line: all bytes, and those of a board and round."""
    rows: list[Row] = []
    for link in sorted({row["link"] for row in boards}):
        some = [row for row in boards if row["link"] == link]
        up, down = (sum(row[key] for row in some) for key in ("bytes_up", "bytes_down"))
        rows.append({
            "link": link, "boards": len(some), "kills": sum(row["kills"] for row in some),
            "bytes_up": up, "bytes_down": down,
            "up_a_round": round(up / len(some) / rounds, 1),
            "down_a_round": round(down / len(some) / rounds, 1),
        })  # fmt: skip
    return rows


def summary(
    found: killed_fleet.Outcome, model: str, simulated: list[float], epochs: int, seconds: float
) -> Row:
    """Return what came of it all."""
    last = [said["accuracy"] for said in found.rounds[-TAIL:]]
    apart = mean(last) - mean(simulated[-TAIL:])
    return {
        "boards": len(found.members), "rounds": len(found.rounds), "epochs": epochs,
        "kills": sum(member.kills for member in found.members),
        "accuracy": round(100 * mean(last), 2), "to_simulator": round(100 * apart, 2),
        "same_model": found.model == model,
        "acknowledged": sum(map(len, found.told.values())), "lost": found.lost(),
        "seconds": round(seconds), "load": round(os.getloadavg()[1], 1),
    }  # fmt: skip


def main() -> None:
    """Run, print, write results/vmfleet.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=30)
    parser.add_argument("--ptys", type=int, help="of them behind pseudo-terminals; a third")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8, help="that a board trains a round")
    parser.add_argument("--killed", type=float, default=0.1, help="share of the boards, a round")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed")
    args = parser.parse_args()
    ptys = args.boards // 3 if args.ptys is None else args.ptys
    if not 0 <= ptys <= args.boards:
        raise SystemExit(f"--ptys {ptys}: give 0 to {args.boards}, as many as there are --boards")
    accel.install()
    world = killed_fleet.world_of(args.boards, args.epochs)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = killed_fleet.run(
            Path(folder), world, ptys=ptys, rounds=args.rounds, share=args.killed,
            seed=args.seed, told=lambda said: print(_line(said), flush=True),
        )  # fmt: skip
    seconds = time.monotonic() - begun
    names = [member.device for member in found.members]
    model, simulated = killed_fleet.undisturbed(world, names, args.rounds)
    rounds, boards = rounds_of(found, simulated), boards_of(found)
    links = links_of(boards, args.rounds)
    whole = [summary(found, model, simulated, args.epochs, seconds)]
    show("rounds, accuracy %, and the simulator's where nobody is killed", rounds)
    show("the hub's ledger by board: bytes on the line", boards)
    show("by kind of line; the last two are a board and round", links)
    show(f"all of it: accuracy %, mean of the last {TAIL} rounds", whole)
    other = changed(parser, args)
    save("vmfleet", other, rows=whole, links=links, boards=boards, rounds=rounds)


def _line(said: dict) -> str:
    return (
        f"round {said['round']:>3}  {said['updates']} updates  {100 * said['accuracy']:.2f} %"
        f"  {said['seconds']:.1f} s  {len(said['killed'])} killed"
    )


if __name__ == "__main__":
    main()
