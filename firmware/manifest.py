"""Freezes Paebiru into MicroPython's firmware, where it takes flash and hardly any memory.

A manifest of one's own adds it to what a port's boards have anyway:

    include("$(PORT_DIR)/boards/manifest.py")
    include("…/paebiru/firmware/manifest.py")

    make -C ports/esp32 BOARD=ESP32_GENERIC FROZEN_MANIFEST=…/my_manifest.py

What differs from board to board, device.json and recordings, still comes by `paebiru deploy`,
which finds the frozen modules and leaves its own out.  Kernels are frozen as bytecode.
"""

import os


def _files(package, unwanted):
    """Return the modules of a package, relative to it, but for those that begin so."""
    found = []
    for folder, _, names in os.walk(package):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), package).replace(os.sep, "/")
            if name.endswith(".py") and not path.startswith(unwanted):
                found.append(path)
    return sorted(found)


package("sil", base_path="../shared")  # noqa: F821
package(  # noqa: F821
    "paebiru_node",
    # CircuitPython's half of it, and the files that a board starts by itself
    files=_files("paebiru_node", ("port/cp", "port/console", "_root/")),
)
