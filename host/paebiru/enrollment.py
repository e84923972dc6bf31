"""Gives a board that is plugged in a key of its own.

Only by USB: whoever holds the board in hand may give it a key.  The board's file
is written, read back and compared before the hub's store takes the key.
"""

from typing import Protocol

from paebiru.errors import UsageError
from paebiru.keys import KeyStore
from sil.link.keys import DeviceKey
from sil.link.messages import DEVICE_SIZE

# Where the firmware looks for it: ESP32 boards keep values in NVS, which survives a new file
# system, CircuitPython boards in their nvm, others in files.
_KEEP = """
def put(n, b):
    s.save(n, b)
def get(n):
    return s.load(n)
try:
    import esp32
    v = esp32.NVS("paebiru")
    def put(n, b):
        if b:
            v.set_blob(n, b)
        elif get(n):
            v.erase_key(n)
        v.commit()
    def get(n):
        b = bytearray(512)
        try:
            return bytes(b[:v.get_blob(n, b)])
        except OSError:
            return b""
except ImportError:
    try:
        import microcontroller
        from paebiru_node.port.cp_nvm import NvmStore
        s = NvmStore(microcontroller.nvm)
    except ImportError:
        import sys
        if sys.implementation.name == "circuitpython":
            raise
        def put(n, b):
            with open("paebiru." + n, "wb") as f:
                f.write(b)
        def get(n):
            with open("paebiru." + n, "rb") as f:
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
    keep(board, "key", key.pack())
    store.enroll(device, key)
    return device, key


def keep(board: Runner, name: str, value: bytes) -> None:
    """Save a value on a board, where its firmware looks for it, and read it back.

    Raises:
        UsageError: the board did not keep it.
    """
    text = value.hex()
    code = f"put('{name}', bytes.fromhex('{text}'))\nprint(get('{name}').hex())"
    if board.run(f"{_KEEP}\n{code}").strip() != text:
        what = "key" if name == "key" else "membership"
        raise UsageError(
            f"the board did not keep the {what}; is its file system full or read-only?"
        )
