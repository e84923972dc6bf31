"""Layers 5 to 7 of a place, who is told of them, and what places learn together."""

import json
from array import array
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_lab import BOARDS, Batch, Room, config, state
from paebiru import accel
from paebiru.errors import UsageError
from paebiru.federated.rounds import Federation
from paebiru.fusion.electronic import INPUTS, Electronic, Heard, inputs
from paebiru.fusion.environmental import Environmental
from paebiru.fusion.facade import Outgoing
from paebiru.fusion.participant import Participant, learn_together
from paebiru.fusion.place import Labelled
from paebiru.fusion.psychomotor import ByClass
from sil import bytesil, nn
from sil import protocol as p
from sil.errors import FormatError, ModelError, SilError
from sil.protocol import Task

BEGIN = 100_000
HORIZON = 4000
CLASSES = {"classes": ["rest", "work", "fault"], "hidden": [8]}
FAN = {
    "name": "fan", "when": {"layer": 0, "rho_min": 1}, "then": {"rho": 0, "theta": 4},
    "slack": 2, "hold_ms": 3000,
}  # fmt: skip
ALARM = {"name": "alarm", "when": {"layer": 4, "missing": True}, "then": {"rho": 0, "theta": 8}}


class Answer:
    """What `paebiru.device.Answer` reads from a post."""

    def __init__(self, time: int, found: int, byte: int) -> None:
        self.time, self.found, self.byte = time, found, byte
        self.rho, self.critical = 5000, 16384


class Line(Room):
    """A room whose boards send a state a second, on time; `told` is what they are told."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(config(**changes))
        self.now = BEGIN
        self.told: list[Outgoing] = []
        self.fusion.tick(self.now)

    def second(self, *states: bytes) -> None:
        """Let the boards' states come, one each, then pass a second."""
        for board, raw in zip(BOARDS, states, strict=False):
            if raw:
                self.fusion.on_states(board, Batch(self.now, 1000, [raw]), self.now)
        self.now += 1000
        self.told += self.fusion.tick(self.now)

    def settle(self) -> None:
        """Pass the horizon."""
        for _ in range(HORIZON // 1000):
            self.second()


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    accel.install("numba")
    yield
    accel.install("plain")


# -- layer 5


def test_the_inputs_of_a_layer() -> None:
    row = array("b", inputs(bytes((0, 0x92, 0, 0, 0x6C))))
    assert not any(row[:6]) and not any(row[12:24])
    assert list(row[6:12]) == [32, 8, 23, 23, 0, 32]  # e * exp(i pi/4), the double is i
    assert list(row[24:30]) == [32, -16, 0, -32, -32, 0]


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=5, max_size=5))
def test_inputs_tell_states_apart(a: bytes, b: bytes) -> None:
    """Other bytes, other inputs; within +-2 of Q5."""
    assert (inputs(a) == inputs(b)) == (a == b)
    assert all(-64 <= value <= 64 for value in array("b", inputs(a)))


def test_where_an_answer_is_from_and_why() -> None:
    electronic = Electronic()
    here = bytes((0x81, 0, 0, 0, 0))
    sure = Heard(-1, 10, b"a", 2, 0x72, 3000, 16384)
    unsure = Heard(-3, 20, b"b", 1, 0x51, 4000, 16384)
    assert electronic.decide(here, []).where == "nowhere"
    found = electronic.decide(here, [unsure, sure])
    assert (found.where, found.board, found.byte, found.found) == ("board", b"a", 0x72, 2)
    assert found.why.startswith("the hub has no model; the board found it simple enough")
    sizes = (INPUTS, 3)
    codes = bytearray(nn.check_sizes(sizes))
    codes[INPUTS] = bytesil.encode(4 << 14)  # class 1 where L0 is there
    electronic.load(sizes, bytes(codes))
    found = electronic.decide(here, [sure])
    assert (found.where, found.found, found.byte) == ("hub", 1, bytesil.make(0, 1))
    assert electronic.decide(bytes(5), [sure]).where == "board"
    assert electronic.decide(bytes(5), []).why == "no layer is perceived"
    with pytest.raises(ModelError):
        electronic.load(sizes, bytes(5))
    with pytest.raises(ModelError, match="layer 5 has 30 inputs, not 7"):
        electronic.load((7, 3), bytes(24))
    assert electronic.decide(here, []).where == "hub"  # the model of before


