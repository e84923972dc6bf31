"""Errors of the host side that a user can act on."""


class UsageError(Exception):
    """The input is wrong; the message names the cause and the way out.

    The command line prints it as one line and ends with exit code 2.
    """
