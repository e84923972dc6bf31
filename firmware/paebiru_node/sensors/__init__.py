"""One driver a file.  A driver is given a part of the port, never a pin, and never waits.

    sensor = make(entry, port)          one entry of ``sensors`` in device.json
    if sensor.poll(now):                 ms, 29 bits; True: there is a new reading
        sensor.values                    array("i"), one integer a channel, see each driver
        sensor.byte()                    the layer's ByteSil: rho how strong, theta of what kind

A driver has

    layer           0..4, the layer that it perceives
    channels        how many integers a reading has
    period          ms from one reading to the next that the part needs at least
    poll(now)       do what is due: start a conversion, or fetch it; never wait.  OSError: no
                    answer; SensorError: one that cannot be (a failed self-test, a damaged file)
    byte()          of the last reading; 0 (NULL) before the first

and may have, where its readings are a network's inputs already,

    inputs          bytearray, uint8 Q8, or int8 Q5 where it says so
    label           the class of this reading; -1: unknown

It is made with ``Driver(part, entry)``, where ``entry`` is a dict: ``driver``, ``layer`` (0..4),
``role`` (which bus, analog input or stream), ``address`` (I2C) and the driver's own options.
Making it checks that the chip is there and is the right one (`SensorError` if not).
"""

from .registry import DRIVERS, make

__all__ = ("DRIVERS", "make")
