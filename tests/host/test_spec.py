"""The worked examples of shared/SPEC.md and SPEC-node.md are what the core does.

An example is a comment before the text that shows it, so that it does not clutter the page:

    <!-- example mul 84 84 = 88 --> `mul 84 84 = 88`

A form is added by a function in `FORMS`: the words before the `=` in, the words behind out.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sil import bytesil, guarded, intmath, jsil, layers, protocol, protocol_hub, rho

SPEC = Path(__file__).parents[2] / "shared" / "SPEC.md"
TEXT = "\n\n".join(
    file.read_text(encoding="utf-8") for file in (SPEC, SPEC.with_name("SPEC-node.md"))
)
_EXAMPLE = re.compile(r"<!--\s*example\s+(?P<says>.*?)\s*-->(?P<shown>.*?)(?=<!--|\n\n|\Z)", re.S)


def byte(value: int) -> str:
    return f"{value:02X}"


def binary(operation: Callable[[int, int], int]) -> Callable[..., str]:
    """Return the form of an operation on two bytes: two hex digits each."""
    return lambda a, b: byte(operation(int(a, 16), int(b, 16)))


def config(version: str, node: str, mask: str) -> str:
    """version and node in decimal, the mask of layers in hex: five bytes."""
    made = layers.LisConfig(int(version), int(node), int(mask, 16))
    assert layers.config_from_bytes(made.to_bytes()) == made
    return made.to_bytes().hex(" ").upper()


def rand16(seed: str) -> str:
    """The first four numbers of a seed."""
    rand = intmath.Rand16(int(seed))
    return " ".join(str(rand.next()) for _ in range(4))


def guarded_number(value: str) -> str:
    """A number in decimal."""
    out = bytearray(4)
    return out[: guarded.put(out, 0, int(value))].hex(" ").upper()


def stream(mode: str, *frames: str) -> str:
    """A mode's name, then frames in hex, each a block."""
    number = [name.lower() for name in jsil.MODE_NAMES].index(mode)
    made = jsil.pack([bytes.fromhex(frame) for frame in frames], number, group=1)
    assert [frame.hex() for frame in jsil.unpack(made)] == [frame.lower() for frame in frames]
    return made.hex(" ").upper()


def order(*fields: str) -> str:
    """Round, seed, the last round counted, epochs, flags, proximal: the head of an ORDER."""
    out = bytearray(protocol.ORDER_HEAD)
    number, seed, counted, epochs, flags, proximal = map(int, fields)
    protocol_hub.write_order_head(out, number, seed, counted, epochs, flags, proximal)
    return out.hex(" ").upper()


def model(signed: str, share: str, number: str, seed: str, *units: str) -> str:
    """The head of a MODEL that is drawn from its seed."""
    task = protocol.Task(tuple(map(int, units)), signed == "1", int(share))
    head = protocol_hub.write_model_head(task, protocol.SEEDED, int(number), int(seed))
    assert vars(protocol.read_model_head(head)) == vars(task)
    return head.hex(" ").upper()


def reported(number: str, samples: str, right: str) -> str:
    """The head of an UPDATE."""
    out = bytearray(protocol.UPDATE_HEAD)
    protocol.write_update_head(out, int(number), int(samples), int(right))
    return out.hex(" ").upper()


FORMS: dict[str, Callable[..., str]] = {
    "mul": binary(bytesil.mul),
    "div": binary(bytesil.div),
    "mix": binary(bytesil.mix),
    "dec": lambda code: str(bytesil.decode(int(code, 16))),
    "enc": lambda value: byte(bytesil.encode(int(value))),
    "config": config,
    "guarded": guarded_number,
    "jsil": stream,
    "order": order,
    "model": model,
    "update": reported,
    "rand16": rand16,
    "rho": lambda vector: str(rho.rho_sil(bytes.fromhex(vector))),
}


def check(says: str) -> None:
    """Hold one example to the core."""
    question, equals, answer = says.partition("=")
    form, *arguments = question.split()
    assert equals, f"example {says!r} has no '='"
    assert form in FORMS, f"example {says!r}: no form {form!r}; there are {', '.join(FORMS)}"
    assert FORMS[form](*arguments) == " ".join(answer.split()), f"example {says!r}"


def examples() -> list[tuple[str, str]]:
    """Return every example of the specifications, and the text that shows it."""
    return [(m["says"], m["shown"]) for m in _EXAMPLE.finditer(TEXT)]


@pytest.mark.parametrize("says", [says for says, _ in examples()])
def test_an_example_is_what_the_core_does(says: str) -> None:
    check(says)


def test_every_form_has_an_example_and_every_comment_is_read() -> None:
    """A mistyped comment is not passed over, and no form stands here for nothing."""
    found = examples()
    assert len(found) == len(re.findall(r"<!--\W*example", TEXT, re.IGNORECASE)) > 0
    assert {says.split()[0] for says, _ in found} == set(FORMS)


def test_readers_see_what_is_tested() -> None:
    """The text behind an example's comment shows its result."""
    for says, shown in examples():
        assert says.partition("=")[2].strip() in " ".join(shown.split()), says


def test_names_of_bytes() -> None:
    """The table of section 1 names the constants of `sil.bytesil` with their values."""
    rows = re.findall(
        r"^\| ([A-Z_]+) \| `([0-9A-F]{2})` \|", SPEC.read_text(encoding="utf-8"), re.M
    )
    assert len(rows) >= 6
    for name, code in rows:
        assert getattr(bytesil, name) == int(code, 16), name


@pytest.mark.parametrize(
    "says", ["mul 84 84 = 89", "mul 84 84", "cube 84 = 8C", "config 1 4660 0011 = 01 34 12 11"]
)
def test_a_wrong_example_is_caught(says: str) -> None:
    with pytest.raises(AssertionError):
        check(says)
