"""`paebiru deploy`: the real mpremote, the real firmware, a virtual board; a folder as a drive."""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

import vboards
from deployed import FILE, HEAP, bundle, paebiru, recording, settings
from paebiru import boards
from paebiru.commands.deploy import deploy
from paebiru.deploy import settings as given
from paebiru.deploy import sources
from paebiru.deploy.bundle import LIST, Bundle, listed
from paebiru.deploy.copy import copy
from paebiru.deploy.drive import onto_drive
from paebiru.deploy.onto import prepare
from paebiru.deploy.repl import Repl
from paebiru.errors import UsageError
from paebiru.vboard import VirtualBoard
from targets import ROOT

NODE = ROOT / "firmware" / "paebiru_node"

NN = "/lib/sil/nn.mpy"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(tmp_path / "board", heap=HEAP) as virtual:
        yield virtual


def mpremote(board: VirtualBoard, *words: str) -> str:
    """Run the real command on a board whose node is stopped: its one Ctrl-C may come too early."""
    with Repl(board.port):
        pass
    return vboards.mpremote(board, *words)


def files_of(board: VirtualBoard) -> set[str]:
    """Return the board's files, by mpremote's own command."""
    return set(mpremote(board, "exec", _WALK).split())


_WALK = """
import os
def walk(d):
    for x in os.ilistdir(d or '/'):
        if x[1] & 0x4000:
            walk(d + '/' + x[0])
        else:
            print(d + '/' + x[0])
walk('')
"""


def test_only_what_differs_is_sent(board: VirtualBoard) -> None:
    """Over a terminal; test_doctor.py deploys over TCP."""
    made = bundle()
    everything = [path for path in made.files if path != LIST]
    first = copy(board.port, made)
    assert first.device == board.id
    assert list(first.sent) == everything
    assert (first.unchanged, first.removed) == (0, ())
    assert first.size > sum(map(len, made.files.values()))  # the list goes twice

    again = copy(board.port, made)
    assert (again.sent, again.removed, again.size) == ((), (), 0)
    assert again.unchanged == len(everything)

    other = made.configured(json.loads(made.files["/device.json"]) | {"name": "another"})
    changed = copy(board.port, other)
    assert changed.sent == ("/device.json",)
    # Whatever happened to the files there: it is their own bytes that count.
    damage = (
        f"f=open('{NN}','r+b'); f.seek(200); f.write(b'!'); f.close(); import os;"
        "os.remove('/lib/sil/crc.mpy'); open('/lib/sil/old.mpy','w').close();"
        "os.mkdir('/lib/sil/gone'); open('/lib/sil/gone/x.py','w').close();"
        "open('/mine.txt','w').close(); os.mkdir('/lib/others');"
        "open('/lib/others/a.py','w').close()"
    )
    mpremote(board, "exec", damage)
    repaired = copy(board.port, other)
    assert sorted(repaired.sent) == ["/lib/sil/crc.mpy", NN]
    assert repaired.removed == ("/lib/sil/gone/x.py", "/lib/sil/old.mpy")
    there = files_of(board)
    assert there == {*made.files, "/mine.txt", "/lib/others/a.py"}
    assert "gone" not in mpremote(board, "fs", "ls", ":/lib/sil")

    # A recording that is no longer wanted goes; the owner's files do not.
    files = {path: data for path, data in other.files.items() if path != f"/{FILE}"}
    without = Bundle(other.board, files).configured({"version": 1})
    assert copy(board.port, without).removed == (f"/{FILE}",)
    assert files_of(board) == {*without.files, "/mine.txt", "/lib/others/a.py"}
    said = mpremote(board, "fs", "sha256sum", ":/device.json")
    assert without.hashes["/device.json"] in said


class Stop(Exception):
    pass


def test_a_deploy_that_breaks_off_is_repaired_by_the_next(board: VirtualBoard) -> None:
    made = bundle()

    def stop(name: str, done: int, total: int) -> None:
        if done > total // 2:
            raise Stop

    with pytest.raises(Stop):
        copy(board.port, made, stop)
    there = files_of(board)
    assert "/main.py" not in there, "half of a program would start"
    assert 10 < len(there) < len(made.files)

    def cut(name: str, done: int, total: int) -> None:
        if done > total * 3 // 4 and not cuts:
            cuts.append(board.starts)
            board.kill()
            board.wait(cuts[0] + 1)

    cuts: list[int] = []
    with pytest.raises(UsageError, match=r"try again|deploy again|the board answered"):
        copy(board.port, made, cut)
    assert "/main.py" not in files_of(board)
    assert copy(board.port, made).sent
    assert copy(board.port, made).sent == ()
    assert files_of(board) == set(made.files)


