"""When states were taken decides, not the order in which they come; docstrings are invariants."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_lab import BOARDS, Arrival, Batch, Room, config, state
from paebiru.fusion.clock import BoardClock
from paebiru.fusion.merge import ONE, RULES, Merged, Reading, Rule, merge
from sil import bytesil
from sil.compat import ticks_add
from sil.errors import FormatError

HORIZON = 4000
SPAN = 20_000  # ms of a board's states in these tests
BEGIN = 100_000  # of the boards' clocks, on the hub's
END = BEGIN + SPAN + 3 * HORIZON

bytes_ = st.integers(0, 255)


@st.composite
def histories(draw: st.DrawFn) -> list[Arrival]:
    """Batches of two boards, each clock with its own start, as they come when nothing is slow."""
    arrivals = []
    for board in BOARDS[:2]:
        period = draw(st.sampled_from([200, 250, 500, 1000, 1300]))
        size = draw(st.integers(1, max(1, 2000 // period)))
        offset = draw(st.integers(-50_000, 50_000))
        board_time = BEGIN - offset
        for at in range(0, SPAN, period * size):
            states = [state(l0=draw(bytes_), l3=draw(bytes_)) for _ in range(size)]
            batch = Batch(board_time + at, period, states)
            arrivals.append(Arrival(BEGIN + at + (size - 1) * period, board, batch))
    return arrivals


@settings(max_examples=40)
@given(histories(), st.integers(0, 2**32), st.sampled_from([0, 100]))
def test_late_and_out_of_order_is_the_same(arrivals: list[Arrival], seed: int, ppm: int) -> None:
    """Delays within the horizon, even out of order, change no fused state, and lose none.

    Where clocks may drift, stamps move by so much of the time since a batch came fast (3.6 ms of
    36 s): states that are closer than that to a tick are left out of the claim.
    """
    if ppm:
        arrivals = [Arrival(a.now + 137, a.board, a.batch) for a in arrivals]
    prompt = Room(config(drift_ppm=ppm)).play(arrivals, END, BEGIN)
    random = Random(seed)
    heard: set[bytes] = set()
    delayed = []
    for arrival in arrivals:
        # A batch's first state is the oldest; one batch of each board shows how fast its line is.
        age = (len(arrival.batch.states) - 1) * arrival.batch.period
        most = HORIZON - age - 10 if arrival.board in heard else 0
        heard.add(arrival.board)
        delayed.append(Arrival(arrival.now + random.randint(0, most), arrival.board, arrival.batch))
    random.shuffle(delayed)
    room = Room(config(drift_ppm=ppm))
    assert room.play(delayed, END, BEGIN) == prompt
    for board in BOARDS[:2]:
        counts = room.counts(board)
        assert counts["late"] == counts["twice"] == counts["crowded"] == 0
        assert counts["taken"] == sum(len(a.batch.states) for a in arrivals if a.board == board)
        assert counts["worst_ms"] < HORIZON


@settings(max_examples=40)
@given(histories(), st.lists(st.integers(0, SPAN + 3 * HORIZON), max_size=30))
def test_ticks_may_be_asked_for_at_any_time(arrivals: list[Arrival], asked: list[int]) -> None:
    """How often the hub looks changes nothing, and every tick is told once, in order."""
    prompt = Room(config()).play(arrivals, END, BEGIN)
    room = Room(config())
    room.fusion.tick(BEGIN)
    moments: list[Any] = [(a.now, 1, a) for a in arrivals] + [(BEGIN + t, 0, None) for t in asked]
    for now, _, arrival in sorted(moments, key=lambda moment: moment[:2]):
        if arrival:
            room.fusion.on_states(arrival.board, arrival.batch, now)
        else:
            room.fusion.tick(now)
    room.fusion.tick(END)
    assert [(fused.time, fused.raw.hex()) for fused in room.fused] == prompt
    times = [time for time, _ in prompt]
    assert times == list(range(times[0], times[-1] + 1, 1000))
    assert times[-1] == (END - HORIZON) // 1000 * 1000


@settings(max_examples=40)
@given(histories(), st.integers(0, 2**32))
def test_every_state_is_accounted_for(arrivals: list[Arrival], seed: int) -> None:
    """Whatever the delays, taken + late + twice is what came; a late one changes nothing."""
    random = Random(seed)
    late = [
        Arrival(a.now + random.choice((0, 0, 3 * HORIZON)), a.board, a.batch) for a in arrivals
    ] + [Arrival(a.now + 1, a.board, a.batch) for a in random.sample(arrivals, 3)]
    room = Room(config())
    room.play(late, END + 3 * HORIZON, BEGIN)
    for board in BOARDS[:2]:
        counts = room.counts(board)
        came = sum(len(a.batch.states) for a in late if a.board == board)
        assert counts["taken"] + counts["late"] + counts["twice"] == came
        assert counts["waiting"] <= 1  # the newest, which may still stand for the board


def test_the_horizon_is_where_it_says() -> None:
    """Of age horizon - 1 a state counts; at the moment when its tick is fused it is late."""
    for age, is_late in ((HORIZON - 1, False), (HORIZON, True)):
        room = Room(config(1))
        prompt = Batch(0, 1000, [state(l0=0x81)])
        slow = Batch(2000, 1000, [state(l0=0x92)])
        arrivals = [
            Arrival(BEGIN, BOARDS[0], prompt),
            Arrival(BEGIN + 2000 + age, BOARDS[0], slow),
        ]
        states = dict(room.play(arrivals, END, BEGIN))
        assert room.counts(BOARDS[0])["late"] == is_late
        assert states[BEGIN + 2000][:2] == ("81" if is_late else "92")


def test_two_states_of_one_moment_are_one_in_either_order() -> None:
    for first, second in ((0x81, 0x92), (0x92, 0x81)):
        room = Room(config(1))
        room.play(
            [
                Arrival(BEGIN, BOARDS[0], Batch(0, 1000, [state(l0=first)], lost=2)),
                Arrival(BEGIN + 5, BOARDS[0], Batch(0, 1000, [state(l0=second)], lost=2)),
            ],
            END,
            BEGIN,
        )
        counts = room.counts(BOARDS[0])
        assert (counts["taken"], counts["twice"], counts["lost"]) == (1, 1, 2)
        assert next(fused.raw[0] for fused in room.fused if fused.time == BEGIN) == 0x92


def test_a_silent_board_is_null_after_its_hold() -> None:
    room = Room(config(1))
    arrivals = [Arrival(BEGIN, BOARDS[0], Batch(7, 1000, [state(l2=0x85)]))]
    states = dict(room.play(arrivals, END, BEGIN))
    assert [states[BEGIN + t][4:6] for t in (-1000, 0, 1000, 2000, 3000)] == [
        "00", "85", "85", "85", "00",
    ]  # fmt: skip
    assert states[BEGIN + 3000][14:16] == "85"  # the context stays


def test_boards_of_different_layers_make_one_state() -> None:
    room = Room(config(2))
    arrivals = [
        Arrival(BEGIN, BOARDS[0], Batch(5, 1000, [state(l0=0x81, l1=0x74)])),
        # Nothing but L0-L4 is taken: the rest of a board's view came from the hub.
        Arrival(BEGIN, BOARDS[1], Batch(9, 1000, [state(l4=0x9C, l5=0x83, l6=0x84, l7=0xA1)])),
    ]
    room.play(arrivals, END, BEGIN)
    raw = next(fused.raw for fused in room.fused if fused.time == BEGIN)
    assert raw[:7] == bytes((0x81, 0x74, 0, 0, 0x9C, 0, 0)) and not any(raw[8:])


def test_a_restart_is_another_clock() -> None:
    """Told by HEALTH at once; untold after the horizon, and the states of then are late."""
    for is_told in (True, False):
        room = Room(config(1))
        fusion = room.fusion
        fusion.tick(BEGIN)
        fusion.on_boots(BOARDS[0], 3)
        for t in range(0, 20_000, 1000):
            if t == 10_000 and is_told:
                fusion.on_boots(BOARDS[0], 4)
            clock = 50_000 + t if t < 10_000 else t - 10_000
            batch = Batch(clock, 1000, [state(l0=0x80 + t // 1000 % 16)])
            fusion.on_states(BOARDS[0], batch, BEGIN + t)
        fusion.tick(END)
        counts = room.counts(BOARDS[0])
        assert counts["lives"] == 2
        assert counts["late"] == (0 if is_told else HORIZON // 1000)
        states = {fused.time: fused.raw[0] for fused in room.fused}
        ticks = [t for t in range(0, 20_000, 1000) if is_told or not 10_000 <= t < 14_000]
        assert all(states[BEGIN + t] == 0x80 + t // 1000 % 16 for t in ticks)


def test_a_backlog_is_late_and_no_restart() -> None:
    room = Room(config(1))
    fusion = room.fusion
    fusion.tick(BEGIN)
    fusion.on_states(BOARDS[0], Batch(0, 1000, [state(l0=0x80)]), BEGIN)
    for t in range(1000, 20_000, 1000):  # all at once, as the line comes back
        fusion.on_states(BOARDS[0], Batch(t, 1000, [state(l0=0x81)]), BEGIN + 20_000)
    fusion.on_states(BOARDS[0], Batch(20_000, 1000, [state(l0=0x82)]), BEGIN + 20_000)
    counts = room.counts(BOARDS[0])
    assert (counts["lives"], counts["late"], counts["taken"]) == (1, 16, 5)


@given(st.integers(-100, 100), st.integers(0, 2**29 - 1), st.integers(0, 2**32))
def test_a_clock_is_known_to_its_drift_and_the_line(ppm: int, begin: int, seed: int) -> None:
    """The offset is never before the truth, and behind it by no more than the delay and drift."""
    random = Random(seed)
    clock = BoardClock(100)
    worst = 0
    for n in range(400):  # of 10 min each: through the wrap of 29 bits, which is after 6.2 days
        hub = 600_000 * n
        board = begin + hub * (1_000_000 + ppm) // 1_000_000
        delay = random.choice((5, 40, 900))
        clock.hear(clock.unwrap(ticks_add(board, 0)), hub + delay)
        error = clock.offset(hub + delay) - (hub - board)
        worst = max(worst, error)
        # Bounds loosen by 100 ppm, a slow board needs up to 100 of them; the rest is slack: at
        # most 200 ppm of the time since a batch came fast.
        assert error >= -1
        if n > 40:
            assert error <= 900
    assert worst >= 5


def test_memory_is_bounded() -> None:
    """A board that sends ever so much, and a hub that is not asked, keep what there is room for."""
    room = Room(config(1, room=32, horizon_ms=86_400_000))
    fusion = room.fusion
    fusion.tick(BEGIN)
    for t in range(500):
        fusion.on_states(BOARDS[0], Batch(t * 100, 50, [state(l0=0x80)] * 2), BEGIN + t * 100)
        assert room.counts(BOARDS[0])["waiting"] <= 32
    counts = room.counts(BOARDS[0])
    assert (counts["taken"], counts["crowded"]) == (1000, 968)
    json.dumps(fusion.snapshot())


def test_a_hub_that_slept_leaves_ticks_out() -> None:
    room = Room(config(1))
    room.fusion.tick(BEGIN)
    room.fusion.tick(BEGIN + 10_000_000)
    place = room.fusion.snapshot()["places"]["here"]
    assert (place["fused"], place["skipped"]) == (1000, 9000)
    assert room.fused[-1].time == BEGIN + 10_000_000 - HORIZON


@pytest.mark.parametrize("batch", [Batch(-1, 1000, [bytes(16)]), Batch(0, 1000, [bytes(15)])])
def test_what_is_no_batch_is_refused(batch: Batch) -> None:
    room = Room(config(1))
    with pytest.raises(FormatError, match="a batch has states of 16 bytes"):
        room.fusion.on_states(BOARDS[0], batch, BEGIN)
    room.fusion.on_states(b"stranger", batch, BEGIN)
    assert room.fusion.snapshot()["unplaced"] == 1
    assert room.counts(BOARDS[0])["batches"] == 0


readings = st.lists(st.builds(Reading, st.integers(0, 3), bytes_), max_size=8)


@given(readings, st.sampled_from(RULES), st.randoms(use_true_random=False))
def test_merging_is_blind_to_order(given_: list[Reading], rule: Rule, random: Random) -> None:
    """Any order gives the same; NULL adds nothing; where something was read it is not NULL."""
    merged = merge(given_, rule)
    shuffled = [*given_, Reading(9, bytesil.NULL)]
    random.shuffle(shuffled)
    assert merge(shuffled, rule) == merged
    there = [r.byte for r in given_ if r.byte]
    assert merged.boards == len(there)
    assert bool(merged.byte) == bool(there)
    assert 0 <= merged.agreement <= ONE
    if rule != "mean" and there:
        assert merged.byte in there
    if there:
        assert bytesil.rho(merged.byte) <= max(map(bytesil.rho, there))


@given(st.integers(1, 255), st.integers(1, 6), st.sampled_from(RULES))
def test_boards_that_agree_change_nothing(byte: int, n: int, rule: Rule) -> None:
    """The mean of equal bytes is that byte, in full agreement."""
    assert merge([Reading(0, byte)] * n, rule) == Merged(byte, ONE, n)


@given(st.lists(st.integers(1, 255), min_size=1, max_size=6))
def test_the_mean_is_the_complex_mean(values: list[int]) -> None:
    """Beside floating point: the nearest byte, but for means on the border between two."""
    import cmath

    numbers = [
        cmath.rect(cmath.e ** bytesil.rho(b), bytesil.phase(b) * cmath.pi / 8) for b in values
    ]
    mean = sum(numbers) / len(numbers)
    merged = merge([Reading(0, b) for b in values])
    top = max(abs(number) for number in numbers)
    share = abs(sum(numbers)) / sum(abs(number) for number in numbers)
    assert abs(merged.agreement / ONE - share) < 0.004
    if abs(mean) / top < 0.01:
        return  # they cancel to what 14 bits do not tell well
    rho = bytesil.rho(merged.byte)
    assert abs(cmath.log(mean).real - rho) < 0.52 or (rho == -8 and abs(mean) < cmath.e**-7.5)
    turn = (cmath.phase(mean) * 8 / cmath.pi - bytesil.phase(merged.byte) + 8) % 16 - 8
    assert abs(turn) < 0.6


def test_the_rules_differ_where_they_should() -> None:
    seen = [Reading(5, 0x80), Reading(7, 0x88), Reading(6, 0x94)]
    assert merge(seen, "strongest").byte == 0x94
    assert merge(seen, "newest").byte == 0x88
    assert merge(seen, "mean") == Merged(0x84, 18878, 3)  # 1 - 1 + ei, of 2 + e
    assert merge([Reading(0, 0x80), Reading(0, 0x88)]) == Merged(0x10, 0, 2)
