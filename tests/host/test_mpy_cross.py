"""Every file that goes onto a board compiles for the boards' chips; kernels as viper too."""

from pathlib import Path

import pytest

from paebiru.deploy import twin
from targets import ROOT

MARCHES = {
    "xtensawin": "ESP32, ESP32-S2, ESP32-S3",
    "rv32imc": "ESP32-C3, ESP32-C6",
    "armv7m": "Cortex-M3 and above",
}
ROOTS = [ROOT / "shared" / "sil", ROOT / "firmware"]
SOURCES = sorted(path for root in ROOTS for path in root.rglob("*.py"))
KERNELS = [path for path in SOURCES if twin.is_kernel(path)]

KERNEL = '''"""A kernel of the tests."""

from sil.compat import ptr8

_STEP = 2


def total(data: ptr8, n: int) -> int:
    """Return a sum."""
    i = 0
    s = 0
    while i < n:
        s += data[i]
        i += 1
    return s
'''


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
@pytest.mark.parametrize("march", MARCHES)
def test_compiles_as_bytecode(march: str, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mpy"
    twin.compile_source(path.read_text(encoding="utf-8"), path, out, march)
    assert out.read_bytes()[:1] == b"M"


@pytest.mark.parametrize("path", KERNELS, ids=relative)
@pytest.mark.parametrize("march", [*MARCHES, "x64"])
def test_kernels_compile_as_viper(march: str, path: Path, tmp_path: Path) -> None:
    twin.compile_file(path, tmp_path / "viper.mpy", march, {})
    twin.compile_source(path.read_text(encoding="utf-8"), path, tmp_path / "plain.mpy", march)
    assert native_arch(tmp_path / "viper.mpy") != 0
    assert native_arch(tmp_path / "plain.mpy") == 0


def native_arch(mpy: Path) -> int:
    """Return the machine code that an .mpy names in its header; 0 for bytecode alone."""
    return mpy.read_bytes()[2] >> 2 & 0x0F


def test_the_tree_is_not_empty() -> None:
    assert KERNELS, "no kernel was found to compile"
    names = {relative(path) for path in SOURCES}
    node = "firmware/paebiru_node"
    assert {
        f"{node}/port/mp.py",
        f"{node}/port/cp.py",
        f"{node}/_root/micropython/main.py",
    } <= names


def test_twin_adds_a_decorator_and_nothing_else() -> None:
    added = [line for line in twin.viper_source(KERNEL).splitlines() if "micropython" in line]
    assert added == ["import micropython", "@micropython.viper"]
    kept = [line for line in twin.viper_source(KERNEL).splitlines() if "micropython" not in line]
    assert kept == KERNEL.splitlines()


def test_twin_decorates_each_function_once() -> None:
    lines = twin.viper_source(KERNEL + KERNEL.replace("total", "other")).splitlines()
    above = [lines[at - 1] for at, line in enumerate(lines) if line.startswith("def ")]
    assert above == ["@micropython.viper"] * 2
    assert lines.count("import micropython") == 1


def test_twin_of_a_module_that_starts_with_a_kernel() -> None:
    source = "def one(n: int) -> int:\n    return n\n"
    assert twin.viper_source(source) == f"import micropython\n@micropython.viper\n{source}"


def test_twin_refuses_what_viper_refuses(tmp_path: Path) -> None:
    faulty = KERNEL.replace("s += data[i]", "s = data")
    with pytest.raises(twin.TwinError, match="ViperTypeError: local 's'"):
        twin.compile_source(
            twin.viper_source(faulty), Path("kernels"), tmp_path / "x.mpy", "xtensawin"
        )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("X = 1\n", "no function"),
        ("import a\n@a.b\ndef f(n: int) -> int:\n    return n\n", "f has a decorator already"),
    ],
)
def test_twin_refuses_what_is_no_kernel(source: str, why: str) -> None:
    with pytest.raises(twin.TwinError, match=why):
        twin.viper_source(source)


def test_stage_writes_the_whole_core(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin.main([str(tmp_path), "--march", "armv7m"]) == 0
    written = {path.relative_to(tmp_path).with_suffix("") for path in tmp_path.rglob("*.mpy")}
    core = ROOT / "shared"
    assert written == {
        path.relative_to(core).with_suffix("") for path in (core / "sil").rglob("*.py")
    }
    assert "armv7m" in capsys.readouterr().out
