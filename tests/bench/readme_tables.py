"""Write the tables of README.md and RESULTS.md from results/*.json: they quote what was printed.

RESULTS.md has every row; the README those that decide whether somebody reads on.

    python tests/bench/readme_tables.py     # after `make bench`, which ends with it
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Strings = tuple[str, ...]
PAGES = (HERE.parents[1] / "README.md", HERE / "RESULTS.md")


def rows(name: str, key: str = "rows") -> list[dict[str, Any]]:
    """Return the rows of results/<name>.json."""
    return json.loads((HERE / "results" / f"{name}.json").read_text())[key]


def table(heads: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table; its first column is text, the others numbers."""
    heads = list(heads)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def brief_learning() -> str:
    """Return what `learning` has of digits on the small network."""
    return learning(("digits, IID", "digits, Dirichlet 0.3"), ("float32 FedAvg", "5 %", "1.8 %"))


def learning(data: Strings = (), sent: Strings = ()) -> str:
    """Return accuracies and bytes of a board and round: all of them, or those named."""
    body = [
        (
            f"{r['data']}: {r['sent']}",
            f"{r['accuracy']:.2f} ± {r['sd']:.2f}",
            "" if r["sent"].startswith("float32") else f"{r['to_float32']:+.2f} ± {r['se']:.2f}",
            f"{r['bytes_up']:,.0f}",
            f"{r['bytes_down']:,.0f}",
            r["seeds"],
        )
        for r in rows("learning")
        if (not data or r["data"] in data) and (not sent or r["sent"] in sent)
    ]
    heads = (
        "data: share of weights sent",
        "accuracy %",
        "to float32, pt",
        "B up",
        "B down",
        "seeds",
    )
    return table(heads, body)


def brief_streams() -> str:
    """Return what `streams` has of updates that are sent, and of recordings."""
    return streams(("update 5 % up, 2,410", "update dense up, 2,410", "checkpoint (5 %), 2,410",
                    "11 checkpoints (5 %)", "recording"))  # fmt: skip


def streams(kinds: Strings = ("",)) -> str:
    """Return JSIL beside general compressors: all streams, or those whose name begins so."""
    body = [
        (
            r["stream"], f"{r['raw']:,}", f"**{r['jsil']:,.0f}**", f"{r['brotli']:,.0f}",
            f"{r['zstd']:,.0f}", f"{r['zlib']:,.0f}", f"{r['order0']:,.0f}",
        )
        for r in rows("jsil")
        if r["stream"].startswith(kinds)
    ]  # fmt: skip
    return table(
        ("stream, bytes", "raw", "JSIL", "brotli-11", "zstd-19", "zlib-9", "order-0"), body
    )


def rules() -> str:
    """Return the three ideas of aggregation."""
    found = rows("aggregate")
    cases = [key for key in found[0] if key != "rule" and not key.startswith("sd ")]
    body = [(r["rule"], *(f"{r[c]:.1f} ± {r[f'sd {c}']:.1f}" for c in cases)) for r in found]
    return table(("rule, accuracy % on digits", *cases), body)


def proximal() -> str:
    """Return what drawing boards back does, a row a way and strength."""
    body = [
        (
            f"{r['sent']}, mu {r['mu']}",
            f"{r['accuracy']:.2f} ± {r['sd']:.2f}",
            "" if r["mu"] == "0" else f"{r['to_none']:+.2f} ± {r['se']:.2f}",
            "" if r["mu"] == "0" else f"{r['early_to_none']:+.2f} ± {r['early_se']:.2f}",
            f"{r['sway']:.2f}",
            r["seeds"],
        )
        for r in rows("proximal")
    ]
    heads = (
        "digits, Dirichlet 0.3, 5 epochs", "accuracy %", "to mu 0, pt", "first ten rounds, pt",
        "sway, pt", "seeds",
    )  # fmt: skip
    return table(heads, body)


def fleet() -> str:
    """Return the time of a round of 1000 boards."""
    body = [(r["boards"], r["processes"], f"{r['round_s']:.2f} s") for r in rows("fleet")]
    return table(("boards", "processes", "one round"), body)


def vmfleet() -> str:
    """Return thirty boards as real processes that are killed, by kind of line."""
    whole = rows("vmfleet")[0]
    body = [
        (
            r["link"], r["boards"], r["kills"], f"{r['up_a_round']:,.0f}",
            f"{r['down_a_round']:,.0f}", whole["accuracy"], f"{whole['to_simulator']:+.2f}",
            whole["lost"],
        )
        for r in rows("vmfleet", "links")
    ]  # fmt: skip
    heads = (
        "boards by", "boards", "kills", "B up", "B down", "accuracy %", "to undisturbed, pt",
        "updates lost",
    )  # fmt: skip
    return table(heads, body)


def mcu() -> str:
    """Return instructions on emulated 32-bit microcontrollers."""
    body = [
        (f"{r['board']}: {r['task']}", f"{r['viper']:,}", f"{r['bytecode']:,}", f"{r['ratio']:.0f}")
        for r in rows("mcu")
    ]
    return table(("instructions", "viper", "bytecode", "ratio"), body)


