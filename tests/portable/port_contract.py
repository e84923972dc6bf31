"""The contract of `paebiru_node.port`, as checks that every port passes.

A check takes a *bench*: a port, and what it takes to try it from outside.

    bench.port          the port
    bench.again()       another port of the same board, as after a restart
    bench.link          role of a line whose other end the bench holds
    bench.say(data)     the other end sends
    bench.heard()       what the other end has received since
    bench.hang_up()     the other end goes; True when the board must notice
    bench.parts         True: there are the parts of `BOARD`, recorded as in `WORLD`
    bench.has_watchdog  True: there is one

`run` does all of them, for a board that has no unittest.
"""

from paebiru_node.errors import PortError
from paebiru_node.port import CAUSES, MAX_SAVED
from sil.compat import ticks_diff

LINK = {"kind": "tcp", "host": "127.0.0.1", "port": 0}
BOARD = {
    "buses": {"i2c0": {"id": 0, "scl": 22, "sda": 21, "freq": 400000}},
    "analog": {"ph": {"pin": 34}},
    "streams": {
        "microphone": {"kind": "i2s", "id": 0, "sck": 14, "ws": 15, "sd": 32, "rate": 16000},
        "odd": {"kind": "telepathy"},
    },
    "outputs": {
        "relay": {"kind": "digital", "pin": 2},
        "lamp": {"kind": "pwm", "pin": 4, "freq": 1000},
        "odd": {"kind": "telepathy"},
    },
    "links": {"odd": {"kind": "telepathy"}, "hub": LINK},
    "watchdog_ms": 30000,
}
WORLD = {
    "i2c": {"0": {"0x23": {"chip": "BH1750", "trace": [["10", "0190"], ["10", "01a2"]]}}},
    "adc": {"34": [1210, 1215]},
}
_NAME = "contract.bin"
_LONG = 20000  # ms: what a slow machine may take


def expect(is_so, what):
    """Fail with a message."""
    if not is_so:
        raise AssertionError(what)


def refused(call, words, errors=PortError):
    """Call; it must be refused with one line that names each of `words`."""
    try:
        call()
    except errors as error:
        text = str(error)
        for word in words:
            expect(word in text, "%r does not name %r" % (text, word))
        expect("\n" not in text, "more than a line: %r" % text)
        return
    raise AssertionError("not refused: %s" % (words,))


def check_time(bench):
    port = bench.port
    start = port.ticks_ms()
    expect(0 <= start < 1 << 29, "ticks have 29 bits")
    port.idle(0)
    port.idle(-5)
    expect(ticks_diff(port.ticks_ms(), start) < 1000, "idle(0) waits for nothing")
    start = port.ticks_ms()
    port.idle(40)
    spent = ticks_diff(port.ticks_ms(), start)
    expect(38 <= spent < _LONG, "idle(40) took %d ms" % spent)
    start = port.ticks_ms()
    port.rest(40)
    expect(ticks_diff(port.ticks_ms(), start) < _LONG, "rest(40) ends")


def check_identity(bench):
    port = bench.port
    device = port.unique_id()
    expect(isinstance(device, bytes) and 1 <= len(device) <= 8, "unique_id %r" % (device,))
    expect(port.unique_id() == device, "the same each time")
    expect(bench.again().unique_id() == device, "the same after a restart")


def check_randomness(bench):
    port = bench.port
    seen = [port.urandom(16) for _ in range(20)]
    expect(all(len(some) == 16 for some in seen), "as many as asked for")
    expect(len(set(seen)) == 20, "never the same")
    expect(bench.again().urandom(16) not in seen, "not the same after a restart")


def check_health(bench):
    expect(bench.port.cause() in range(len(CAUSES)), "a known cause")
    expect(bench.port.free() > 1000, "some memory is free")
    bench.port.log("two\nlines are one")