def test_a_boards_answer_holds_for_its_time() -> None:
    line = Line()
    for n in range(12):
        line.second(state(l0=0x80), state(l0=0x81))
        if n in (2, 3):
            line.fusion.on_answer(BOARDS[1], Answer(line.now - 1000, n, 0x70 + n), line.now)
    line.settle()
    decided = {f.time - BEGIN: (f.raw[5], f.decision.where) for f in line.fused}
    assert decided[1000] == (0, "nowhere")
    assert decided[2000] == (0x72, "board")
    assert decided[3000] == decided[5000] == (0x73, "board")
    assert decided[6000] == (0, "nowhere")  # 2.5 s after it was given
    masks = {out.device: out.mask for out in line.told if out.state[5] == 0x72}
    assert set(masks) == {BOARDS[0]}  # who answered is not told so


# -- layer 6


def test_rules_have_slack_and_hold() -> None:
    line = Line(boards=1, rules=[FAN])
    strengths = [0, 1, -2, -2, -1, -1, -2, -1, 0, 1]
    for rho in strengths:
        line.second(state(l0=bytesil.make(rho, 0)))
    line.settle()
    by_tick = {f.time: (f.raw[6], f.rule) for f in line.fused}
    actions = [by_tick[BEGIN + 1000 * i] for i in range(len(strengths))]
    on, off = (0x84, "fan"), (0, "")
    # On at 1 s; -2 is beyond the slack, but held until 4 s; -1 is within it; off at 6 s.
    assert actions == [off, on, on, on, on, on, off, off, off, on]
    outputs = [out.state[6] for out in line.told if out.mask >> 6 & 1]
    assert outputs[0] == 0
    assert 0x84 in outputs


ACTS = {
    "classes": {"work": {"rho": -1, "theta": 2}, "fault": {"rho": 0, "theta": 4}},
    "rho_min": -1, "hold_ms": 3000,
}  # fmt: skip


def by_class(**changes: Any) -> ByClass:
    made = config(electronic=CLASSES, acts={**ACTS, **changes}, rest={"rho": -7})
    form = made.places["here"]
    assert form.acts
    return ByClass(form.acts, made.acts_of(form), form.rest.byte)


def test_the_class_of_layer_5_moves_layer_6() -> None:
    rest, work, fault = (0x10, ""), (0x72, "class:work"), (0x84, "class:fault")
    acts = by_class()
    told = [
        (0, 0x80, rest), (1, 0x71, work),
        (2, 0x82, work), (2, 0x82, work),  # held for 3 s
        (2, 0x62, work), (2, 0x72, fault),  # e**-2 is not sure enough, e**-1 is
        (0, 0x60, fault), (-1, 0, fault), (-1, 0, rest),  # nobody knows: that is sure, but held
    ]  # fmt: skip
    decided = [acts.decide(byte, found, 1000 * n) for n, (found, byte, _) in enumerate(told)]
    assert decided == [wanted for _, _, wanted in told]


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-8, 7)), min_size=1, max_size=40))
def test_what_a_class_does_changes_no_sooner_than_its_hold(seen: list[tuple[int, int]]) -> None:
    """And only to what a class that was sure enough asks for at that tick."""
    acts, free = by_class(), by_class(hold_ms=0, rho_min=-8)
    before, changed = (0x10, ""), -3000
    for n, (found, rho) in enumerate(seen):
        byte = bytesil.make(rho, found) if found >= 0 else 0
        now = acts.decide(byte, found, 1000 * n)
        if now != before:
            assert 1000 * n - changed >= 3000
            assert rho >= -1 or not byte
            assert now == free.decide(byte, found, 1000 * n)
            before, changed = now, 1000 * n