def hub() -> str:
    """Return the hub's rules beside Flower's."""
    body = [
        (
            f"{r['rule']}, {r['boards']} of {r['weights']:,}", f"{r['ms']:.1f}",
            f"{r['ms_1']:.1f}", f"{r['flower_ms']:.1f}", f"{r['ratio']:.1f}",
            f"{r['ratio_whole']:.2f}",
        )
        for r in rows("hub")
    ]  # fmt: skip
    heads = ("ms", "on one core", "Flower, ms", "ratio", "decoding included")
    return table(("rule, boards of weights", *heads), body)


def decoding() -> str:
    """Return what the hub takes to decode one update."""
    body = [
        (
            f"{r['weights']:,} weights, {r['sent']} sent", f"{r['bytes']:,}",
            f"{r['float32_bytes']:,}", f"{r['ms']:.2f}",
        )
        for r in rows("hub", "decoding")
    ]  # fmt: skip
    return table(("one update", "bytes", "as float32", "decoding, ms"), body)


def brief_robust() -> str:
    """Return what the default rule withstands, beside the mean."""
    return robust(("mean", "nnm-trimmed"), ("dense",), (2,))


def robust(names: Strings = (), sent: Strings = (), fs: tuple[int, ...] = ()) -> str:
    """Return accuracies under attack: of all rules, ways and numbers of liars, or those named."""
    attacks = ("none", "sign flip", "Gaussian", "saturate", "label flip", "ALIE", "IPM")
    body = [
        (
            f"{r['rule']}, {r['sent']}, {r['split']}, f = {r['f']}",
            *(f"{r[a]:.1f} ± {r[f'sd {a}']:.1f}" for a in attacks),
            f"{r['worst_loss']:.2f}",
        )
        for r in rows("robust")
        if (not names or r["rule"] in names)
        and (not sent or r["sent"] in sent)
        and (not fs or r["f"] in fs)
    ]
    return table(("rule, accuracy % on digits", *attacks, "worst loss, pt"), body)


def nodes() -> str:
    """Return the heap of whole nodes."""
    body = [
        (f"{r['node']}, {r['vm']}", f"{r['used']:,}", f"{r['least heap']:,}")
        for r in rows("memory", "nodes")
    ]
    return table(("node, VM", "in use, bytes", "least heap, bytes"), body)


def capacity() -> str:
    """Return how many boards a hub serves, and its memory with a thousand."""
    steps, served = rows("capacity", "steps"), rows("capacity")
    said = {"idle": "silent"}
    thousand = [r for r in steps if r["boards"] == 1000 and r not in served]
    body = [
        (
            f"{r['boards']:,} boards, {said.get(r['mode'], r['mode'])}{most}",
            f"{r['states_s']:,}", f"{r['cpu']:.0f} %", f"{r['lag_ms']:.0f}", f"{r['rss_mb']:.0f}",
        )
        for most, some in (("", thousand), (": the most", served))
        for r in some
    ]  # fmt: skip
    return table(("10 states a second each", "states/s", "of a core", "lag, ms", "MB"), body)


def secure() -> str:
    """Return what masked rounds send, beside plain ones."""
    body = [
        (
            r["rounds"], f"{r['accuracy']:.2f}",
            *(f"{r[key]:,}" for key in ("up", "down", "line_up", "line_down")),
        )
        for r in rows("secure", "costs")
    ]  # fmt: skip
    heads = ("rounds", "accuracy %", "B up", "B down", "line, B up", "line, B down")
    return table(heads, body)


def masking() -> str:
    """Return how long making a part of a masked sum takes."""
    body = [
        (f"{r['boards']} boards, {r['weights']:,} weights", f"{r['ms']:,}")
        for r in rows("secure", "times")
    ]
    return table(("a group and its model", "ms"), body)


def privacy() -> str:
    """Return accuracies of private federations, a row a fleet."""
    found: dict[tuple[int, str], dict[str, float]] = {}
    for r in rows("privacy"):
        found.setdefault((r["boards"], r["network"]), {})[r["epsilon"]] = r["accuracy"]
    body = [
        (f"{boards} boards, {network}", *(f"{by[e]:.1f}" for e in ("none", "8", "4", "2")))
        for (boards, network), by in found.items()
    ]
    return table(("accuracy %", "no noise", "ε = 8", "ε = 4", "ε = 2"), body)


TABLES = {
    "brief-learning": brief_learning, "learning": learning, "brief-streams": brief_streams,
    "streams": streams, "rules": rules, "proximal": proximal, "fleet": fleet,
    "vmfleet": vmfleet, "mcu": mcu,
    "nodes": nodes, "hub": hub, "decoding": decoding, "capacity": capacity, "privacy": privacy,
    "brief-robust": brief_robust, "robust": robust, "secure": secure, "masking": masking,
}  # fmt: skip
_MARKED = re.compile(r"(<!-- ([a-z-]+) -->\n).*?(\n<!-- /\2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return a page's text with each table between its marks renewed."""
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> None:
    """Renew the tables of all pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text()))
        print(f"wrote the tables of {page.name}")


if __name__ == "__main__":
    main()