def check_save_and_load(bench):
    port = bench.port
    name = "contract_15_chr"
    expect(len(name) == 15, "the longest name")
    port.save(name, b"")
    expect(port.load(name) == b"", "nothing")
    expect(port.load("contract_never") == b"", "nothing was saved")
    for data in (b"first", bytes(range(256)) * 2, bytearray(b"shorter")):
        port.save(name, data)
        expect(port.load(name) == bytes(data), "what was saved last")
        expect(isinstance(port.load(name), bytes), "bytes")
        expect(bench.again().load(name) == bytes(data), "after a restart too")
    port.save("contract_b", b"other")
    expect(port.load(name) == b"shorter", "names do not touch each other")
    port.save(name, b"")
    port.save("contract_b", b"")
    expect(bench.again().load(name) == b"", "an empty value is none")


def check_save_refuses(bench):
    port = bench.port
    for name in ("", "sixteen_letters_", "Upper", "a-b", "a/b", "..", "a b"):
        refused(lambda name=name: port.save(name, b"x"), ("no name to save under",))
        refused(lambda name=name: port.load(name), ("no name to save under",))
    refused(lambda: port.save("contract_b", bytes(MAX_SAVED + 1)), ("513", "512"))
    expect(port.load("contract_b") == b"", "nothing of it was saved")


def check_files(bench):
    port = bench.port
    with port.open(_NAME, "wb") as file:
        file.write(b"one ")
        file.write(bytearray(b"two "))
        file.write(memoryview(b"..three..")[2:7])
    with bench.again().open(_NAME, "rb") as file:
        expect(file.read(4) == b"one ", "the start")
        buf = bytearray(9)
        expect(file.readinto(buf) == 9 and bytes(buf) == b"two three", "the rest: %r" % buf)
        expect(file.read(4) == b"", "the end")
    with port.open(_NAME, "wb") as file:
        file.write(b"new")
        file.flush()
    with port.open(_NAME, "rb") as file:
        expect(file.read() == b"new", "the new one alone")
    port.remove(_NAME)
    refused(lambda: port.open(_NAME, "rb"), (), OSError)
    port.remove(_NAME)
    refused(lambda: bench.again().open(_NAME, "rb"), (), OSError)


def check_what_is_not_described(bench):
    port = bench.port
    for section, ask in (
        ("buses", port.bus),
        ("analog", port.analog),
        ("streams", port.stream),
        ("outputs", port.output),
        ("links", port.link),
    ):
        refused(lambda ask=ask: ask("nowhere"), ("nowhere", section))
    for ask in (port.stream, port.output, port.link):
        refused(lambda ask=ask: ask("odd"), ("odd", "telepathy"))


def check_parts(bench):
    port = bench.port
    if not bench.parts:  # none here: each says so when it is asked for
        refused(lambda: port.bus("i2c0"), ("buses.i2c0", "no such hardware"))
        refused(lambda: port.analog("ph"), ("analog.ph", "no such hardware"))
        refused(lambda: port.stream("microphone"), ("streams.microphone", "no such hardware"))
        refused(lambda: port.output("relay"), ("outputs.relay", "no such hardware"))
        return
    bus = port.bus("i2c0")
    expect(port.bus("i2c0") is bus, "two sensors share a bus")
    buf = bytearray(2)
    bus.read(0x23, 0x10, buf)
    expect(bytes(buf) == b"\x01\x90", "the register's first value: %r" % buf)
    bus.write(0x23, b"\x10")
    bus.receive(0x23, buf)
    expect(bytes(buf) == b"\x01\xa2", "the second: %r" % buf)
    refused(lambda: bus.read(0x42, 0x10, buf), (), OSError)
    refused(lambda: bus.write(0x42, b"\x10"), (), OSError)
    analog = port.analog("ph")
    expect(analog.millivolts() in (1210, 1215), "millivolts as they are")
    stream = port.stream("microphone")
    port.idle(30)
    count = stream.readinto(bytearray(201))
    expect(0 < count <= 200 and count % 2 == 0, "whole samples: %d" % count)
    for role in ("relay", "lamp"):
        output = port.output(role)
        for level in (0, 255, 128, 0):
            output.write(level)


