"""Instructions on a microcontroller: digits 64-32-10 on emulated Cortex-M3 and RV32.

QEMU runs with -icount, so its clocks advance by a fixed time an instruction and the board
counts its own.  Every row is measured at two power-ups, which agree within 20 millionths: a board
that hears its program at other moments keeps another word on its stack, and the collector then
another block, so that allocations search a little longer; four digits are shown.
A loop of 200,000 instructions, run first, must count as that many, give or take one.
Instructions are not cycles: most take one or two on these cores, more where memory is slow.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from report import Row, save, show

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "interp"), str(ROOT / "tests" / "mcu")]

import emulator  # noqa: E402 - these folders are the tests' own
import image  # noqa: E402

from paebiru.sim.plan import Plan, prepare  # noqa: E402
from targets import MCU_TARGETS  # noqa: E402

PROGRAM = Path(__file__).with_name("mcu_board.py")
BATCH, SAMPLES, SHARE = 8, 64, 500
ICOUNT = {"arm": ("-icount", "shift=6"), "rv32": ("-icount", "shift=0")}
TICKS = {"arm": (8, 5), "rv32": (1, 1)}
"""Ticks an instruction.  RV32 counts instructions itself.  ARM has a clock of 25 MHz, on which an
instruction is made to take 2**6 ns: 1.6 ticks, so that none can hide between two ticks."""
NEAR = 20e-6
BLOCKS = 512  # bytes of heap that the collector may keep for a stray word
THINGS = ("network", "learner", "update")
BOARDS = {"arm": "Cortex-M3", "rv32": "RV32IMC"}
TASKS = {
    "inference": ("one inference", 1),
    "batch": (f"training, a sample (batch of {BATCH})", BATCH),
    "report": ("choose and code a 5 % update", 1),
    "receive": ("take a 5 % update in", 1),
    "encode": ("JSIL: encode the update", 1),
    "decode": ("JSIL: decode the update", 1),
}


def program() -> str:
    """Return what runs on the board: real digits, a model, and mcu_board.py."""
    world = prepare(Plan("digits", clients=1, rounds=1))
    rows, labels = world.split.train_x[:SAMPLES], world.split.train_y[:SAMPLES]
    data = {"MODEL": world.codes, "ROWS": rows.tobytes(), "LABELS": labels.tobytes()}
    lines = [f'{name} = "{value.hex()}"\n' for name, value in data.items()]
    return "".join(lines) + f"SHARE = {SHARE}\n" + PROGRAM.read_text()


def once(arch: str, core: str, source: str) -> dict[str, int]:
    """Return what one power-up of a board printed: ticks and bytes, by name."""
    disk = image.image(emulator.ARCHES[arch].march, core == "viper")
    with (
        tempfile.NamedTemporaryFile("w", suffix=".py") as file,
        emulator.powered(arch, disk, ICOUNT[arch]) as board,
    ):
        file.write(source)
        file.flush()
        done = board.mpremote("run", file.name)
    if done.returncode:
        raise SystemExit(f"{arch} {core}: the board failed:\n{done.stdout}")
    words = [line.split() for line in done.stdout.splitlines() if line.strip()]
    return {f"{kind} {name}": int(number) for kind, name, number in words}


def instructions(arch: str, core: str, source: str) -> dict[str, int]:
    """Return instructions by task, and bytes by thing, the same at two power-ups."""
    ticks, per = TICKS[arch]
    found: list[dict[str, int]] = []
    for _ in range(2):
        printed = once(arch, core, source)
        found.append({})
        for name, value in printed.items():
            kind, _, task = name.partition(" ")
            found[-1][task] = round(value * per / ticks) if kind == "count" else value
    for task, value in found[0].items():
        near = BLOCKS if task in THINGS else max(1, value * NEAR)
        if abs(found[1][task] - value) > near:
            raise SystemExit(f"{arch} {core}: two power-ups counted differently: {found}")
    # 100,000 rounds of two instructions more; what a call costs cancels out.
    loop = found[0]["loop_long"] - found[0]["loop"]
    if abs(loop - 200_000) > 1:  # each of four readings is a whole tick
        raise SystemExit(f"{arch} {core}: a loop of 200,000 instructions counted as {loop}")
    return found[0]


def shortened(value: float) -> int:
    """Return a count with the four digits that are sure."""
    return int(float(f"{value:.4g}"))


def measure(arch: str, source: str) -> tuple[list[Row], Row]:
    """Return the rows of a board: instructions by task, and its memory."""
    viper, plain = (instructions(arch, core, source) for core in ("viper", "bytecode"))
    rows: list[Row] = [
        {
            "board": BOARDS[arch],
            "task": label,
            "viper": shortened(viper[task] / parts),
            "bytecode": shortened(plain[task] / parts),
            "ratio": round(plain[task] / viper[task], 1),
        }
        for task, (label, parts) in TASKS.items()
    ]
    memory: Row = {"board": BOARDS[arch]}
    memory |= {f"{name}_bytes": viper[name] for name in THINGS}
    return rows, memory


def main() -> None:
    """Measure, print, write results/mcu.json; do nothing where the boards cannot run."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for arch in BOARDS:
        reason = MCU_TARGETS[f"qemu-{arch}"].missing()
        if reason:
            print(f"no instructions counted: {reason}")
            return
    source = program()
    found = [measure(arch, source) for arch in BOARDS]
    rows = [row for part, _ in found for row in part]
    memory = [row for _, row in found]
    show("instructions, digits 64-32-10 (2,410 weights)", rows)
    show("heap on a 32-bit board, bytes; the update as sent", memory)
    save("mcu", rows=rows, memory=memory)


if __name__ == "__main__":
    main()
