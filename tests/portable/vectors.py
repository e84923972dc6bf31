"""Golden bytes of tests/vectors, read the same way on every interpreter."""

import json
from binascii import hexlify, unhexlify

# MicroPython has no os.path; the folder lies beside this file's own.
_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."


def load(name):
    """Return what ``tests/vectors/<name>.json`` holds."""
    with open(_HERE + "/../vectors/" + name + ".json") as file:
        return json.load(file)


def unhex(text):
    """Return the bytes that hex digits `text` name; spaces may group them."""
    return unhexlify(text.replace(" ", ""))


def tohex(data):
    """Return `data` as hex digits, to show in a failure."""
    return hexlify(data).decode()
