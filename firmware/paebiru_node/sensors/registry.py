"""Drivers by name, each imported only when a board has such a sensor: memory is scarce there."""

from sil.compat import About

from ..errors import SensorError
from .base import Sensor
from .parts import Port

DRIVERS = (
    "analog_gas", "bh1750", "bme280", "bme688", "camera", "lsm6ds", "microphone", "mpu6050",
    "probe", "replay", "sgp40", "tsl2591",
)  # fmt: skip

_COMMON = ("driver", "layer", "role", "period", "name")


def make(entry: "About", port: "Port") -> Sensor:
    """Return the driver of one entry of ``sensors`` in device.json, its part of `port` in hand.

    Raises:
        SensorError: the driver or an option of it is unknown, the part does not answer or is
            another one.
        PortError: the board has no such part.
    """
    name = entry.get("driver")
    if name not in DRIVERS:
        raise SensorError("driver %r is unknown: take one of %s" % (name, ", ".join(DRIVERS)))
    module = __import__("paebiru_node.sensors." + name, None, None, ("Driver",))
    driver = module.Driver
    known = _COMMON + driver.OPTIONS
    if driver.PART == "bus":
        known += ("address",)
    for key in entry:
        if key not in known:
            raise SensorError(
                "%s: option %s is unknown: there are %s" % (name, key, ", ".join(known))
            )
    if driver.PART == "port":
        part = port
    else:
        role = entry.get("role")
        if not isinstance(role, str) or not role:
            raise SensorError("%s: name its role, which %s it is on" % (name, driver.PART))
        part = getattr(port, driver.PART)(role)
    made: Sensor = driver(part, entry)
    return made
