"""The boards' code against the stubs of MicroPython's ESP32 port and of CircuitPython.

CircuitPython itself cannot run here: for `port/cp*.py` this is what there is.
"""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import rules
from targets import ROOT
from test_deploy import frozen

PORTS = ROOT / "firmware" / "paebiru_node" / "port"

# Parts of every CircuitPython, which lists of modules leave out.
BUILT_IN = {"gc", "sil"}


def load_check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stubs_check", ROOT / "tests/stubs/check.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load_check()


@pytest.fixture(scope="module")
def stubs() -> Path:
    """The folder of the stubs; skips where PyPI cannot be reached, but not in CI."""
    try:
        return Path(check.fetch())
    except check.FetchError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the stubs must be there in CI: {error}")
        pytest.skip(str(error))


@pytest.mark.parametrize("flavour", check.FLAVOURS)
def test_everything_holds(stubs: Path, flavour: str) -> None:
    assert check.check(flavour, check.everything(flavour)) == ""


GOOD = {
    "mp": """\
import esp32
import machine
bus = machine.I2C(0, scl=machine.Pin(22), sda=machine.Pin(21), freq=400000)
store = esp32.NVS("paebiru")
""",
    "cp": """\
import board
import busio
bus = busio.I2C(board.SCL1, board.SDA1, frequency=400000)
""",
}
BAD = {
    "mp": [
        ("import machin", "import-not-found"),
        ("import board", "import-not-found"),
        ("machine.Pin(2, machine.Pin.OUTPUT)", "attr-defined"),
        ("machine.ADC(2).read_millivolts()", "attr-defined"),
        ("bus.readfrom_mem_into(0x23, 0x10)", "call-overload|call-arg"),
        ("store.get_blob('key')", "call-arg"),
        ("machine.WDT(milliseconds=5)", "call-arg|call-overload"),
    ],
    "cp": [
        ("import machine", "import-not-found"),
        ("import esp32", "import-not-found"),
        ("busio.I2C(board.IO99, board.SDA1)", "attr-defined"),
        ("busio.I2C(7, board.SDA1)", "arg-type"),
        ("busio.I2C(board.SCL1, board.SDA1, freq=400000)", "call-arg"),
        ("bus.readfrom_mem_into(0x23, 0x10, bytearray(2))", "attr-defined"),
    ],
}


@pytest.mark.parametrize("flavour", check.FLAVOURS)
def test_a_wrong_pin_module_or_argument_is_seen(stubs: Path, flavour: str, tmp_path: Path) -> None:
    specimen = tmp_path / "specimen.py"
    specimen.write_text(GOOD[flavour])
    assert check.check(flavour, [specimen]) == ""
    wrong = [line for line, _ in BAD[flavour]]
    specimen.write_text(GOOD[flavour] + "\n".join(wrong) + "\n")
    said = check.check(flavour, [specimen]).splitlines()
    first = len(GOOD[flavour].splitlines()) + 1
    for number, (line, codes) in enumerate(BAD[flavour], start=first):
        here = [text for text in said if f"specimen.py:{number}: error" in text]
        assert any(f"[{code}]" in text for text in here for code in codes.split("|")), (line, said)


@pytest.mark.parametrize(
    ("flavour", "name", "right", "wrong"),
    [
        ("mp", "port/mp_parts.py", "readfrom_mem_into(", "readfrom_memory_into("),
        ("mp", "port/mp_store.py", "self._nvs.commit()", "self._nvs.flush()"),
        ("mp", "port/mp_radio.py", "network.STA_IF", "network.STATION"),
        ("mp", "port/mp.py", "def free(self) -> int:", "def freed(self) -> int:"),
        ("cp", "port/cp_parts.py", "writeto_then_readfrom(", "writeto_then_read("),
        ("cp", "port/cp.py", "WatchDogMode.RESET", "WatchDogMode.RESTART"),
        ("cp", "port/cp_links.py", "self._serial.connected", "self._serial.is_connected"),
        ("cp", "port/cp.py", "def urandom(self, n: int)", "def urandom(self)"),
    ],
)
def test_a_mistake_in_a_port_is_seen(
    stubs: Path, tmp_path: Path, flavour: str, name: str, right: str, wrong: str
) -> None:
    for source in check.SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source)
    path = tmp_path / "firmware" / "paebiru_node" / name
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    found = check.check(flavour, check.everything(flavour, tmp_path), tmp_path)
    assert f"{Path(name).name}:" in found or "holds.py:" in found, found


# -- what CircuitPython's build for the board has


def definition(stubs: Path) -> str:
    text = (stubs / "cp" / "board" / "__init__.pyi").read_text(encoding="utf-8")
    assert check.CP_BOARD in text
    return text


def included(stubs: Path) -> set[str]:
    """Return the modules that the board's build has."""
    (line,) = [line for line in definition(stubs).splitlines() if "Included modules:" in line]
    names = line.partition("Included modules:")[2].split(",")
    return {name.strip().split(" ")[0].split(".")[0] for name in names}


def cp_imports() -> Iterator[tuple[Path, int, str]]:
    shared = [PORTS / f"{name}.py" for name in ("common", "console", "pieces", "__init__")]
    for path in [*sorted(PORTS.glob("cp*.py")), *shared]:
        for line, name in rules.imports(ast.parse(path.read_text()), "paebiru_node.port"):
            yield path, line, rules.top(name)


def test_the_board_has_what_its_port_imports(stubs: Path) -> None:
    there = included(stubs) | BUILT_IN | {"paebiru_node"}
    assert {"busio", "usb_cdc", "wifi"} <= there
    assert "machine" not in there
    missing = [(path.name, line, name) for path, line, name in cp_imports() if name not in there]
    assert not missing


def test_the_core_imports_what_the_board_has(stubs: Path) -> None:
    assert rules.CORE_STDLIB | {"json"} <= included(stubs) | BUILT_IN


def pins_of(board: dict[str, dict[str, dict[str, object]]]) -> set[str]:
    """Return every pin's name in a description: they are the only upper-case strings there."""
    return {
        value
        for section in ("buses", "analog", "streams", "outputs", "links")
        for part in board.get(section, {}).values()
        for value in part.values()
        if isinstance(value, str) and value.isupper()
    }


def test_the_boards_pins_are_there(stubs: Path, tmp_path: Path) -> None:
    path = ROOT / "boards" / "qtpy_esp32s3.toml"
    pins = sorted(pins_of(tomllib.loads(path.read_text(encoding="utf-8"))))
    assert len(pins) > 5
    specimen = tmp_path / "specimen.py"
    lines = ["import board", "import busio", *(f"busio.UART(board.{pin})" for pin in pins)]
    specimen.write_text("\n".join(lines) + "\n")
    assert check.check("cp", [specimen]) == ""
    specimen.write_text("\n".join([*lines, "busio.UART(board.IO99)"]) + "\n")
    assert '"IO99"' in check.check("cp", [specimen])


def test_micropythons_own_tool_reads_the_manifest(stubs: Path) -> None:
    tool = stubs / "manifestfile.py"
    words = ("--freeze", "--lib", "", str(ROOT / "firmware" / "manifest.py"))
    done = subprocess.run(
        [sys.executable, str(tool), *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("full_path=") == len(frozen())