def test_rules_go_before_classes_and_boards_are_told() -> None:
    line = Line(boards=1, electronic=CLASSES, rules=[FAN], acts={**ACTS, "hold_ms": 0})
    codes = bytearray(nn.check_sizes((INPUTS, 8, 3)))
    line.fusion.load_model(bytes(codes))  # all alike: class 0, of which nothing is said
    line.second(state(l0=0x80))
    line.settle()
    assert line.fused[-1].as_json()["rule"] is None
    codes[8 * INPUTS + 8 + 8 * 3 + 1] = bytesil.encode(4 << 14)  # the bias of class 1
    line.fusion.load_model(bytes(codes))
    line.second(state(l0=0x80))
    line.second(state(l0=bytesil.make(1, 0)))
    line.settle()
    decided = [(f.raw[6], f.rule) for f in line.fused if f.raw[0] and f.time > BEGIN + 4000]
    assert decided[:2] == [(0x72, "class:work"), (0x84, "fan")]
    assert {out.state[6] for out in line.told if out.mask >> 6 & 1} == {0, 0x72, 0x84}


def test_the_first_rule_that_is_on_decides() -> None:
    line = Line(boards=2, rules=[ALARM, FAN], rest={"rho": -7, "theta": 1})
    line.second(state(l0=0xA0), state(l4=0x80))
    line.second(state(l0=0x10), state(l4=0x80))
    line.settle()
    both = Line(boards=2, rules=[ALARM, FAN])
    both.second(state(l0=0xA0))
    both.settle()
    assert {f.time: f.rule for f in both.fused}[BEGIN] == "alarm"
    rules = {f.time - BEGIN: (f.rule, f.raw[6]) for f in line.fused}
    assert rules[-1000] == ("alarm", 0x88)  # nothing is perceived: layer 4 is missing
    assert rules[0] == rules[1000] == ("fan", 0x84)
    line.second(state(l0=0x10), state(l4=0x80))
    line.settle()
    assert {f.time: f.raw[6] for f in line.fused}[line.now - HORIZON - 1000] == 0x11


@settings(max_examples=40)
@given(st.lists(st.integers(-8, 7), min_size=1, max_size=30), st.integers(0, 3))
def test_a_rule_stays_on_for_its_hold(strengths: list[int], slack: int) -> None:
    """Each time that an output is on, it is so for the hold or longer, unless the test ends."""
    line = Line(boards=1, rules=[{**FAN, "slack": slack}], horizon_ms=1000)
    for rho in strengths:
        line.second(state(l0=bytesil.make(rho, 1)))
    runs = "".join("x" if f.raw[6] else " " for f in line.fused).rstrip("x").split()
    assert all(len(run) >= 3 for run in runs)


# -- layer 7


def test_the_context_follows_a_step_by_its_time_constant() -> None:
    """From 1 towards i: after k ticks 1/e of the way is left; the phase turns on its way."""
    context = Environmental(100)
    assert context.add(bytes((0, 0x80, 0, 0, 0))) == 0x80  # it begins with what is there
    assert Environmental(100).add(bytes((0, 0, 0x9C, 0, 0))) == 0x9C
    for _ in range(99):
        context.add(bytes((0x80, 0, 0, 0, 0)))
    assert context.byte == 0x80
    for _ in range(100):
        context.add(bytes((0x84, 0, 0, 0, 0)))
    left = (1 - 1 / 100) ** 100
    assert left == pytest.approx(0.366, abs=0.001)
    assert context.byte == bytesil.from_complex(round(16384 * left), round(16384 * (1 - left)))
    assert bytesil.phase(context.byte) == 3
    for _ in range(1000):
        context.add(bytes((0x84, 0, 0, 0, 0)))
    assert context.byte == 0x84


