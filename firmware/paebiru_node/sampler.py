"""Perception: the sensors' readings become bytes of the state, and rows for the model."""

from array import array

from sil import layers
from sil.compat import const
from sil.errors import SilError

from . import sensors
from .kinds import Any, Config, Entry, Port

_UNKNOWN = const(-1)


class Sampler:
    """The sensors of a node, its state, and the inputs of its model.

    A sensor that is missing or another one leaves its layer NULL; `reasons` says why.

    Args:
        port: the hardware.
        config: the node's `Config`.
    """

    def __init__(self, port: "Port", config: "Config") -> None:
        self.state = bytearray(layers.COUNT)
        self.reasons: "list[str]" = []  # why layers are silent
        self.failed = 0  # readings that did not come
        self.inputs: "Any" = None  # what the model is given
        self.label = _UNKNOWN  # of the latest inputs, where the sensor knows
        self._sensors: "list[Any]" = []
        self._silent = bytearray(len(config.sensors))
        for entry in config.sensors:
            self._sensors.append(self._made(entry, port, config.layers))
        self._learns = config.learn.sensor if config.learn else -1
        self._windows: "Any" = None
        self._scaler: "Any" = None
        self._row: "Any" = None
        if config.learn and self._sensors[self._learns]:
            self._prepare(self._sensors[self._learns], config.learn)

    def _made(self, entry: "Entry", port: "Port", enabled: int) -> "Any":
        if not enabled >> entry["layer"] & 1:
            return None
        try:
            return sensors.make(entry, port)
        except (SilError, OSError) as error:
            self.reasons.append("L%d %s: %s" % (entry["layer"], entry["driver"], error))
            return None

    def _prepare(self, sensor: "Any", learn: "Any") -> None:
        """Make what turns this sensor's readings into inputs."""
        if hasattr(sensor, "inputs"):
            self.inputs = sensor.inputs
            return
        from sil.features import Scaler, Windows  # most boards' sensors need neither

        columns = sensor.channels
        if learn.window:
            self._windows = Windows(columns, learn.window)
            self._row = array("h", bytes(2 * columns))
            columns = 5 * columns
        if learn.scaler:
            self._scaler = Scaler.from_bytes(learn.scaler)
            self.inputs = bytearray(columns)
        else:
            self.reasons.append("learn: this sensor needs a scaler; see `paebiru deploy --help`")

    @property
    def recording(self) -> "Any":
        """The sensor that feeds the model, if it can be read from its beginning; else None."""
        sensor = self._sensors[self._learns] if self._learns >= 0 else None
        return sensor if hasattr(sensor, "rewind") else None

    def silent(self) -> int:
        """Return the layers, as a mask, that have a sensor but no reading."""
        mask = 0
        for sensor in self._sensors:
            if sensor and not self.state[sensor.layer]:
                mask |= 1 << sensor.layer
        return mask

    def step(self, now: int) -> bool:
        """Poll every sensor; True when there are new inputs for the model."""
        fresh = False
        for i in range(len(self._sensors)):
            sensor = self._sensors[i]
            if sensor is None:
                continue
            try:
                if sensor.poll(now):
                    self.state[sensor.layer] = sensor.byte()
                    self._silent[i] = 0
                    if i == self._learns:
                        fresh = self._take(sensor)
            except OSError:
                self._miss(i, sensor)
            except SilError as error:  # it answers, but what cannot be: no use to ask again
                self.reasons.append("L%d %s: %s" % (sensor.layer, sensor.name, error))
                self.state[sensor.layer] = 0
                self._sensors[i] = None
        return fresh

    def _miss(self, i: int, sensor: "Any") -> None:
        """Count a reading that did not come; after three in a row the layer is NULL."""
        self.failed = min(self.failed + 1, 0xFFFF)
        if self._silent[i] < 3:
            self._silent[i] += 1
        if self._silent[i] == 3:
            self.state[sensor.layer] = 0

    def _take(self, sensor: "Any") -> bool:
        """Turn a reading into inputs; True when they are complete."""
        self.label = getattr(sensor, "label", _UNKNOWN)
        if self._windows:
            row = self._row
            for k in range(len(row)):
                row[k] = max(-32768, min(32767, sensor.values[k]))
            self._windows.feed(row, 0, len(row))
            if not self._windows.ready:
                return False
            self._scaler.apply(self._windows.out, self.inputs)
        elif self._scaler:
            self._scaler.apply(sensor.values, self.inputs)
        return self.inputs is not None