def test_the_wrong_board_is_refused_and_left_alone(board: VirtualBoard) -> None:
    esp32 = boards.load("esp32_devkit")
    with pytest.raises(UsageError, match=r"runs x64 code, esp32_devkit has xtensawin"):
        copy(board.port, bundle(esp32))
    qtpy = boards.load("qtpy_esp32s3")
    with pytest.raises(UsageError, match="runs micropython, qtpy_esp32s3"):
        copy(board.port, bundle(qtpy))
    assert files_of(board) == set()
    mpremote(board, "exec", "import os; os.mkdir('/paebiru_node');"
             "open('/paebiru_node/__init__.py', 'w').close()")  # fmt: skip
    with pytest.raises(UsageError, match="/paebiru_node of somebody else's"):
        copy(board.port, bundle())


@pytest.mark.parametrize("blocks", [30, 60], ids=["seen before", "seen while writing"])
def test_a_full_board_says_so(tmp_path: Path, blocks: int) -> None:
    made = bundle()
    with VirtualBoard(tmp_path / "board", heap=HEAP, size=blocks * 4096) as board:
        with pytest.raises(UsageError, match=r"the board is full.*remove files of your own"):
            copy(board.port, made)
        assert "/main.py" not in files_of(board)
        assert bool(files_of(board)) == (blocks == 60)


def test_ports_that_cannot_be_opened(board: VirtualBoard, tmp_path: Path) -> None:
    made = bundle()
    (tmp_path / "file").touch()
    for port, message in (
        ("/dev/ttyNONE7", "there is no port /dev/ttyNONE7: plug the board in"),
        (str(tmp_path / "file"), "is no serial port"),
        ("socket://127.0.0.1:9", "nothing answers at socket://127.0.0.1:9"),
    ):
        with pytest.raises(UsageError, match=message):
            copy(port, made)
    with (
        serial.Serial(board.port, exclusive=True),
        pytest.raises(UsageError, match="in use: end the program"),
    ):
        copy(board.port, made)


def test_a_port_without_python_says_so_in_time() -> None:
    silent, end = os.openpty()
    try:
        with pytest.raises(UsageError, match="no MicroPython answers"), Repl(os.ttyname(end), 1.0):
            pass
    finally:
        os.close(silent)
        os.close(end)


def test_a_bundle_has_what_the_board_needs_and_no_more() -> None:
    for name in ("vm", "esp32c3_supermini"):
        made = bundle(boards.load(name))
        files = list(made.files)
        assert files[-2:] == [LIST, "/main.py"], "the entry file comes last"
        assert set(listed(made.files[LIST])) == set(files) - {LIST}
        assert "/lib/paebiru_node/sensors/replay.mpy" in files
        for unwanted in ("responder", "cp", "bh1750", "console", "_root"):
            assert not [path for path in files if unwanted in path.rpartition("/")[2]]
    lean = bundle(boards.load("qtpy_esp32s3"))
    assert list(lean.files)[-1] == "/code.py"
    assert not [path for path in lean.files if path.endswith(".mpy") or "/mp" in path]
    assert b"import" in lean.files["/lib/paebiru_node/port/cp.py"]
    bare = bundle().without_modules()
    assert set(bare.files) == {"/device.json", f"/{FILE}", "/boot.py", LIST, "/main.py"}
    assert NN not in listed(bare.files[LIST])


def test_the_twin_is_machine_code_and_can_be_left_out() -> None:
    board = boards.load("vm")
    wire = "/lib/sil/kernels/wire.mpy"
    assert bundle(board).format == (6, 3, 2)  # x64
    plain = bundle(board, twin=False)
    assert plain.format == (6, 0, 0)
    assert plain.files[wire] != bundle(board).files[wire]
    assert plain.files[NN] == bundle(board).files[NN]


# -- settings