@given(st.lists(st.binary(min_size=5, max_size=5), max_size=50), st.integers(1, 1000))
def test_the_context_is_bounded_by_what_was_perceived(seen: list[bytes], ticks: int) -> None:
    """Never stronger than the strongest, NULL only before the first reading; silence keeps it."""
    context = Environmental(ticks)
    strongest = -9
    for perception in seen:
        byte = context.add(perception)
        strongest = max([strongest, *(bytesil.rho(b) for b in perception if b)])
        assert (byte == 0) == (strongest == -9)
        if byte:
            assert bytesil.rho(byte) <= max(strongest, -7)
        assert context.add(bytes(5)) == byte


# -- who is told


def test_boards_are_told_what_is_new() -> None:
    line = Line(boards=2, rules=[FAN], refresh_ms=10_000)
    for _ in range(30):
        line.second(state(l0=0x90), state(l0=0x90))
    fan = [out for out in line.told if out.state[6]]
    assert {out.device for out in fan} == set(BOARDS[:2])
    assert all(out.mask == 0xC0 and out.state[7] == 0x90 for out in fan)
    assert len(fan) == 2 * 3  # at once, and twice again in the 26 s left
    assert not any(out.state[:5] != bytes(5) or out.state[8:] != bytes(8) for out in line.told)
    again = line.fusion.tick(line.now)
    assert again == []
    line.fusion.unsent(fan[0])
    assert [out.device for out in line.fusion.tick(line.now)] == [fan[0].device]
    line.fusion.on_boots(BOARDS[1], 4)
    assert line.fusion.tick(line.now) == []
    line.fusion.on_boots(BOARDS[1], 5)
    assert [out.device for out in line.fusion.tick(line.now)] == [BOARDS[1]]
    line.fusion.on_up(BOARDS[1])
    assert [out.device for out in line.fusion.tick(line.now)] == [BOARDS[1]]


def test_a_snapshot_is_json() -> None:
    line = Line(boards=2, rules=[FAN])
    line.second(state(l0=0x90, l3=0x7C), state(l0=0x98))
    line.fusion.on_answer(BOARDS[0], Answer(line.now, 1, 0x71), line.now)
    line.settle()
    told = json.loads(json.dumps(line.fusion.snapshot()))
    assert told["places"]["here"]["boards"][BOARDS[1].hex()]["taken"] == 1
    lines = [json.loads(json.dumps(fused.as_json())) for fused in line.fused]
    perceived = next(each for each in lines if each["time"] == BEGIN)
    assert perceived["layers"]["photonic"] == {"rho": -7, "theta": 0, "agreement": 0, "boards": 2}
    assert perceived["layers"]["gustatory"]["boards"] == 1
    answered = next(each for each in lines if each["time"] == BEGIN + 1000)
    assert (answered["class"], answered["where"]) == (1, "board")
    assert answered["board"] == BOARDS[0].hex()


def test_unknown_places() -> None:
    line = Line()
    with pytest.raises(UsageError, match="no place is called 'there': take one of here"):
        line.fusion.state("there")
    with pytest.raises(UsageError, match=r"add \[electronic\]"):
        line.fusion.label("here", 0, line.now, line.now)


# -- what places learn


def test_labels_find_their_states() -> None:
    line = Line(electronic=CLASSES)
    for n in range(6):
        line.second(state(l0=0x81 + n), b"")
    line.fusion.label("here", "work", BEGIN + 5500, line.now)  # its tick is still to be fused
    assert line.fusion.label("here", 2, BEGIN + 1999, line.now) == (BEGIN + 1000, True)  # is over
    line.fusion.label("here", 2, BEGIN + 1000, line.now)  # of the same tick: nothing new
    line.fusion.label("here", 0, BEGIN + 2000, line.now)
    line.fusion.label("here", 1, BEGIN + 2000, line.now)  # corrected
    line.settle()
    assert line.fusion.snapshot()["places"]["here"]["samples"] == 3
    assert line.fusion.snapshot()["places"]["here"]["labels"] == 3
    samples = line.fusion.participants["here"].samples
    perceived = [bytes((byte, 0, 0, 0, 0)) for byte in (0x82, 0x83, 0x86)]
    assert samples == [
        (inputs(row), found) for row, found in zip(perceived, (2, 1, 1), strict=True)
    ]
    for found, at, says in (
        ("idle", BEGIN, "class 'idle' is none of rest, work, fault"),
        (3, BEGIN, "class 3 is out of 0..2"),
        (1, line.now + 1, "is to come"),
        (1, BEGIN - 50_000, "no state of 50000 is kept"),
        (1, BEGIN - 1, "nothing was perceived at 99999"),
    ):
        with pytest.raises(UsageError, match=says):
            line.fusion.label("here", found, at, line.now)


