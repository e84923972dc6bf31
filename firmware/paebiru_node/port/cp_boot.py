"""What a CircuitPython board decides before the PC sees it: its USB lines, and whose the drive is.

The node has a USB line of its own beside the console, and the drive is the board's: while the
PC holds it, no checkpoint could be written.
"""

import board
import digitalio
import storage
import usb_cdc

_BUTTONS = ("BUTTON", "BOOT0", "BOOT")


def prepare() -> None:
    """Set both up; a button held while the board starts gives the drive to the PC.

    That is how the next `paebiru deploy --drive` gets in.
    """
    usb_cdc.enable(console=True, data=True)
    if not _is_held():
        storage.disable_usb_drive()


def _is_held() -> bool:
    """Tell whether the board's button is pressed; a board without one keeps its drive open."""
    for name in _BUTTONS:
        pin = getattr(board, name, None)
        if pin is not None:
            button = digitalio.DigitalInOut(pin)
            button.switch_to_input(pull=digitalio.Pull.UP)
            pressed = not button.value
            button.deinit()
            return pressed
    return True