def check_watchdog(bench):
    if bench.has_watchdog:
        for _ in range(3):
            bench.port.feed()
    else:
        refused(bench.port.feed, ("watchdog",))


def check_link(bench):
    link = opened(bench)
    buf = bytearray(b"..up..")
    expect(isinstance(link.datagrams, bool) and isinstance(link.hides_etx, bool), "both are said")
    expect(link.readinto(bytearray(8)) == 0, "nothing came")
    expect(link.write(buf, 2, 2) == 0, "nothing went")
    expect(link.write(buf, 2, 4) == 2, "two bytes went")
    waited(bench, lambda: bench.heard() == b"up", "they came")
    link.heard()
    bench.say(b"down")
    expect(received(bench, link, 4) == b"down", "and back")
    expect(link.readinto(bytearray(8)) == 0, "no more came")


def check_link_in_bulk(bench):
    link = opened(bench)
    data = bytearray((i * 7 + (i >> 8)) & 0xFF for i in range(2114))
    at = 0
    heard = b""
    start = bench.port.ticks_ms()
    while len(heard) < len(data):
        if at < len(data):
            taken = link.write(data, at, len(data))
            expect(0 <= taken <= len(data) - at, "took %d" % taken)
            at += taken
        heard += bench.heard()
        expect(ticks_diff(bench.port.ticks_ms(), start) < _LONG, "%d arrived" % len(heard))
        bench.port.idle(1)
    expect(heard == bytes(data), "the longest frame, whole")
    bench.say(bytes(data[:1000]))
    expect(received(bench, link, 1000, 7) == bytes(data[:1000]), "in small pieces")


def check_idle_ends_when_bytes_come(bench):
    link = opened(bench)
    start = bench.port.ticks_ms()
    bench.port.idle(40)
    expect(ticks_diff(bench.port.ticks_ms(), start) >= 38, "a line that is up ends nothing")
    bench.say(b"x")
    start = bench.port.ticks_ms()
    bench.port.idle(_LONG)
    expect(ticks_diff(bench.port.ticks_ms(), start) < _LONG - 1000, "bytes end it")
    expect(received(bench, link, 1) == b"x", "and are there")


def check_link_closes_and_opens(bench):
    link = opened(bench)
    link.close()
    link.close()
    link = opened(bench)
    bench.say(b"again")
    expect(received(bench, link, 5) == b"again", "a line can be opened again")
    if not bench.hang_up():
        return

    def is_gone():
        try:
            link.readinto(bytearray(4))
        except OSError:
            return True
        return False

    waited(bench, is_gone, "OSError when the other end has gone")
    link.close()
    opened(bench)


def opened(bench):
    """Return the link, up, with nothing on its way."""
    link = bench.port.link(bench.link)
    waited(bench, link.open, "the line comes up")
    expect(link.open(), "and stays up")
    bench.heard()
    return link


def waited(bench, is_so, what):
    """Let time pass until something is so."""
    start = bench.port.ticks_ms()
    while not is_so():
        expect(ticks_diff(bench.port.ticks_ms(), start) < _LONG, "not in time: " + what)
        bench.port.idle(5)


def received(bench, link, count, piece=64):
    """Return so many bytes from the link."""
    got = bytearray()
    buf = bytearray(piece)

    def is_all():
        size = link.readinto(buf)
        got.extend(buf[:size])
        return len(got) >= count

    waited(bench, is_all, "%d bytes" % count)
    return bytes(got)


CHECKS = (
    check_time,
    check_identity,
    check_randomness,
    check_health,
    check_save_and_load,
    check_save_refuses,
    check_files,
    check_what_is_not_described,
    check_parts,
    check_watchdog,
    check_link,
    check_link_in_bulk,
    check_idle_ends_when_bytes_come,
    check_link_closes_and_opens,
)


def run(bench):
    """Do all of them; an AssertionError says which one failed."""
    for check in CHECKS:
        try:
            check(bench)
        except AssertionError as error:
            raise AssertionError("%s: %s" % (check.__name__, error))
        print("contract:", check.__name__, "holds")
    print("contract: all", len(CHECKS), "hold")