def test_what_is_labelled_is_told_once_its_state_is_known() -> None:
    line = Line(electronic=CLASSES)
    told: list[tuple[str, Labelled]] = []
    line.fusion.learn = lambda place, labelled: told.append((place, labelled))
    for _ in range(3):
        line.second(state(l0=0x81), b"")
    line.second(b"", b"")
    waits = [line.fusion.label("here", 1, BEGIN + n * 1000, line.now) for n in (2, 3)]
    assert waits == [(BEGIN + 2000, False), (BEGIN + 3000, False)]
    line.fusion.label("here", "fault", BEGIN + 2000, line.now)  # nobody has learned it yet
    assert not told
    for _ in range(8):
        line.second()
    line.fusion.label("here", "rest", line.now, line.now)
    line.now += 1_100_000  # the hub sleeps for longer than it catches up
    line.fusion.tick(line.now)
    perceived = inputs(bytes((0x81, 0, 0, 0, 0)))
    assert [(labelled.time, labelled.found, labelled.inputs) for _, labelled in told] == [
        (BEGIN + 2000, 2, perceived),
        (BEGIN + 3000, 1, perceived),  # within hold_ms
        (BEGIN + 12_000, 0, b""),
    ]
    assert {labelled.guess for _, labelled in told} == {-1}
    assert not line.fusion.participants["here"].count


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2), st.booleans()), max_size=20),
    st.permutations(range(20)),
)
def test_when_a_label_comes_does_not_matter(
    labels: list[tuple[int, int, bool]], order: list[int]
) -> None:
    """Before its tick is fused or after, in whatever order: the same states are learned, once."""
    wanted = {second: found for second, found, _ in labels}
    late = {second for second, _, is_late in labels if is_late}

    def learned(late: set[int]) -> list[Labelled]:
        line = Line(electronic=CLASSES)
        told: list[Labelled] = []
        line.fusion.learn = lambda place, labelled: told.append(labelled)
        for second in range(12):
            line.second(state(l0=0x81 + second), b"")
            if second in wanted and second not in late:
                line.fusion.label("here", wanted[second], BEGIN + 1000 * second + 7, line.now)
        line.settle()
        for second in sorted(late, key=lambda second: order[second]):
            line.fusion.label("here", wanted[second], BEGIN + 1000 * second, line.now)
        return sorted(told)

    assert learned(late) == learned(set())
    assert {(t.time - BEGIN) // 1000: t.found for t in learned(late)} == wanted


def test_a_label_comes_with_what_the_model_found_before() -> None:
    line = Line(electronic={"classes": ["rest", "work"], "hidden": [8]})
    told: list[Labelled] = []
    line.fusion.learn = lambda place, labelled: told.append(labelled)
    sizes = line.fusion.task().sizes
    line.fusion.load_model(bytes(nn.initial_codes(sizes, 5)))
    for n in range(8):
        line.second(state(l0=0x81 + 3 * n), b"")
    line.settle()
    for fused in [fused for fused in line.fused if fused.raw[0]]:
        line.fusion.label("here", 0, fused.time, line.now)
        assert told[-1].guess == fused.decision.found
    line.fusion.forget_label("here", told[-1])
    line.fusion.label("here", 0, told[-1].time, line.now)
    assert told[-1] == told[-2], "it could not be kept: it may come again"
    line.fusion.label("here", 1, told[-1].time, line.now)
    assert (told[-1].found, told[-1].time) == (1, told[-2].time)


def participants(n: int) -> list[Participant]:
    """Return places that have each seen two of three kinds of states: class = strongest layer."""
    made = []
    for k in range(n):
        place = Participant(f"place {k}", INPUTS, 200)
        for i in range(120):
            found = (k + i % 2) % 3
            raw = bytearray(5)
            raw[found] = bytesil.make(1 + i % 3, i)
            raw[(found + 1 + i % 2) % 3] = bytesil.make(-2 - i % 2, 3 * i)
            place.add(inputs(bytes(raw)), found)
        made.append(place)
    return made


def federation() -> Federation:
    return Federation(Task((INPUTS, 8, 3), True, 10000), seed=3, rate=256, epochs=2)


def test_places_learn_what_none_of_them_has_seen_whole() -> None:
    fed, places = federation(), participants(3)
    for _ in range(15):
        assert learn_together(fed, places) == 3
    assert all(place.status().model == fed.name for place in places)
    electronic = Electronic()
    electronic.load(fed.task.sizes, fed.master.codes())
    right = 0
    for found in range(3):
        for theta in range(16):
            raw = bytearray(5)
            raw[found], raw[(found + 1) % 3] = bytesil.make(2, theta), bytesil.make(-2, theta + 5)
            right += electronic.decide(bytes(raw), []).found == found
    assert right >= 46


def test_a_late_place_and_one_without_samples() -> None:
    """A place that comes late gets the whole model; one that was left out of a round catches up."""
    fed, places = federation(), participants(3)
    empty = Participant("empty", INPUTS, 10)
    for _ in range(2):
        assert learn_together(fed, [*places[:2], empty]) == 2
    assert learn_together(fed, [places[2], empty]) == 1
    assert learn_together(fed, [*places, empty]) == 3
    assert {place.status().model for place in [*places, empty]} == {fed.name}
    assert empty.status().phase == p.IDLE


def test_an_update_that_was_not_counted_waits_for_the_next_round() -> None:
    """Its changes are given back to the learner: the next update has them too."""
    fed, (place, other, _) = federation(), participants(3)
    fed.open()
    place.take(p.MODEL, fed.model())
    place.take(p.ORDER, fed.order(place.name, place.status().model, place.count))
    assert place.status().phase == p.REPORTING
    lost = place.report()
    assert lost
    fed.close()  # without it
    assert place._learner is not None
    waits = sum(map(abs, place._learner.residual))
    place.take(p.ORDER, fed.order(place.name, place.status().model, place.count))
    assert place.report() == b""
    assert sum(map(abs, place._learner.residual)) > 20 * waits
    assert learn_together(fed, [place, other]) == 2
    twin_fed, (twin, twin_other, _) = federation(), participants(3)
    twin_fed.open()
    twin_fed.close()
    assert learn_together(twin_fed, [twin, twin_other]) == 2
    assert twin_fed.number == fed.number
    assert twin_fed.name != fed.name  # which has what was learned in vain


@given(st.binary(max_size=60), st.sampled_from([p.MODEL, p.ORDER, 9]))
def test_damaged_objects_change_nothing(body: bytes, kind: int) -> None:
    place = Participant("here", INPUTS, 10)
    with pytest.raises((SilError, FormatError)):
        place.take(kind, body)
    assert place.status().phase == p.EMPTY


def test_models_of_other_inputs_and_cut_ones_are_refused() -> None:
    place = participants(1)[0]
    other = Federation(Task((7, 3), True, 10000))
    with pytest.raises(FormatError, match="takes 7 inputs, places give 30"):
        place.take(p.MODEL, other.model())
    fed = federation()
    learn_together(fed, [place])
    before = place.status().model
    whole = fed.model()
    for wrong in (whole[:-1], whole + b"\0", whole[:40]):
        with pytest.raises(SilError):
            place.take(p.MODEL, wrong)
    order = fed.order(place.name, before, place.count)
    with pytest.raises(SilError):
        place.take(p.ORDER, order[:10])
    assert place.status().model == before
