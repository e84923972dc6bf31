"""A runtime onto a board: is it the right image (`image`), and write it (`chip`).

esptool does the talking and the parsing; what is here decides what may be written where,
and turns what goes wrong into one line that says what to do.
"""

from paebiru.flashing.chip import Flashed, flash
from paebiru.flashing.image import Image, inspect

__all__ = ["Flashed", "Image", "flash", "inspect"]
