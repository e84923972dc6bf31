"""From power to a running node, and what becomes of it when it fails.

A crash is counted and its reason kept; after three in a row, or with a configuration that
cannot be, the board starts in safe mode: no sensors, no training, but it answers the link
and tells why.  A minute of work, or RESTART from the hub, ends the count.
"""

import gc
import sys

from sil.compat import const, ticks_diff

from .app import Node
from .errors import ConfigError, Restart
from .health import SAFE_AFTER, Health
from .kept import Config
from .kinds import Make, Port
from .port import CAUSE_WATCHDOG

_REST = const(1000)  # ms before a crashed board starts over
_HEALTHY = const(60000)  # ms without a crash after which the count starts anew


class Life:
    """A node from one start to the next."""

    def __init__(self, node: Node, begun: int) -> None:
        self.node = node
        self.begun = begun
        self.is_doubtful = node.health.crashes > 0
        # None without a description, or where it says 0: what is not started need not be fed.
        self.is_watched = bool(node.config.board.get("watchdog_ms"))


def run(make: "Make") -> None:
    """Run the node for ever.

    Args:
        make: called with the ``board`` part of device.json, returns the port.
    """
    config, problem = _config()
    _forget("paebiru_node", "config")
    port = make(config.board)
    try:
        _live(port, config, problem)
    except (KeyboardInterrupt, Restart):
        raise
    except Exception as error:  # whatever it was, the board must come back
        port.rest(0)  # from here on Ctrl-C interrupts: who reads of it can keep the board
        try:
            report(error)
        except MemoryError:
            pass
        crashed(port, error)


def _live(port: "Port", config: Config, problem: str) -> None:
    """Run until something fails; by then the node's memory is free, to say what it was."""
    life = begin(port, config, problem)
    while True:
        port.idle(min(step(life, port), 1000))


def begin(port: "Port", config: Config, problem: str) -> Life:
    """Start a node; `problem` says what is wrong with its configuration, if anything."""
    return Life(Node(port, config, _health(port, problem)), port.ticks_ms())


def step(life: Life, port: "Port") -> int:
    """Take one step, and feed a watchdog once it came to its end; return the ms to the next."""
    now = port.ticks_ms()
    wait = life.node.step(now)
    if life.is_watched:
        port.feed()
    if life.is_doubtful and ticks_diff(now, life.begun) > _HEALTHY:
        life.is_doubtful = False
        if not life.node.health.is_safe:
            port.save("crashes", b"\0")
    return wait


def crashed(port: "Port", error: BaseException) -> None:
    """Count a crash, keep its reason, start over; Ctrl-C keeps it from that."""
    try:
        crashes = _count(port.load("crashes")) + 1
        port.save("crashes", bytes((min(crashes, 255),)))
        port.save("error", ("%s: %s" % (type(error).__name__, error)).encode()[:120])
    except Exception:  # no memory or room for it: what matters is to come back
        pass
    port.rest(_REST)  # a board that crashes as soon as it starts would let nobody in
    port.reset()


def _config() -> "tuple[Config, str]":
    """Return the configuration, or the least one and why."""
    from . import config

    try:
        with open(config.FILE) as file:
            return config.parse(file.read()), ""
    except OSError:
        problem = "there is no device.json: run paebiru deploy"
    except ConfigError as error:
        problem = "device.json: %s" % error
    usb = {"links": {"usb": {"kind": "stdio"}}}
    return config.checked({"version": 1, "board": usb, "links": ["usb"]}), problem


def _forget(package: str, name: str) -> None:
    """Let the memory of a module go that nothing needs behind the start."""
    del sys.modules[package + "." + name]
    delattr(sys.modules[package], name)
    gc.collect()


def _health(port: "Port", problem: str) -> Health:
    boots = _count(port.load("boots")) + 1
    port.save("boots", bytes((boots & 255, boots >> 8 & 255, boots >> 16 & 255)))
    crashes = _count(port.load("crashes"))
    error = port.load("error").decode() if crashes else ""
    if port.cause() == CAUSE_WATCHDOG:
        crashes += 1
        error = error or "the watchdog bit: a step did not come to its end"
        port.save("crashes", bytes((min(crashes, 255),)))
    if problem:
        crashes = max(crashes, SAFE_AFTER)
    return Health(port, boots, crashes, problem or error)


def _count(stored: bytes) -> int:
    value = 0
    for i in range(min(len(stored), 3)):
        value |= stored[i] << 8 * i
    return value


def report(error: BaseException) -> None:
    """Print where it happened, for whoever watches."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        print("%s: %s" % (type(error).__name__, error))
