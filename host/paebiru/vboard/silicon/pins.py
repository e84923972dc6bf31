"""Pins of the virtual board: what is put out is recorded, what is read comes from the world."""

from line import ask, tell

_FULL = 3300  # mV at full scale


class Pin:
    """A digital pin."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(
        self, id: int, mode: int = -1, pull: int = -1, *, value: "int | None" = None
    ) -> None:
        if not isinstance(id, int) or not 0 <= id <= 48:
            raise ValueError("invalid pin")
        self.id = id
        self._mode = self.IN
        self._level = 0
        self.init(mode, pull, value=value)

    def init(self, mode: int = -1, pull: int = -1, *, value: "int | None" = None) -> None:
        """Set the direction, and a level to put out."""
        if mode != -1:
            self._mode = mode
        if value is not None:
            self.value(value)

    def value(self, level: "int | None" = None) -> "int | None":
        """Return the level, or put one out."""
        if level is None:
            return self._level if self._mode != self.IN else ask("pin %d" % self.id)[0]
        self._level = 1 if level else 0
        tell("pin %d %d" % (self.id, self._level))
        return None

    __call__ = value

    def on(self) -> None:
        """Put out a high level."""
        self.value(1)

    def off(self) -> None:
        """Put out a low level."""
        self.value(0)


class PWM:
    """A pin that puts out pulses."""

    def __init__(
        self,
        dest: Pin,
        *,
        freq: int = 5000,
        duty: "int | None" = None,
        duty_u16: "int | None" = None,
    ) -> None:
        self._pin = dest.id
        self._freq = freq
        self._duty = 0
        self.init(freq=freq, duty=512 if duty is None and duty_u16 is None else duty)
        if duty_u16 is not None:
            self.duty_u16(duty_u16)

    def init(
        self,
        *,
        freq: "int | None" = None,
        duty: "int | None" = None,
        duty_u16: "int | None" = None,
    ) -> None:
        """Set what is named."""
        if freq is not None:
            self.freq(freq)
        if duty is not None:
            self.duty(duty)
        if duty_u16 is not None:
            self.duty_u16(duty_u16)

    def freq(self, hz: "int | None" = None) -> "int | None":
        """Return the frequency, or set it."""
        if hz is None:
            return self._freq
        if not 0 < hz <= 40000000:
            raise ValueError("frequency must be from 1Hz to 40MHz")
        self._freq = hz
        return None

    def duty_u16(self, duty: "int | None" = None) -> "int | None":
        """Return the duty of 65536, or set it."""
        if duty is None:
            return self._duty
        if not 0 <= duty <= 65536:
            raise ValueError("duty_u16 must be from 0 to 65536")
        self._duty = duty
        tell("pwm %d %d" % (self._pin, duty))
        return None

    def duty(self, duty: "int | None" = None) -> "int | None":
        """Return the duty of 1023, or set it."""
        return self._duty >> 6 if duty is None else self.duty_u16(duty << 6)

    def deinit(self) -> None:
        """Stop."""
        self.duty_u16(0)


class ADC:
    """A pin that measures a voltage."""

    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3

    def __init__(self, pin: "Pin | int", *, atten: int = 0) -> None:
        self._pin = pin if isinstance(pin, int) else pin.id
        self._millivolts()  # a pin that measures nothing is found when it is named

    def atten(self, level: int) -> None:
        """Take any: what the world names is the voltage itself."""

    def read_uv(self) -> int:
        """Return microvolts."""
        return self._millivolts() * 1000

    def read_u16(self) -> int:
        """Return 0..65535 of full scale, 3.3 V."""
        return min(self._millivolts() * 65535 // _FULL, 65535)

    def read(self) -> int:
        """Return 0..4095 of full scale."""
        return self.read_u16() >> 4

    def _millivolts(self) -> int:
        return int.from_bytes(ask("adc %d" % self._pin), "big")
