"""The project keeps to its own rules; each rule is tried on a breach of it first."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import rules
from paebiru.deploy import twin
from targets import ROOT

MAX_LINES = 300
CORE = sorted((ROOT / "shared" / "sil").rglob("*.py"))
NODE = sorted((ROOT / "firmware" / "paebiru_node").rglob("*.py"))
HOST = sorted((ROOT / "host" / "paebiru").rglob("*.py"))
KERNELS = [path for path in CORE if twin.is_kernel(path)]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), relative(path))


def assert_none(path: Path, problems: Iterable[rules.Problem]) -> None:
    found = [f"{relative(path)}:{line}: {what}" for line, what in problems]
    assert not found, "\n" + "\n".join(found)


def test_there_is_something_to_check() -> None:
    assert CORE
    assert HOST
    assert KERNELS


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_core(path: Path) -> None:
    tree = parse(path)
    is_compat = path.name == "compat.py"
    assert_none(path, rules.core_imports(tree, is_compat))
    assert_none(path, rules.integers_only(tree))
    assert_none(path, rules.common_subset(tree))
    assert_none(path, rules.private_constants(tree))
    assert_none(path, rules.nothing_at_import(tree))
    assert_none(path, rules.plain_decorators(tree))


@pytest.mark.parametrize("path", KERNELS, ids=relative)
def test_kernels(path: Path) -> None:
    assert_none(path, rules.kernel_module(parse(path)))


def package_of(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT / "firmware").parts)


@pytest.mark.parametrize("path", NODE, ids=relative)
def test_firmware(path: Path) -> None:
    tree = parse(path)
    assert_none(path, rules.common_subset(tree))
    assert_none(path, rules.private_constants(tree))
    assert_none(path, rules.integers_only(tree))
    assert_none(path, rules.plain_decorators(tree))
    if "_root" in path.parts:
        assert_none(path, rules.entry_file(tree))
        return
    assert_none(path, rules.nothing_at_import(tree))
    if "port" in path.parts:
        assert_none(path, rules.port_imports(tree, path.stem))
    else:
        assert_none(path, rules.node_imports(tree))
        assert_none(path, rules.no_port_named(tree, package_of(path)))


def test_each_platform_has_its_port() -> None:
    names = {path.stem for path in NODE if "port" in path.parts}
    assert {"mp", "cp"} <= names
    assert {rules.port_family(f"paebiru_node.port.{name}") for name in names} == {"", "mp", "cp"}


@pytest.mark.parametrize("path", HOST, ids=relative)
def test_host(path: Path) -> None:
    is_simulator = "sim" in path.relative_to(ROOT / "host" / "paebiru").parts
    assert_none(path, rules.host_imports(parse(path), is_simulator))


@pytest.mark.parametrize("path", CORE + NODE + HOST, ids=relative)
def test_a_module_fits_the_eye(path: Path) -> None:
    if path.name.endswith("tables.py"):
        return
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{relative(path)} has {lines} lines: split it by job"


def project_files() -> list[Path]:
    """Return the files that git keeps or would keep."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


# A folder of one machine, where a path starts: not as a part of a longer path or address.
_PLACES = "|".join(("work", "root", "home", "tmp"))
ABSOLUTE = re.compile(rf"(?<![\w.}})>*/-])/(?:{_PLACES})\b")


def absolute_paths(text: str) -> Iterable[rules.Problem]:
    for number, line in enumerate(text.splitlines(), start=1):
        if ABSOLUTE.search(line):
            yield number, f"a path of one machine: {line.strip()}"


def test_no_path_of_one_machine() -> None:
    files = project_files()
    assert files
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # data, not text
        assert_none(path, absolute_paths(text))


def test_the_lock_file_names_no_host() -> None:
    text = (ROOT / "tests/interp/wasm/package-lock.json").read_text(encoding="utf-8")
    assert "integrity" in text
    assert "://" not in text


Rule = Callable[[ast.Module], Iterable[rules.Problem]]


def mp_file(tree: ast.Module) -> Iterable[rules.Problem]:
    return rules.port_imports(tree, "mp_links")


def cp_file(tree: ast.Module) -> Iterable[rules.Problem]:
    return rules.port_imports(tree, "cp")


def sensor_file(tree: ast.Module) -> Iterable[rules.Problem]:
    return rules.no_port_named(tree, "paebiru_node.sensors")


KERNEL = "def f(p: ptr8, n: int) -> int:\n    {}\n    return 0\n"

