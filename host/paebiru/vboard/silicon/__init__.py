"""What the virtual board has instead of a chip; runs on MicroPython, inside of the VM."""