WRONG = [
    ("vm", "colour = 1", "colour: no such key"),
    ("vm", "period_ms = 'x'", "period_ms: 'x' cannot be"),
    ("vm", "period_ms = 1", "period_ms: 10 to"),
    ("vm", "links = ['radio']", "'radio' is no link of this board"),
    ("vm", "x = [", "put the TOML right"),
    ("vm", "[learn]\nsensor = 0", "there are 0 sensors"),
    ("vm", "sensors = [{driver = 'nope', layer = 0}]", "driver 'nope' is unknown"),
    ("vm", "sensors = [{driver = 'replay', layer = 7}]", "layer must be 0 to 4"),
    ("vm", "sensors = [{driver = 'replay', layer = 0, file = 'd.jsil'}]", "--recording d.jsil"),
    (
        "vm",
        f"sensors = [{{driver = 'replay', layer = 0, file = '{FILE}', inputs = 9}}]",
        "frames of 5 bytes, this entry asks for 9",
    ),
    ("esp32_devkit", "links = ['wifi']", r"add \[link.wifi\]"),
    ("esp32_devkit", "[link.wifi]\nssid = 'x'", "needs password"),
    ("esp32_devkit", "[link.ether]\nhost = 'x'", "no link 'ether'"),
    ("esp32_devkit", "sensors = [{driver = 'bh1750', layer = 0}]", "name its role"),
    ("esp32_devkit", "sensors = [{driver = 'bh1750', layer = 0, role = 'i2c7'}]", "no role 'i2c7'"),
    ("esp32_devkit", "sensors = [{driver = 'bh1750', layer = 0, role = 'ph'}]", "no 'ph' among"),
    (
        "esp32_devkit",
        "sensors = [{driver = 'bh1750', layer = 0, role = 'i2c0', lux = 1}]",
        "option lux is unknown",
    ),
]


