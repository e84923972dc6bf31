"""Gives a board that is plugged in a key of its own.

Only by USB: whoever holds the board in hand may give it a key.  The board's file
is written, read back and compared before the hub's store takes the key.
"""

from paebiru.errors import UsageError
from paebiru.keys import KeyStore
from paebiru.rawrepl import RawRepl
from sil.link.keys import DeviceKey
from sil.link.messages import DEVICE_SIZE

# ESP32 boards keep the key in NVS, which survives a new file system; others in a file.
_KEEP = """
try:
    import esp32
    _nvs = esp32.NVS("paebiru")
    def put(b):
        _nvs.set_blob("key", b)
        _nvs.commit()
    def get():
        b = bytearray(64)
        return bytes(b[:_nvs.get_blob("key", b)])
except ImportError:
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


def identify(repl: RawRepl) -> bytes:
    """Return the device id that a board has by its hardware; empty when it has none."""
    return bytes.fromhex(repl.run(_WHO).strip())[:DEVICE_SIZE]


def enroll(repl: RawRepl, store: KeyStore, device: bytes = b"") -> tuple[bytes, DeviceKey]:
    """Give the board at the REPL a new key; return the device and the key."""
    device = device or identify(repl)
    if not device:
        raise UsageError("this board has no id of its own; give it one: --device HEX")
    key = store.new_key(device)
    stored = key.pack()
    printed = repl.run(f"{_KEEP}\nput(bytes.fromhex('{stored.hex()}'))\nprint(get().hex())")
    if printed.strip() != stored.hex():
        raise UsageError("the board did not keep the key; is its file system full or read-only?")
    store.enroll(device, key)
    return device, key
