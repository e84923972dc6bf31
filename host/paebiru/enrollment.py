"""Gives a board that is plugged in a key of its own.

Only by USB: whoever holds the board in hand may give it a key.  The board's file
is written, read back and compared before the hub's store takes the key.
"""

from typing import Protocol

from paebiru.errors import UsageError
from paebiru.keys import KeyStore
from sil.link.keys import DeviceKey
from sil.link.messages import DEVICE_SIZE

# Where the firmware looks for it: ESP32 boards keep the key in NVS, which survives a new file
# system, CircuitPython boards in their nvm, others in a file.
_KEEP = """
def put(b):
    s.save("key", b)
def get():
    return s.load("key")
try:
    import esp32
    v = esp32.NVS("paebiru")
    def put(b):
        v.set_blob("key", b)
        v.commit()
    def get():
        b = bytearray(64)
        return bytes(b[:v.get_blob("key", b)])
except ImportError:
    try:
        import microcontroller
        from paebiru_node.port.cp_nvm import NvmStore
        s = NvmStore(microcontroller.nvm)
    except ImportError:
        import sys
        if sys.implementation.name == "circuitpython":
            raise
        def put(b):
            with open("paebiru.key", "wb") as f:
                f.write(b)
        def get():
            with open("paebiru.key", "rb") as f:
                return f.read()
"""

_WHO = """
try:
    import machine
    print(machine.unique_id().hex())
except (ImportError, AttributeError):
    try:
        import microcontroller
        print(microcontroller.cpu.uid.hex())
    except ImportError:
        print("")
"""


class Runner(Protocol):
    """A board that runs code and returns what it printed, as `deploy.repl.Repl`."""

    def run(self, code: str, /) -> str:
        """Run code."""


def identify(board: Runner) -> bytes:
    """Return the device id that a board has by its hardware; empty when it has none."""
    return bytes.fromhex(board.run(_WHO).strip())[:DEVICE_SIZE]


def enroll(board: Runner, store: KeyStore, device: bytes = b"") -> tuple[bytes, DeviceKey]:
    """Give a board a new key; return the device and the key."""
    device = device or identify(board)
    if not device:
        raise UsageError("this board has no id of its own; give it one: --device HEX")
    key = store.new_key(device)
    stored = key.pack()
    printed = board.run(f"{_KEEP}\nput(bytes.fromhex('{stored.hex()}'))\nprint(get().hex())")
    if printed.strip() != stored.hex():
        raise UsageError("the board did not keep the key; is its file system full or read-only?")
    store.enroll(device, key)
    return device, key
