"""What `paebiru deploy` leaves out of a bundle's modules because nobody there asks for it."""

import ast
from pathlib import Path

from paebiru.deploy import sources
from paebiru.deploy.unused import without_unused

ONE, TWO = Path("one.py"), Path("two.py")


def shaken(one: str, two: str = "", entry: str = "") -> str:
    return without_unused({ONE: one, TWO: two}, [entry])[ONE]


def test_what_is_named_nowhere_goes_and_lines_stay() -> None:
    one = "def kept():\n    pass\n\n\ndef gone():\n    kept()\n\n\nX = 7\nkept()\n"
    assert shaken(one) == "def kept():\n    pass\n\n\n\n\n\n\n\nkept()\n"


def test_what_only_the_unused_used_goes_too() -> None:
    assert not shaken("def a():\n    b()\ndef b():\n    c()\ndef c():\n    pass\n").strip()


def test_any_mention_keeps_a_definition() -> None:
    one = "def f():\n    pass\n"
    for two in ("from one import f", "import one\none.f()", "g(x, 'f')", "g(f=1)"):
        assert shaken(one, two) == one
        assert shaken(one, entry=two) == one


def test_a_method_goes_and_its_class_stays_a_class() -> None:
    one = "class A:\n    @property\n    def x(self):\n        return 1\nA()\n"
    assert shaken(one) == "class A:\n    pass\n\n\nA()\n"
    assert shaken(one, "A().x") == one


def test_special_methods_and_what_runs_at_import_stay() -> None:
    one = "class A:\n    def __init__(self):\n        pass\nA()\nmade = f()\n__all__ = ()\n"
    assert shaken(one) == one


def test_every_module_of_a_board_still_compiles_and_names_what_it_imports() -> None:
    """Whatever a kept import takes from a module of the bundle is still defined there."""
    drivers = ("bme280", "camera", "replay")
    for runtime in ("micropython", "circuitpython"):
        paths = sources.modules(runtime, drivers)
        trees = {p: ast.parse(text) for p, text in sources.program(runtime, paths).items()}
        defined: dict[str, set[str]] = {
            sources.module_name(path): {
                name.id if isinstance(name, ast.Name) else getattr(name, "name", "")
                for name in ast.walk(tree)
                if isinstance(name, ast.Name | ast.FunctionDef | ast.ClassDef)
            }
            | {
                alias.asname or alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom | ast.Import)
                for alias in node.names
            }
            for path, tree in trees.items()
        }
        for path, tree in trees.items():
            for node in ast.walk(tree):
                if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                    continue
                for alias in node.names:
                    known = defined.get(node.module)
                    whole = f"{node.module}.{alias.name}"
                    assert known is None or alias.name in known or whole in defined, (path, whole)
