"""Write node.json: what node and hub say to each other (SPEC-node.md), from the layouts there.

Nothing of `sil` is used: `struct` packs what the core writes field by field.
"""

import json
import struct
from pathlib import Path

OUT = Path(__file__).with_name("node.json")
VERSION = 2
SEED = 305419896


def orders() -> list[dict]:
    """Heads of ORDER objects: the least, the most, and a usual one."""
    fields = ("round", "seed", "counted", "epochs", "flags", "proximal")
    most = (1 << 29) - 1
    cases = [(1, 0, 0, 1, 2, 0), (7, SEED, 6, 5, 3, 328), (most, most, most, 100, 3, 32768)]
    return [
        {**dict(zip(fields, case, strict=True)), "bytes": struct.pack("<IIIBBH", *case).hex()}
        for case in cases
    ]


def models() -> list[dict]:
    """Heads of MODEL objects."""
    cases = []
    for signed, share, sizes, lb, lrs in ((0, 500, (64, 32, 10), 3, 3), (1, 10000, (13, 3), 0, 8)):
        head = struct.pack(
            "<BBBBBBHII", VERSION, signed | 2 | 4, len(sizes), lb, lrs, 0, share, 9, SEED
        )
        cases.append({
            "signed": signed, "share": share, "sizes": sizes, "lb": lb, "lrs": lrs, "flags": 6,
            "round": 9, "seed": SEED,
            "bytes": (head + struct.pack(f"<{len(sizes)}H", *sizes)).hex(),
        })  # fmt: skip
    return cases


def updates() -> list[dict]:
    """Heads of UPDATE objects."""
    cases = [(1, 0, 0), (7, 100, 93), ((1 << 29) - 1, 65535, 65535)]
    return [
        {"round": n, "samples": s, "right": r, "bytes": struct.pack("<IHH", n, s, r).hex()}
        for n, s, r in cases
    ]


def statuses() -> list[dict]:
    """STATUS posts."""
    name = bytes(range(0xA0, 0xA8))
    cases = [(0, 0, 0, 0, 0, 0, 0, 0), (2, 15, 1, 7, 300, 100, 64, 0x1FF)]
    fields = ("phase", "branch", "flags", "round", "generation", "samples", "inputs", "layers")
    return [
        {
            **dict(zip(fields, case, strict=True)), "model": name.hex(),
            "bytes": struct.pack("<BBBBIIHH8sH", VERSION, *case[:7], name, case[7]).hex(),
        }
        for case in cases
    ]  # fmt: skip


def main() -> None:
    golden = {
        "orders": orders(), "models": models(), "updates": updates(), "statuses": statuses(),
    }  # fmt: skip
    OUT.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"wrote {OUT.name}")


if __name__ == "__main__":
    main()
