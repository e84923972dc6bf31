"""The simulator's port: virtual time, wires, and a flash that keeps what a real one would."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paebiru.sim.flash import Flash, PowerCut
from paebiru.sim.port import Bitten, Clock, SimPort
from paebiru_node.errors import PortError, Restart
from paebiru_node.port import CAUSE_POWER, CAUSE_WATCHDOG
from targets import ROOT, TARGETS

BOARD: dict[str, Any] = {
    "links": {"usb": {"kind": "stdio"}, "wifi": {"kind": "tcp"}},
    "streams": {"camera": {"kind": "uart", "id": 2, "baud": 100000}},
    "analog": {"ph": {"pin": 34}},
    "outputs": {"relay": {"kind": "digital", "pin": 2}},
    "watchdog_ms": 1000,
}
OLD = b"o" * 700
NEW = b"n" * 1900


def make(**more: Any) -> SimPort:
    return SimPort(BOARD, Clock(), b"board-01", **more)


def cuts(act: Callable[[Flash], None], start: Callable[[], Flash]) -> list[Flash]:
    """Return the flash as each possible cut during ``act`` leaves it."""
    left = []
    while True:
        flash = start()
        flash.writes = 0
        flash.cut_at = len(left) + 1
        try:
            act(flash)
        except PowerCut:
            with pytest.raises(PowerCut):  # without power nothing works
                flash.load("key")
            flash.power_on()
            left.append(flash)
        else:
            return left


def with_old(fat: bool) -> Flash:
    flash = Flash(fat)
    with flash.open("f", "wb") as file:
        file.write(OLD)
    flash.save("key", b"old")
    return flash


def shown(flash: Flash) -> str:
    return {OLD: "old", NEW: "new", b"": "empty"}[flash.files["f"]]


def replace(flash: Flash) -> None:
    with flash.open("f", "wb") as file:
        for at in range(0, len(NEW), 300):
            file.write(NEW[at : at + 300])


@pytest.mark.parametrize(("fat", "name"), [(False, "littlefs"), (True, "fat")])
def test_a_cut_leaves_what_a_real_file_system_leaves(fat: bool, name: str) -> None:
    target = TARGETS["micropython"]
    if reason := target.missing():
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    vm = target.command("")[0][0]
    script = str(ROOT / "tests" / "host" / "port_media.py")
    said = subprocess.run([vm, script], capture_output=True, text=True, timeout=180, check=True)
    (line,) = [text for text in said.stdout.splitlines() if text.startswith(name)]
    before_close, *real = line.split()[2:]
    left = [shown(flash) for flash in cuts(replace, lambda: with_old(fat))]
    assert len(left) > 6
    # The VM's cuts come before a write; the simulator also cuts behind the last one.
    assert left[-1] == "new"
    assert set(left) - {"new"} == set(real)
    flash = with_old(fat)
    flash.open("f", "wb").write(NEW)
    assert shown(flash) == before_close


def test_a_save_is_whole_or_not_at_all() -> None:
    left = cuts(lambda flash: flash.save("key", b"new"), lambda: with_old(False))
    assert [flash.load("key") for flash in left] == [b"old", b"new"]


def test_a_removal_is_whole_or_not_at_all() -> None:
    left = cuts(lambda flash: flash.remove("f"), lambda: with_old(True))
    assert ["f" in flash.files for flash in left] == [True, False]


def test_nothing_but_a_power_cut_leaves_a_with_block_unwritten() -> None:
    flash = Flash()
    with pytest.raises(KeyError), flash.open("f", "wb") as file:
        file.write(b"half")
        raise KeyError
    assert flash.files["f"] == b"half"
    with pytest.raises(OSError, match="closed"):
        file.write(b"more")
    with pytest.raises(PortError, match="'rb' or 'wb', not 'r'"):
        flash.open("f", "r")


def test_the_watchdog_bites_in_virtual_time() -> None:
    port = make()
    port.idle(5000)  # nobody started it
    port.feed()
    port.idle(900)
    port.feed()
    port.idle(900)
    with pytest.raises(Bitten):
        port.idle(900)
    again = port.again(CAUSE_WATCHDOG)
    assert (port.cause(), again.cause()) == (CAUSE_POWER, CAUSE_WATCHDOG)
    again.idle(5000)
    with pytest.raises(Restart):
        again.reset()


def test_events_come_in_their_order_and_end_an_idle() -> None:
    port = make()
    link = port.link("usb")
    assert link.open()
    assert link.hides_etx
    assert not port.link("wifi").hides_etx
    said: list[str] = []
    port.clock.at(30, lambda: said.append("third"))
    port.clock.at(10, lambda: said.append("first"))
    port.clock.at(10, lambda: said.append("second"))
    port.clock.at(40, lambda: port.wire("usb").give(b"x"))
    port.idle(20)
    assert (said, port.clock.now) == (["first", "second"], 20)
    port.idle(1000)
    assert (said[-1], port.clock.now) == ("third", 40)
    port.idle(1000)  # the byte is still there
    assert port.clock.now == 40


def test_a_full_wire_takes_no_more() -> None:
    port = make()
    link = port.link("usb")
    link.open()
    data = bytearray(5000)
    assert link.write(data, 0, 5000) == 4096
    assert link.write(data, 4096, 5000) == 0
    assert len(port.wire("usb").take()) == 4096
    assert link.write(data, 4096, 5000) == 904


def test_an_unplugged_wire_loses_what_is_on_it() -> None:
    port = make()
    link = port.link("usb")
    link.open()
    link.write(bytearray(b"up"), 0, 2)
    port.wire("usb").unplug()
    assert port.wire("usb").take() == b""
    with pytest.raises(OSError, match="gone"):
        link.write(bytearray(b"up"), 0, 2)
    assert not link.open()
    port.wire("usb").plug()
    assert link.open()


def test_recordings_come_at_their_rate_and_are_lost_when_nobody_fetches(tmp_path: Path) -> None:
    picture = bytes(range(100))
    (tmp_path / "camera.raw").write_bytes(picture)
    port = make(world={"uart": {"2": str(tmp_path / "camera.raw")}})
    camera = port.stream("camera")
    buf = bytearray(50_000)
    assert camera.readinto(buf) == 0
    port.idle(5)
    assert camera.readinto(buf) == 50  # 10,000 bytes a second
    assert buf[:50] == picture[:50]
    port.idle(10_000)
    assert camera.readinto(buf) == 10_000
    with pytest.raises(OSError, match="nothing was recorded"):
        port.analog("ph").millivolts()
    with pytest.raises(PortError, match="cannot be read"):
        make(world={"uart": {"2": str(tmp_path / "none.raw")}}).stream("camera")


def test_outputs_remember() -> None:
    port = make()
    relay = port.output("relay")
    relay.write(255)
    port.idle(10)
    relay.write(0)
    assert relay.history == [(0, 255), (10, 0)]
    with pytest.raises(ValueError, match=r"0\.\.255, not 256"):
        relay.write(256)


def test_everything_is_reproducible_by_seed() -> None:
    one, two, other = make(), make(), make(seed=1)
    assert one.urandom(16) == two.urandom(16)
    assert one.urandom(16) != other.urandom(16)
    assert one.again(1).urandom(16) == two.again(1).urandom(16)


def test_ten_thousand_boards_are_cheap() -> None:
    started = time.perf_counter()
    clock = Clock()
    ports = [SimPort(BOARD, clock, i.to_bytes(4, "big")) for i in range(10_000)]
    for port in ports:
        port.link("usb").open()
    assert time.perf_counter() - started < 10  # 0.2 s where this was written
    assert sum(sys.getsizeof(port.__dict__) for port in ports) < 10_000 * 2_000