BREACHES: list[tuple[Rule, str]] = [
    (rules.core_imports, "import typing"),
    (rules.core_imports, "from micropython import const"),
    (rules.core_imports, "def f():\n    import asyncio"),
    (rules.core_imports, "from paebiru import accel"),
    (rules.node_imports, "import machine"),
    (rules.node_imports, "import time"),
    (rules.port_imports, "import machine"),
    (rules.port_imports, "import micropython"),
    (rules.port_imports, "from . import mp_links"),
    (rules.port_imports, "from .cp_links import Uart"),
    (mp_file, "import board"),
    (mp_file, "def f():\n    import wifi"),
    (mp_file, "import paebiru"),
    (mp_file, "from .cp_parts import pin"),
    (cp_file, "import machine"),
    (cp_file, "import micropython"),
    (cp_file, "from . import common, mp_parts"),
    (cp_file, "from paebiru_node.port.mp import Port"),
    (rules.no_port_named, "from .port import mp"),
    (rules.no_port_named, "from paebiru_node.port.cp import Port"),
    (rules.no_port_named, "import paebiru_node.port.mp_links"),
    (sensor_file, "from ..port.mp_parts import Bus"),
    (rules.entry_file, "import machine"),
    (rules.entry_file, "a()\nb()\nc()\nd()\ne()\nf()\ng()"),
    (rules.plain_decorators, "@micropython.viper\ndef f():\n    pass"),
    (rules.plain_decorators, "class A:\n    @functools.cache\n    def f(self):\n        pass"),
    (rules.host_imports, "import paebiru_node.app"),
    (rules.host_imports, "from tests import vectors"),
    (rules.integers_only, "x = 0.5"),
    (rules.integers_only, "x = a / b"),
    (rules.integers_only, "x /= 2"),
    (rules.integers_only, "x = float(y)"),
    (rules.common_subset, "n = x.bit_length()"),
    (rules.common_subset, "x.to_bytes(4, 'little', signed=True)"),
    (rules.common_subset, "match x:\n    case 1:\n        pass"),
    (rules.common_subset, "def f(a, /):\n    pass"),
    (rules.common_subset, "async def f():\n    pass"),
    (rules.private_constants, "SIZE = const(4)"),
    (rules.private_constants, "from sil.crc import _SIZE"),
    (rules.nothing_at_import, "x = bytearray(4)"),
    (rules.nothing_at_import, "class A:\n    x = f()"),
    (rules.nothing_at_import, "if True:\n    f()"),
    (rules.kernel_module, "x = 4"),
    (rules.kernel_module, "import array"),
    (rules.kernel_module, "class A:\n    pass"),
    (rules.kernel_module, "@viper\ndef f(n: int) -> int:\n    return n"),
    (rules.kernel_module, "def f(n: int = 0) -> int:\n    return n"),
    (rules.kernel_module, "def f(*n: int) -> int:\n    return 0"),
    (rules.kernel_module, "def f(n) -> int:\n    return n"),
    (rules.kernel_module, "def f(n: bytes) -> int:\n    return 0"),
    (rules.kernel_module, "def f(n: int) -> bool:\n    return n"),
    (rules.kernel_module, "def f(n: int):\n    return n"),
    (rules.kernel_module, "def f(n: int) -> int:\n    while n:\n        return n"),
    *[
        (rules.kernel_module, KERNEL.format(statement))
        for statement in (
            "for i in p: n += 1",
            "n = len(p)",
            "n = ptr8(p)",
            "n = p[0:2]",
            "n, m = 1, 2",
            "n = 0.5",
            "n = None",
            "n = True",
            "n = p.x",
            "g = lambda: 0",
            "raise ValueError",
            "n = [1]",
            "if n: return",
            "global n",
        )
    ],
]


@pytest.mark.parametrize(("rule", "source"), BREACHES)
def test_a_rule_sees_its_breach(rule: Rule, source: str) -> None:
    assert list(rule(ast.parse(source)))


def test_good_port_files_pass() -> None:
    shared = "from ..errors import PortError\nfrom . import Board\nfrom .common import made\n"
    assert not list(rules.port_imports(ast.parse(shared + "import struct")))
    assert not list(mp_file(ast.parse(shared + "import machine\nfrom . import mp_parts")))
    assert not list(cp_file(ast.parse(shared + "import board\nfrom .cp_nvm import NvmStore")))
    assert not list(sensor_file(ast.parse("from ..port import Bus\nfrom .base import Driver")))
    entry = "from paebiru_node.port.mp import Port\nfrom paebiru_node.start import run\nrun(Port)"
    assert not list(rules.entry_file(ast.parse(f"'Doc.'\n{entry}")))


def test_a_good_kernel_passes() -> None:
    source = '"""Doc."""\nfrom sil.compat import const, ptr8\n_A = const(2)\n' + KERNEL.format(
        '"""Doc."""\n    while n > 0 and p[n] != _A:\n        n -= 1 if n & 1 else 2'
    )
    assert not list(rules.kernel_module(ast.parse(source)))


@pytest.mark.parametrize("place", _PLACES.split("|"))
def test_a_path_of_one_machine_is_seen(place: str) -> None:
    assert list(absolute_paths(f"open('/{place}/x')"))
    assert list(absolute_paths(f"cd /{place}"))
    assert not list(absolute_paths(f"https://example.com/{place}/x, out/{place}/x, <root>/{place}"))
