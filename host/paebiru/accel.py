"""Numba put onto the core's kernels from outside, on the host.

`sil.kernels.*` is plain Python.  `install` replaces each kernel by its compiled
form as an attribute of its own module, where callers look it up; nothing in `sil`
knows of it.  The bytes stay the same: `tests/portable` runs on both.

Two kernels have a form of their own here (`_forms`): the entropy coder's, where most of a hub's
time goes, and CRC-32, which is zlib's.

Compiled code is cached on disk beside the sources (or in numba's user cache
where that folder is read-only); ``python -m paebiru.accel`` fills that cache.
"""

import importlib
import inspect
import os
import pkgutil
import zlib
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import sil.kernels
from paebiru.errors import UsageError

BACKENDS = ("auto", "numba", "plain")

_plain: dict[tuple[str, str], FunctionType] = {}
_installed = "plain"


def kernel_modules() -> list[ModuleType]:
    """Return every module of `sil.kernels`, by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(sil.kernels.__path__))
    return [importlib.import_module(f"sil.kernels.{name}") for name in names]


def kernel_functions(module: ModuleType) -> dict[str, FunctionType]:
    """Return the plain kernels that `module` defines itself, by name."""
    return {
        name: _plain.get((module.__name__, name), value)
        for name, value in vars(module).items()
        if (module.__name__, name) in _plain
        or (inspect.isfunction(value) and value.__module__ == module.__name__)
    }


def install(backend: str = "auto") -> str:
    """Choose what runs the kernels in this process: ``numba``, ``plain``, or ``auto``.

    ``auto`` is numba, unless the environment variable ``PAEBIRU_BACKEND`` names another.
    Returns the backend now in place.  Calling it again changes nothing or switches.

    Raises:
        UsageError: the backend is unknown.
    """
    global _installed
    if backend == "auto":
        backend = os.environ.get("PAEBIRU_BACKEND", "auto")
    if backend not in BACKENDS:
        raise UsageError(
            f"backend {backend!r} is unknown: let PAEBIRU_BACKEND be one of {', '.join(BACKENDS)}"
        )
    backend = "numba" if backend == "auto" else backend
    if backend == _installed:
        return backend
    for module in kernel_modules():
        for name, plain in kernel_functions(module).items():
            _plain[module.__name__, name] = plain
            setattr(module, name, _compiled(plain) if backend == "numba" else plain)
    _installed = backend
    return backend


def _compiled(plain: FunctionType) -> object:
    return _forms().get((plain.__module__, plain.__name__), _by_numba)(plain)


def _by_numba(plain: Callable[..., Any]) -> Callable[..., Any]:
    import numba  # here, since it takes half a second that `plain` need not pay

    # nogil: kernels touch buffers and ints only, so a hub may run them in threads.
    made: Callable[..., Any] = numba.njit(cache=True, nogil=True, boundscheck=False)(plain)
    return made


def _forms() -> dict[tuple[str, str], Callable[[FunctionType], object]]:
    """Return what makes the host's own forms of kernels, by module and name."""
    from paebiru import fast_entropy

    return {
        ("sil.kernels.entropy", "code"): lambda plain: fast_entropy.made(_by_numba),
        ("sil.kernels.wire", "crc32"): lambda plain: _crc32,
    }


def _crc32(buf: Any, start: int, end: int, table: Any, crc: Any) -> int:
    """Do `wire.crc32`: six times as fast, and sooner begun."""
    value = zlib.crc32(memoryview(buf)[start:end], crc[0] | crc[1] << 16)
    crc[0], crc[1] = value & 0xFFFF, value >> 16
    return 0


def ready(*rules: str) -> None:
    """Do what a hub does for its boards, tiny: so that nobody who comes in later waits for it.

    Their states are read, a round of two updates is held, its model's accuracy measured, and
    updates are put together by each of `rules`, names of `registry.RULES`.  What is compiled is
    loaded within a second; compiling takes many, at the first start of all.
    """
    import numpy as np

    from paebiru.federated.evaluate import accuracy
    from paebiru.federated.registry import RULES, aggregate
    from paebiru.federated.rounds import Federation
    from paebiru.states import StateReader
    from sil import protocol as p
    from sil.jsil import pack
    from sil.payload import Payload

    federation = Federation(p.Task((8, 4, 3), False, 500))
    federation.open()
    frame, head = bytearray(federation.first), bytearray(p.UPDATE_HEAD)
    frame[4:] = bytes(len(frame) - 4)
    p.write_update_head(head, federation.number, 2, 1)
    for device in (b"one", b"two"):
        sender = Payload(federation.task.sizes, federation.first)
        sender.expect(federation.master.base)
        body = bytearray(sender.limit)
        size = sender.encode(frame, body)
        federation.take(device, bytes(head + body[:size]))
    federation.close()
    accuracy((8, 4, 3), federation.master.codes(), np.zeros((2, 8), np.uint8),
             np.zeros(2, np.uint8), False)  # fmt: skip
    StateReader().read(pack([bytes(range(16))] * 3, group=3, interval=3))
    # Near zero and far from it, and more of them than vectors hold; then more samples than that.
    frames = np.frombuffer(bytes(range(0x75, 0x9A)) * 8, np.uint8).reshape(8, -1)
    for name in rules:
        rule = RULES[name]
        aggregate(rule, frames, np.full(8, 9), 2 if rule.resists else 0)
        aggregate(rule, frames, np.full(8, 60000), 2 if rule.resists else 0)


def warm() -> None:
    """Compile what a hub and simulations run, so that no round need wait."""
    install("numba")
    from paebiru.federated.registry import RULES
    from paebiru.sim.federation import Federation
    from paebiru.sim.plan import Plan, prepare
    from paebiru.sim.whole import WholeFederation

    ready(*RULES)
    for dataset, hidden in (("digits", (4,)), ("wine", (4,))):  # uint8 inputs, int8 inputs
        world = prepare(Plan(dataset, clients=2, rounds=2, hidden=hidden))
        for run in (Federation(world), WholeFederation(world)):
            for _ in run.rounds():
                pass


if __name__ == "__main__":
    warm()
