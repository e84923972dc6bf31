"""The host's own forms of kernels do what the core's do: same result, same buffers."""

import copy
import random
from array import array
from collections.abc import Iterator
from typing import Any

import pytest

from paebiru import accel, fast_entropy
from paebiru.federated.rounds import Federation
from sil import coder, coder_tables, nn, protocol
from sil.coder import Coder
from sil.crc import Crc32
from sil.errors import FormatError
from sil.kernels import entropy, spans, wire
from sil.payload import Payload

SHAPES = ((68, 1, (9, 5, 3)), (68, 2, (9, 5, 3)), (16, 5, ()), (40, 3, ()), (300, 1, ()))
"""Elements, frames a block, rows: of a network, of states, of a row each, and loose ones."""
WEIGHTS = 22  # where they begin in `st`
CASES = 12


@pytest.fixture(scope="module", autouse=True)
def numba() -> Iterator[None]:
    """Kernels compiled, for this file only."""
    accel.install("numba")
    yield
    accel.install("plain")


def plain(module: Any, name: str) -> Any:
    """Return the core's own kernel."""
    return accel.kernel_functions(module)[name]


def case(rng: random.Random, shape: tuple[int, int, tuple[int, ...]], decode: int) -> list[Any]:
    """Return arguments of `entropy.code`: a model at some state, a block of some density."""
    size, group, rows = shape
    n, delta = size * group, rng.randrange(2)
    parts = coder.segments(size, group, rows)
    wide = max(rows) if rows else parts[0]
    density = rng.choice((0, 1, 3, 6, 8, 12, 15))
    symbols = bytearray(
        rng.randrange(256) if rng.random() < 2 ** (-density / 2) else 0 for _ in range(n)
    )
    data = bytes([rng.randrange(255)]) + rng.randbytes(rng.choice((0, 3, n)))
    out, end = bytearray(n + 8), len(data)
    if not decode:
        data, end = b"\0", rng.choice((1, n // 4, n + 8))
    st = array("i", bytes(4 * (WEIGHTS + 60)))
    most = rng.choice((9000, 40000, 65535))  # near their limits in a third
    st[WEIGHTS:] = array("i", [rng.randint(-most // 2, most) for _ in range(60)])
    for i, value in enumerate(
        (0, end, 0, 0xFFFFFFF, n, len(parts) // 3, wide, size * delta, delta, rng.randrange(2))
    ):
        st[i] = value
    st[10] = decode
    st[11] = density * 16 + rng.randrange(16)
    if decode:
        spans.begin(data, st)
    else:
        st[0] = 1
    prob, count = array("H", bytes(2 * coder.SLOTS)), bytearray(coder.SLOTS)
    spans.start(coder_tables.PRIORS, coder.SLOTS, prob, count, coder_tables.table(False))
    if rng.randrange(2):
        prob = array("H", [rng.choice((16, 65519, rng.randint(16, 65519))) for _ in prob])
        count = bytearray(rng.choice((0, 126, 127, rng.randrange(128))) for _ in count)
    return [data, out, symbols, bytearray(rng.randbytes(2 * n)), bytearray(rng.randbytes(n)), prob,
            count, st, coder_tables.table(parts[2] == 16), array("H", bytes(4 * wide)),
            array("H", parts)]  # fmt: skip


@pytest.mark.parametrize("decode", [0, 1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_loop_is_the_kernel(shape: tuple[int, int, tuple[int, ...]], decode: int) -> None:
    """From the same arguments: the same place, bytes, elements, model and columns.

    Where the room did not suffice nobody goes on from the model, and it is not looked at.
    """
    rng = random.Random(f"{shape} {decode}")
    ends = set()
    for _ in range(CASES):
        ours = case(rng, shape, decode)
        theirs = [copy.copy(a) for a in ours]
        end = entropy.code(*ours)
        assert end == plain(entropy, "code")(*theirs)
        del ours[7][12:22], theirs[7][12:22]  # the kernel's slots and logits: its own scratch
        assert ours[1] == theirs[1] if end < 0 else ours == theirs
        ends.add(end)
    assert decode or -1 in ends  # rooms that did not suffice are among them
    assert len(ends) > 3


def test_what_it_looks_up_is_what_the_kernel_makes_of_its_table() -> None:
    """Logits grow with the probability, and the logistic function brings them back."""
    logistic, logit = fast_entropy.whole_tables()
    assert logistic.shape == (1 << 17,)
    assert logit.shape == (1 << 16,)
    assert logit[32768] == 0
    assert (logit[1:] >= logit[:-1]).all()
    assert (logistic[1:] >= logistic[:-1]).all()
    for p in range(300, 65300, 97):
        back = int(logistic[int(logit[p]) + (1 << 16)])
        step = 256 if 4096 <= p <= 61440 else 16  # of the probabilities that are told apart
        assert abs(back - p) <= step // 2 + p * (65536 - p) // (65536 * 256) + 2  # and of logits


@pytest.mark.parametrize("share", [1.0, 0.05, 0.0])
def test_payloads_are_the_plain_ones(share: float) -> None:
    """Both ends, through their caller: the same payload, and the frame again."""
    rng, sizes = random.Random(share), (60, 30, 10)
    first = nn.initial_codes(sizes, 1)
    codes = [code ^ sign for code in range(0x10, 0xA0, 5) for sign in (0, 8)]
    frame = bytearray(rng.choice(codes) if rng.random() < share else 0 for _ in first)
    base = array("h", [value + rng.randrange(-90, 90) for value in nn.decode(first)])
    payloads = []
    for backend in ("plain", "numba"):
        accel.install(backend)
        payload = Payload(sizes, first)
        payload.expect(base)
        out = bytearray(payload.limit)
        body = bytes(out[: payload.encode(frame, out)])
        back = bytearray(len(frame))
        payload.decode(body, back)
        assert back == frame
        payloads.append(body)
    assert payloads[0] == payloads[1]
    for at in range(0, len(body), len(body) // 7 + 1):
        with pytest.raises(FormatError):
            payload.decode(body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :], back)


def test_a_hostile_body_is_decoded_to_the_same() -> None:
    """Ones and nothing else, to a large network: what lies beyond the interval must not grow."""
    body, frames = bytearray(b"\xd0" + b"\xff" * 60), []
    for backend in ("plain", "numba"):
        accel.install(backend)
        frames.append(bytearray(25450))
        Coder(25450, 1, (784, 32, 10)).decode(body, 0, 61, frames[-1], 0, 25450, 0, None)
    assert frames[0] == frames[1]


def signatures() -> dict[str, int]:
    """Return for how many kinds of arguments each kernel is compiled."""
    found = {f"{m.__name__}.{name}": getattr(m, name)
             for m in accel.kernel_modules() for name in accel.kernel_functions(m)}  # fmt: skip
    for run in entropy.code.__closure__:
        if hasattr(run.cell_contents, "signatures"):
            found[str(run.cell_contents)] = run.cell_contents
    return {name: len(k.signatures) for name, k in found.items() if hasattr(k, "signatures")}


def test_a_hub_that_is_ready_compiles_nothing_for_updates() -> None:
    """Whatever an update is like: dense and long, sparse, or as bytes."""
    accel.install("plain")
    accel.install("numba")
    assert not sum(signatures().values())
    accel.ready()
    before, rng = signatures(), random.Random(4)
    assert sum(before.values()) > 12
    federation = Federation(protocol.Task((60, 30, 10), False, 10000))
    federation.open()
    head = bytearray(protocol.UPDATE_HEAD)
    protocol.write_update_head(head, 1, 9, 5)
    sizes = []
    for device, frame in enumerate((
        bytearray(federation.first), bytearray(len(federation.first)),
        bytearray(rng.randbytes(len(federation.first))),
    )):  # fmt: skip
        sender = Payload((60, 30, 10), federation.first)
        sender.expect(federation.master.base)
        body = bytearray(sender.limit)
        size = sender.encode(frame, body)
        federation.take(bytes([device]) * 8, bytes(head + body[:size]))
        assert federation.updates[bytes([device]) * 8].frame == frame
        sizes.append(size)
    federation.close()
    assert signatures() == before
    assert sizes[1] < 40 < 1024 < sizes[0] < sizes[2]


def test_crc_is_the_kernel() -> None:
    """CRC-32 from any place of any buffer, going on from any sum."""
    rng = random.Random(32)
    table = Crc32()._table
    for kind in (bytes, bytearray, memoryview):
        for _ in range(20):
            buf = kind(rng.randbytes(90))
            start = rng.randrange(90)
            end = rng.randint(start, 90)
            ours = array("H", [rng.randrange(1 << 16), rng.randrange(1 << 16)])
            theirs = ours[:]
            assert wire.crc32(buf, start, end, table, ours) == 0
            assert plain(wire, "crc32")(buf, start, end, table, theirs) == 0
            assert ours == theirs
