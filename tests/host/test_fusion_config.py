"""`places.toml`: what is wrong is said in one line that names the key."""

from pathlib import Path

import pytest

from paebiru import fusion
from paebiru.errors import UsageError
from paebiru.fusion import config

GOOD = """
[electronic]
classes = ["rest", "work", "fault"]
hidden = [8]

[places.greenhouse]
boards = ["3c71bf0a1122", "3c71bf0a33440001"]
fuse = { dermic = "strongest", L1 = "newest" }

[[places.greenhouse.rules]]
name = "fan"
when = { layer = 5, class = "fault", rho_min = -1 }
then = { rho = 0, theta = 4 }
slack = 1
hold_ms = 5000

[[places.greenhouse.rules]]
name = "lamp"
when = [{ layer = "photonic", rho_max = -2 }, { layer = "L4", missing = true }]
then = { rho = -3 }

[places.greenhouse.acts]
classes = { work = { rho = -1 }, 2 = { rho = 0, theta = 4 } }
rho_min = -2

[places.cellar]
boards = ["01"]
"""


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "places.toml"
    path.write_text(GOOD)
    found = fusion.load(path)
    place = found.places["greenhouse"]
    assert place.boards[0] == bytes.fromhex("3c71bf0a11220000")  # ids are padded to 8 bytes
    assert place.merge_rules() == ("mean", "newest", "mean", "mean", "strongest")
    fan, lamp = place.rules
    assert (found.class_of(fan.when[0]), fan.then.byte) == (2, 0x84)
    assert [(w.layer, w.missing) for w in lamp.when] == [(0, False), (4, True)]
    assert found.acts_of(place) == {1: ("work", 0x70), 2: ("2", 0x84)}
    assert place.rest.byte == 0
    assert found.acts_of(found.places["cellar"]) == {}
    electronic = found.electronic
    assert electronic
    assert (electronic.every, electronic.rounds, electronic.epochs) == (20, 10, 4)
    assert found.places["cellar"].merge_rules() == ("mean",) * 5
    assert fusion.Fusion(found).task().sizes == (30, 8, 3)


BAD = [
    ("cellar]\nboards = []", "places.cellar.boards: "),
    ('boards = ["0g"]', "places.cellar.boards.0: a board is named by its id, up to 16 hex"),
    ('boards = ["01", "0100"]', "places.cellar: boards: one is named twice"),
    ('boards = ["3c71bf0a11220000"]', "is at greenhouse and at cellar"),
    ('boards = ["01"]\nhorizon = 5', "places.cellar.horizon: no such key"),
    ('boards = ["01"]\nhorizon_ms = 0', "places.cellar.horizon_ms: 0: "),
    ('boards = ["01"]\nhorizon_ms = "5 s"', "places.cellar.horizon_ms: '5 s': "),
    ('boards = ["01"]\nfuse = "median"', "places.cellar.fuse"),
    ('boards = ["01"]\nfuse = { electronic = "mean" }', "boards perceive layers 0 to 4"),
    ('boards = ["01"]\nfuse = { smell = "mean" }', "layer 'smell' does not exist"),
    ('boards = ["01"]\nrules = [{ name = "a", then = { rho = 0 } }]', "rules.0.when: missing"),
    ("RULE layer = 6", "layer 6 is what rules decide"),
    ("RULE layer = 8", "rules.0.when.0.layer: 8: "),
    ("RULE layer = 4, class = 1", "class is of layer 5"),
    ("RULE layer = 5, class = 3", "rule a: class 3 is out of 0..2"),
    ('RULE layer = 5, class = "idle"', "class 'idle' is none of rest, work, fault"),
    ("RULE layer = 4, rho_min = 2, rho_max = 1", "rho_min 2 is above rho_max 1"),
    ("RULE layer = 4, rho_min = -9", "rho_min: -9: "),
    ("RULE layer = 4, missing = true, rho_min = 1", "a missing layer has neither rho nor theta"),
    ("boards = [", "put the TOML right there"),
    ("ACTS idle = { rho = 0 }", "places.cellar: acts: class 'idle' is none of rest, work, fault"),
    ("ACTS 3 = { rho = 0 }", "places.cellar: acts: class 3 is out of 0..2"),
    ("ACTS 1 = { rho = 0 }, work = { rho = 1 }", "acts: class work is class 1, which acts already"),
    ("ACTS work = { rho = 9 }", "places.cellar.acts.classes.work.rho: 9: "),
    ("ACTS ", "places.cellar.acts.classes: "),
]


@pytest.mark.parametrize(("change", "says"), BAD)
def test_what_cannot_be(change: str, says: str) -> None:
    if change.startswith("RULE"):
        rule = '{ name = "a", when = {' + change[4:] + " }, then = { rho = 0 } }"
        change = f'boards = ["01"]\nrules = [{rule}]'
    if change.startswith("ACTS"):
        change = f'boards = ["01"]\nacts = {{ classes = {{{change[4:]}}} }}'
    if change.startswith("cellar"):
        change = change.partition("\n")[2]
    with pytest.raises(UsageError) as caught:
        config.parse(GOOD.replace('boards = ["01"]', change), "places.toml")
    text = str(caught.value)
    assert says in text
    assert text.startswith("places.toml: ")
    assert "\n" not in text


def test_classes_by_name_need_their_table() -> None:
    text = GOOD[GOOD.index("[places.greenhouse]") :]
    with pytest.raises(UsageError, match=r"a class by name needs \[electronic\]"):
        config.parse(text)
    text = text.replace('class = "fault"', "class = 2").replace("work = ", "1 = ")
    found = config.parse(text)
    with pytest.raises(UsageError, match="layer 5 has no classes to learn"):
        fusion.Fusion(found).task()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('classes = ["a", "a"]', "electronic: classes: two have the same name"),
        ('classes = ["a", "b"]\nevery = 0', "electronic.every: 0: "),
        ('classes = ["a", "b"]\nrounds = "3"', "electronic.rounds: '3': "),
        ('classes = ["a", "b"]\nepochs = 101', "electronic.epochs: 101: "),
    ],
)
def test_when_layer_5_learns_is_checked(line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        config.parse(f'[electronic]\n{line}\n[places.cellar]\nboards = ["01"]')


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give the TOML file of places"):
        fusion.load(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is no text"):
        fusion.load(tmp_path / "binary.toml")
