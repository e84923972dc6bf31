"""What a board need not hold is left out, and nothing else changes."""

import ast
from pathlib import Path

import pytest

import sil
from paebiru.deploy import twin
from paebiru.deploy.lean import constants, lean, module_name

CORE = Path(sil.__file__).parent
KNOWN = constants(twin.sources(CORE))

PARTS = {
    "__init__.py": "",
    "numbers.py": "ONE = 1\nTWO = ONE + 1\nLESS = -3\n_OWN = 9\nNAME = 'x'\nlower = 5\n",
    "deep/__init__.py": "",
    "deep/words.py": "WORD = 1 << 4\n\n\ndef word():\n    return WORD\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a package with constants."""
    root = tmp_path / "pack"
    for name, text in PARTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_constants_are_the_upper_case_integers(package: Path) -> None:
    assert constants(twin.sources(package)) == {
        "pack": {},
        "pack.numbers": {"ONE": 1, "TWO": 2, "LESS": -3},
        "pack.deep": {},
        "pack.deep.words": {"WORD": 16},
    }
    assert module_name(package / "deep" / "words.py") == "pack.deep.words"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from . import numbers as n\nx = n.TWO + n.LESS\n", "\nx = 2 + (-3)\n"),
        (
            "from . import numbers as n\nx = n.TWO + n.lower\n",
            "from . import numbers as n\nx = 2 + n.lower\n",
        ),
        ("from .numbers import ONE, lower\nx = ONE, lower\n",
         "from .numbers import lower\nx = 1, lower\n"),
        ("from .numbers import ONE as O1\nx = O1\n", "\nx = 1\n"),
        ("from .deep.words import (\n    WORD,\n    word,\n)\nx = WORD, word()\n",
         "from .deep.words import word\n\n\n\nx = 16, word()\n"),
        ("from pack.numbers import TWO\nx = [TWO]\n", "\nx = [2]\n"),
        ("TEN = 10\nx = TEN\n", "TEN = 10\nx = TEN\n"),  # of a module that is not known
        ("from .numbers import ONE\n__all__ = ('ONE',)\n",) * 2,
        ("from .numbers import ONE\ndef f(ONE):\n    return ONE\n",) * 2,
        ("from . import numbers as n\ndef f():\n    n = g()\n    return n.ONE\n",) * 2,
        ("from os import Path\ndef f(x: Path) -> Path:\n    return x\n",
         "\ndef f(x: Path) -> Path:\n    return x\n"),
        ("from os import Path\ndef f(x: 'Path' = Path()):\n    y: Path = x\n",) * 2,
        ("from sil.compat import const, ptr8\n_A = const(3)\n", "\n_A = const(3)\n"),
        ("from .numbers import ONE\nx = 'é', ONE\n", "\nx = 'é', 1\n"),
    ],
)  # fmt: skip
def test_what_is_left_out(package: Path, source: str, expected: str) -> None:
    known = constants(twin.sources(package))
    assert lean(source, package / "new.py", known) == expected


@pytest.mark.parametrize("path", list(twin.sources(CORE)), ids=module_name)
def test_a_module_of_the_core_keeps_its_lines_and_names(path: Path) -> None:
    """Statements stand where they stood, and what they define they still define."""
    source = path.read_text()
    after = lean(source, path, KNOWN)
    assert len(after.splitlines()) == len(source.splitlines())
    old = [node for node in ast.parse(source).body if not isinstance(node, ast.ImportFrom)]
    new = [node for node in ast.parse(after).body if not isinstance(node, ast.ImportFrom)]
    assert [type(n) for n in old] == [type(n) for n in new]
    assert [n.lineno for n in old] == [n.lineno for n in new]
    for node, was in zip(new, old, strict=True):
        if isinstance(node, ast.Assign) and isinstance(was, ast.Assign):
            assert ast.unparse(node.targets[0]) == ast.unparse(was.targets[0])


def test_a_module_of_numbers_is_not_loaded() -> None:
    for path in twin.sources(CORE / "link"):
        text = lean(path.read_text(), path, KNOWN)
        assert "import messages" not in text
        assert "import events" not in text
