freeze("modules")  # noqa: F821 - a name of MicroPython's manifests
