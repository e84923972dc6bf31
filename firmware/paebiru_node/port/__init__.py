"""What a node asks of its hardware.  `mp` and `cp` give it on boards, `paebiru.sim.port` elsewhere.

One object, made by ``Port(board)`` from the ``board`` part of ``device.json`` (which
``paebiru deploy`` wrote from ``boards/<board>.toml``), with the methods below.  Nothing in it
blocks but `idle` and `rest`, and nothing but the making of parts allocates (CircuitPython cannot
keep to that: see `cp_parts.I2SStream`, `cp_radio`).  A part that is not there raises `PortError`
when it is asked for, with what is missing and where it is configured; once made, a part that
stops answering raises OSError.

Time
    ticks_ms() -> int       29-bit ms, for `sil.compat.ticks_diff`
    idle(ms)                let at most ms pass; bytes that arrive on a link end it
    feed()                  the watchdog lives on; the first call starts it
    rest(ms)                let ms pass in which Ctrl-C interrupts, also where it is data to a link
    reset()                 start over; does not return (raises `Restart` where it cannot)

Identity
    unique_id() -> bytes    1..8 bytes; no two boards alike
    urandom(n) -> bytes     n bytes nobody can guess
    cause() -> int          why the board started: one of CAUSE_…
    free() -> int           bytes of free memory
    log(text)               one line, beside the frames where both share a line

Parts, by the role that the board's description gives them
    bus(role) -> Bus        I2C
        read(address, register, buf)    fill buf from an 8-bit register on
        receive(address, buf)           fill buf without naming a register
        write(address, data)            send all of data
    analog(role) -> Analog
        millivolts() -> int             0..5000, calibrated where the chip can
    stream(role) -> Stream              samples or pixels that come by themselves
        readinto(buf) -> int            as many bytes as are there, whole items; 0 when none
    output(role) -> Output              what layer 6 moves
        write(level)                    0 (off) .. 255
    link(role) -> Link                  bytes from and to the hub
        datagrams                       True: pieces arrive whole or not at all
        hides_etx                       True: 03 must not come raw (a REPL listens)
        open() -> bool                  make a step towards being up; True: it is.
                                        PortError: it cannot be, and what to correct
        readinto(buf) -> int            0 when nothing is there; OSError: the line is gone
        write(buf, start, end) -> int   how many bytes it took
        heard()                         a valid frame came: keep the REPL off the line
        close()                         let go; `open` may be called again

Memory that outlives the power
    load(name) -> bytes     b"" when nothing was saved.  Names: 1..15 of a-z 0-9 _
    save(name, data)        at most 512 bytes, durable when it returns, whole or not at all
    open(name, mode)        a file, "rb" or "wb"; durable when it was closed.  OSError as usual
    remove(name)            no error when it is not there
"""

CAUSE_POWER = 0
CAUSE_RESET = 1  # a pin, or `reset`
CAUSE_WATCHDOG = 2
CAUSE_SLEEP = 3
CAUSE_SOFT = 4  # the interpreter started over
CAUSE_BROWNOUT = 5
CAUSE_UNKNOWN = 6

MAX_NAME = 15  # characters: ESP-IDF's NVS
MAX_SAVED = 512  # bytes

CAUSES = ("power", "reset", "watchdog", "sleep", "soft", "brown-out", "unknown")

# Names of types, for checkers (__init__.pyi says what they are).
Board = object
Entry = object
Make = object
Part = object
Port = object
Bus = object
Analog = object
Stream = object
Output = object
Link = object
Reading = object
Writing = object
