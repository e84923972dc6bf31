"""The node: senses, learns and talks, as far as each is due, in steps that never wait.

    node = Node(port, config)
    while True:
        wait = node.step(port.ticks_ms())
        port.feed()
        port.idle(wait)

`start.run` is that loop with what surrounds it: crashes counted, safe mode, the last error.
"""

from sil import protocol as p
from sil.compat import ticks_add, ticks_diff
from sil.errors import SilError
from sil.link.fields import get16, get32

from .batches import Batches
from .health import Health
from .kinds import Any, Config, Port
from .learning import Learning
from .local import Local
from .protocol_layers import protocol_layers
from .sampler import Sampler
from .samples import Samples
from .slots import Slots
from .uplink import Uplink

VERSION = b"\x00\x01\x00\x00"


class Node:
    """One board's firmware.

    Args:
        port: the hardware (see `paebiru_node.port`).
        config: a `config.Config`.
        health: counts from before this start; a node in safe mode only answers the link.
    """

    version = VERSION

    def __init__(self, port: "Port", config: "Config", health: "Health | None" = None) -> None:
        self.port = port
        self.config = config
        self.health = health or Health(port, 0)
        safe = self.health.is_safe
        self.sampler: "Any" = None if safe else Sampler(port, config)
        self.samples: "Any" = None if safe else _samples(config, self.sampler)
        self._keeps = bool(config.learn and not config.learn.preload)
        self.learning = Learning(Slots(port), self.samples)
        if not safe:
            self.learning.masks = _masks(port)
            self._load()
        self.uplink = Uplink(port, config.links, self.learning, self)
        self.batches = Batches(config.batch, config.period)
        self.local = Local(config.rho_critical)
        self.view = bytearray(16)  # the state, as this board knows it
        self._status = bytearray(p.STATUS_SIZE)
        self._answer = bytearray(p.ANSWER_SIZE)
        self._status_due = False
        self._health_due = True
        now = port.ticks_ms()
        self._state_at = now  # when the next state is due
        self._health_at = now
        self._uptime = 0  # s
        self._second = now
        self._output: "Any" = None
        self._restart = False

    def _load(self) -> None:
        try:
            self.learning.load()
        except (SilError, MemoryError, OSError) as error:
            self.failed("the checkpoint cannot be used: %s" % error)
            self.learning.forget()

    @property
    def boots(self) -> int:
        """How often this board has started."""
        return self.health.boots

    # -- time passes

    def step(self, now: int) -> int:
        """Do what is due; return the ms until the next work."""
        self._count_seconds(now)
        wait = self.uplink.step(now)
        if self.sampler:
            if self.sampler.step(now):
                self._learn_from(now)
            wait = min(wait, self._states(now))
            if self.learning.phase == p.TRAINING:
                wait = 0 if self._train() else wait
        if self.uplink.is_up:
            self._tell(now)
        if self._restart:
            self.port.reset()
        return max(wait, 0)

    def _count_seconds(self, now: int) -> None:
        passed = ticks_diff(now, self._second) // 1000
        if passed > 0:
            self._uptime = min(self._uptime + passed, (1 << 29) - 1)
            self._second = ticks_add(self._second, passed * 1000)

    def _learn_from(self, now: int) -> None:
        """Answer new inputs here if that is their place; keep them if their class is known."""
        sampler = self.sampler
        if sampler.label >= 0 and self.samples and self._keeps:
            self.samples.add(sampler.inputs, sampler.label)
        if self.local.answer(self.learning, sampler.inputs, sampler.state, self.port):
            self.view[5] = self.local.byte
            self.local.write(self._answer, now)
            if self.uplink.is_up and self.uplink.room():
                self.uplink.send(p.ANSWER, self._answer, p.ANSWER_SIZE)

    def _states(self, now: int) -> int:
        """Take the state if it is due; return the ms until the next one."""
        left = ticks_diff(self._state_at, now)
        if left > 0:
            return left
        self._state_at = ticks_add(self._state_at, self.config.period)
        if ticks_diff(now, self._state_at) > 0:  # late by more than a period: do not catch up
            self._state_at = ticks_add(now, self.config.period)
        view = self.view
        for layer in range(5):
            view[layer] = self.sampler.state[layer]
        protocol_layers(self.learning, view)
        self.health.lost += self.batches.add(view, now, self.uplink)
        return max(ticks_diff(self._state_at, now), 0)

    def _train(self) -> bool:
        """Train a slice; True while there is more to do."""
        try:
            ready = self.learning.step(self.config.slice)
        except (SilError, OSError) as error:
            self.failed("training: %s" % error)
            self._load()
            ready = False
        if ready:
            self.changed()
        return self.learning.phase == p.TRAINING and bool(self.samples and self.samples.count)

    # -- what the hub is told

    def _tell(self, now: int) -> None:
        if self._status_due and self._send_status():
            self._status_due = False
        if ticks_diff(now, self._health_at) >= 0:
            self._health_due = True
            self._health_at = ticks_add(now, self.config.health * 1000)
        if self._health_due:
            end = self.health.write(self._uptime, self.sampler, self.uplink)
            if self.uplink.send(p.HEALTH, self.health.body, end):
                self._health_due = False

    def _send_status(self) -> bool:
        buf = self._status
        learning = self.learning
        newest = learning.slots.newest
        p.write_status(
            buf, learning.phase, learning.branch, p.SAFE if self.health.is_safe else 0,
            learning.round, newest.generation if newest else 0,
        )  # fmt: skip
        p.write_status_data(
            buf, self.samples.count if self.samples else 0,
            self.samples.inputs if self.samples else 0, learning.model, self.config.layers,
        )  # fmt: skip
        return self.uplink.send(p.STATUS, buf, p.STATUS_SIZE)

    def on_up(self) -> None:
        """The hub is there: tell it where we stand."""
        self._status_due = True
        self._health_due = True

    def changed(self) -> None:
        """Something that STATUS tells has changed."""
        self._status_due = True
        if self.learning.phase != p.TRAINING:
            self.local.renew(self.learning)

    def failed(self, text: str) -> None:
        """Something went wrong that health shall tell."""
        self.health.failed(text)
        self.port.log(text)
        self._health_due = True

    # -- what the hub says

    def on_post(self, kind: int, buf: bytearray, start: int, end: int) -> None:
        """Act on a post; one that makes no sense is left, as a newer hub's may be."""
        size = end - start
        if kind == p.CONTEXT and size == p.CONTEXT_SIZE:
            self._take_context(buf, start)
        elif kind == p.LABEL and size == 1 and self.samples and self.sampler.inputs:
            self.samples.add(self.sampler.inputs, buf[start])
            self.changed()
        elif kind == p.CONTROL and size >= 1:
            try:
                self._control(buf[start], bytes(buf[start + 1 : end]))
            except (SilError, OSError, MemoryError) as error:
                self.failed("control %d: %s" % (buf[start], error))
            self.changed()

    def _take_context(self, buf: bytearray, at: int) -> None:
        mask = get16(buf, at)
        for layer in range(5, 13):  # its own senses and its own model are the board's
            if mask >> layer & 1:
                self.view[layer] = buf[at + 2 + layer]
        if mask >> 6 & 1:
            self._actuate(self.view[6])

    def _actuate(self, value: int) -> None:
        """Move what layer 6 moves: the byte's magnitude, 0 for NULL to 255 at rho 0 and more."""
        role = self.config.outputs.get("6")
        if not role:
            return
        try:
            if self._output is None:
                self._output = self.port.output(role)
            self._output.write(level(value))
        except (SilError, OSError) as error:
            self.failed("output %s: %s" % (role, error))

    def _control(self, what: int, rest: bytes) -> None:
        if what == p.PIN and len(rest) == p.NAME_SIZE:
            self.learning.pin(rest)
        elif what == p.ROLLBACK and len(rest) == p.NAME_SIZE:
            if not self.learning.roll_back(rest):
                self.failed("roll back: no checkpoint has the model %s" % rest.hex())
        elif what == p.FORK and len(rest) == 1:
            self.learning.fork(rest[0])
        elif what == p.PERIOD and len(rest) == 4 and p.is_period(get32(rest, 0)):
            self.config.period = get32(rest, 0)
            self.health.lost += self.batches.retime(self.config.period)
            self._state_at = self.port.ticks_ms()
        elif what == p.RESTART and len(rest) == 4 and get32(rest, 0) == self.health.boots:
            self.port.save("crashes", b"\0")
            self._restart = True
        elif what == p.TELL_HEALTH:
            self._health_due = True


def level(value: int) -> int:
    """Return how far layer 6's byte opens an output: NULL 0, rho -7..0 doubling about to 255."""
    if not value:
        return 0
    rho = (value >> 4) - 8
    return 255 if rho >= 0 else max(255 >> -rho, 1)


def _masks(port: "Port") -> "Any":
    """Return what a board in a group needs for masked sums; elsewhere None, and no memory."""
    if not port.load("group"):
        return None
    from .masked import Masks

    return Masks(port)


def _samples(config: "Config", sampler: "Any") -> "Samples | None":
    """Make room for samples where a sensor feeds a model; take a recording's at once if asked."""
    if config.learn is None or sampler.inputs is None:
        return None
    samples = Samples(config.learn.capacity, len(sampler.inputs))
    recording = sampler.recording
    if config.learn.preload and recording:
        recording.rewind()
        while samples.count < samples.capacity and recording.next():
            if recording.label >= 0:
                samples.add(recording.inputs, recording.label)
        recording.rewind()
    return samples
