"""`esp32` of the virtual board: its non-volatile storage, as the ESP32 port gives it.

Keys and namespaces have 1..15 characters.  What is set counts from `NVS.commit` on, whole and for
good: stricter than the chip, which also keeps most of what was never committed.
"""

from line import ask

_NOT_FOUND = 0x1102
_INVALID_NAME = 0x1104
_NOT_ENOUGH_SPACE = 0x1105
_KEY_TOO_LONG = 0x1109
_INVALID_LENGTH = 0x110C
_NAMES = {
    _NOT_FOUND: "ESP_ERR_NVS_NOT_FOUND",
    _INVALID_NAME: "ESP_ERR_NVS_INVALID_NAME",
    _NOT_ENOUGH_SPACE: "ESP_ERR_NVS_NOT_ENOUGH_SPACE",
    _KEY_TOO_LONG: "ESP_ERR_NVS_KEY_TOO_LONG",
    _INVALID_LENGTH: "ESP_ERR_NVS_INVALID_LENGTH",
}
_LARGEST = 4000


def _error(code: int) -> OSError:
    return OSError(-code, _NAMES[code])


class NVS:
    """One namespace."""

    def __init__(self, namespace: str) -> None:
        self._prefix = _checked(namespace)
        self._changes = []  # of [name, value], in the order in which they last

    def set_i32(self, key: str, value: int) -> None:
        """Keep an integer of 32 bits."""
        self._set(self._name("i", key), (value & 0xFFFFFFFF).to_bytes(4, "big"))

    def get_i32(self, key: str) -> int:
        """Return an integer."""
        value = int.from_bytes(self._get("i", key), "big")
        return value - (1 << 32) if value >> 31 else value

    def set_blob(self, key: str, value: bytes) -> None:
        """Keep bytes."""
        if len(value) > _LARGEST:
            raise _error(_NOT_ENOUGH_SPACE)
        self._set(self._name("b", key), bytes(value))

    def get_blob(self, key: str, buffer: bytearray) -> int:
        """Copy bytes to the start of `buffer`; return how many."""
        value = self._get("b", key)
        if len(value) > len(buffer):
            raise _error(_INVALID_LENGTH)
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key: str) -> None:
        """Forget a key, of either kind."""
        found = False
        for kind in "ib":
            try:
                self._get(kind, key)
            except OSError:
                continue
            self._set(self._name(kind, key), None)
            found = True
        if not found:
            raise _error(_NOT_FOUND)

    def commit(self) -> None:
        """Make every change last."""
        while self._changes:
            name, value = self._changes[0]
            text = "-" if value is None else "=" + value.hex()
            if not ask("nvs %s %s" % (name, text))[0]:
                raise _error(_NOT_ENOUGH_SPACE)
            del self._changes[0]

    def _set(self, name: str, value: "bytes | None") -> None:
        self._changes = [change for change in self._changes if change[0] != name]
        self._changes.append([name, value])

    def _get(self, kind: str, key: str) -> bytes:
        name = self._name(kind, key)
        answer = ask("nvs %s" % name)
        value = answer[1:] if answer[0] else None
        for change in self._changes:
            if change[0] == name:
                value = change[1]
        if value is None:
            raise _error(_NOT_FOUND)
        return value

    def _name(self, kind: str, key: str) -> str:
        return self._prefix + "." + _checked(key) + "." + kind


def _checked(name: str) -> str:
    if len(name) > 15:
        raise _error(_KEY_TOO_LONG)
    if not name:
        raise _error(_INVALID_NAME)
    return name.encode().hex()