@pytest.mark.parametrize(("board", "text", "message"), WRONG)
def test_wrong_settings_are_named(board: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        settings_, recordings = given.load(path)
        prepare(boards.load(board), settings_, {FILE: recording(), **recordings})


def test_settings_become_device_json() -> None:
    text = """
        name = "greenhouse-3"
        node = 7
        [link.wifi]
        ssid = "net"
        password = "long enough"
        host = "192.168.1.2"
        [[sensors]]
        driver = "bh1750"
        layer = 0
        role = "i2c0"
        [outputs]
        6 = "relay"
    """
    made = given.device(boards.load("esp32_devkit"), given.parse(tomllib.loads(text)))
    assert (made["version"], made["name"], made["node"]) == (1, "greenhouse-3", 7)
    assert made["links"] == ["usb", "wifi"]
    assert made["layers"] == [0]
    assert made["outputs"] == {"6": "relay"}
    assert made["board"]["buses"]["i2c0"]["scl"] == 22
    assert made["board"]["links"]["wifi"]["host"] == "192.168.1.2"
    assert set(made["board"]["outputs"]) == {"relay"}
    assert made["board"]["analog"] == {}, "what nothing uses stays away"


def test_the_example_for_owners_can_be_deployed(tmp_path: Path) -> None:
    """As boards/README.md shows it, for the board that it names."""
    text = (ROOT / "boards" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- settings: (\w+) -->\n```toml\n(.*?)```", text, re.DOTALL)
    assert found
    path = tmp_path / "settings.toml"
    path.write_text(found[2], encoding="utf-8")
    made = prepare(boards.load(found[1]), *given.load(path))
    device = json.loads(made.files["/device.json"])
    assert device["links"] == ["usb", "wifi"]
    assert device["board"]["links"]["wifi"]["host"] == "192.168.1.2"
    assert device["sensors"][device["learn"]["sensor"]]["driver"] == "camera"


# -- a drive


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A folder as CircuitPython leaves it; the board itself cannot be had here."""
    folder = tmp_path / "CIRCUITPY"
    folder.mkdir()
    (folder / "boot_out.txt").write_text(
        "Adafruit CircuitPython 10.0.3 on 2025-10-17; Adafruit QT Py ESP32-S3\n"
        "Board ID:adafruit_qtpy_esp32s3_nopsram\nUID:CCBA97123456\n"
    )
    (folder / "code.py").write_text("print('Hello World!')")
    (folder / "lib").mkdir()
    (folder / "lib" / "neopixel.mpy").touch()
    return folder


def test_a_drive(drive: Path) -> None:
    made = bundle(boards.load("qtpy_esp32s3"))
    first = onto_drive(drive, made)
    assert first.device == "ccba97123456"
    assert len(first.sent) == len(made.files) - 1
    for path, data in made.files.items():
        assert (drive / path[1:]).read_bytes() == data
    assert onto_drive(drive, made).sent == ()
    (drive / "lib/sil/nn.py").write_bytes(b"x")
    (drive / "lib/sil/old.py").touch()
    again = onto_drive(drive, made)
    assert (again.sent, again.removed) == (("/lib/sil/nn.py",), ("/lib/sil/old.py",))
    assert (drive / "lib" / "neopixel.mpy").exists()

    def stop(name: str, done: int, total: int) -> None:
        raise Stop

    other = bundle(boards.load("qtpy_esp32s3"), name="other")
    with pytest.raises(Stop):
        onto_drive(drive, other, stop)
    assert not (drive / "code.py").exists()
    assert onto_drive(drive, other).sent
    assert (drive / "code.py").exists()


def test_what_is_no_drive_is_refused(drive: Path, tmp_path: Path) -> None:
    made = bundle(boards.load("qtpy_esp32s3"))
    with pytest.raises(UsageError, match=r"no CIRCUITPY drive.*boot_out.txt"):
        onto_drive(tmp_path, made)
    with pytest.raises(UsageError, match="--port instead of --drive"):
        onto_drive(drive, bundle())
    (drive / "boot_out.txt").write_text("UF2 Bootloader")
    with pytest.raises(UsageError, match="not CircuitPython's"):
        onto_drive(drive, made)


# -- the command


def test_the_command(board: VirtualBoard, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recording())
    text = "period_ms = 100\n[[sensors]]\n" + "".join(
        f"{key} = {value!r}\n".replace("True", "true")
        for key, value in settings()["sensors"][0].items()
    )
    (tmp_path / "s.toml").write_text(text)
    words = ("deploy", "--board", "vm", "--port", board.port, "--settings", tmp_path / "s.toml")
    said = paebiru(*words, "--recording", tmp_path / FILE)
    assert f"vm ({board.id})" in said
    assert "files sent, 0 unchanged, 0 removed" in said
    assert "verified and started" in said
    assert said.count("\n") == 1
    (tmp_path / "s.toml").write_text(f"recordings = ['{FILE}']\n" + text)
    assert given.load(tmp_path / "s.toml")[1] == {FILE: recording()}

    said = paebiru("deploy", "--board", "vm", code=2)
    assert said.startswith("paebiru: give --port (MicroPython) or --drive")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("board", "way", "message"),
    [
        ("qtpy_esp32s3", {"port": "x"}, "runs CircuitPython: give --drive"),
        ("vm", {"drive": Path()}, "runs MicroPython, which has no drive"),
        ("vm", {"port": "x", "drive": Path()}, "one of them"),
        ("none", {"port": "x"}, "no board is called 'none'"),
    ],
)
def test_the_way_has_to_fit_the_board(board: str, way: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        deploy(board, **way)


# -- frozen


def frozen() -> dict[str, Path]:
    """Return what firmware/manifest.py lists, by MicroPython's own rules of `package`."""
    manifest = ROOT / "firmware" / "manifest.py"
    found: dict[str, Path] = {}

    def package(name: str, files: list[str] | None = None, base_path: str = ".") -> None:
        base = (manifest.parent / base_path).resolve()
        listed = files or [p.relative_to(base / name) for p in (base / name).rglob("*.py")]
        for file in listed:
            assert (base / name / file).is_file()
            found[f"{name}/{file}"] = base / name / file

    before = Path.cwd()
    os.chdir(manifest.parent)  # as MicroPython's tool does
    try:
        exec(manifest.read_text(), {"package": package})
    finally:
        os.chdir(before)
    return found


def test_the_manifest_freezes_all_that_a_micropython_board_runs() -> None:
    drivers = tuple(path.stem for path in (NODE / "sensors").glob("*.py") if has_driver(path))
    assert "bh1750" in drivers
    needed = {str(sources.place(path)) for path in sources.modules("micropython", drivers)}
    listed = frozen()
    assert needed <= set(listed)
    for unwanted in ("paebiru_node/port/cp.py", "paebiru_node/_root/micropython/main.py"):
        assert unwanted not in listed


def has_driver(path: Path) -> bool:
    return "class Driver" in path.read_text(encoding="utf-8")
