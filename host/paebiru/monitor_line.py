"""Where boards are heard: a serial port, a virtual board's socket, or a TCP port that they call.

await answer("/dev/ttyUSB0", desk)         # until cancelled
await answer("tcp://0.0.0.0:7353", desk)
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from paebiru.device import Desk, Device
from paebiru.errors import UsageError
from paebiru.transport import Driver, Transport, tcp
from paebiru.transport.console import ConsoleTransport

_AGAIN = 1.0  # s between two looks for a line that has gone
_OPENING = 10.0  # s for a connection to open

Told = Callable[[str], None]


async def answer(
    where: str, desk: Desk, told: Told = lambda text: None, is_console: bool = False
) -> None:
    """Answer whoever calls at `where`, as `desk` decides, until cancelled.

    Args:
        where: a serial port's path; ``socket://HOST:PORT``, a virtual board; or
            ``tcp://HOST:PORT``, an address of this machine for boards to call.
        desk: who decides.
        told: hears when a line goes away and comes back.
        is_console: a CircuitPython board's REPL is at the line's other end.

    Raises:
        UsageError: the line cannot be opened.
    """
    if where.startswith("tcp://"):
        await _serve(where, desk)
        return
    has_been = False
    while True:
        try:
            line = await open_line(where)
        except UsageError:
            if not has_been:
                raise
            await asyncio.sleep(_AGAIN)
            continue
        if has_been:
            told(f"{where} is back")
        has_been = True
        await converse(ConsoleTransport(line) if is_console else line, Device(desk, hide_etx=True))
        told(f"{where} is gone: waiting for it to come back")


async def converse(line: Transport, device: Device) -> None:
    """Run a device's session over a line until it is gone."""
    driver = Driver(device.session, line, device.act)
    device.wake = driver.wake
    try:
        await driver.run()
    finally:
        device.gone()


async def open_line(where: str) -> Transport:
    """Open a serial port, or the socket of a virtual board.

    Raises:
        UsageError: it cannot be opened; says why.
    """
    import serial

    from paebiru.deploy.repl import why_closed
    from paebiru.transport.serial import SerialTransport

    try:
        if where.startswith("socket://"):
            async with asyncio.timeout(_OPENING):
                return await tcp.connect(*address(where))
        return SerialTransport(where)
    except (OSError, serial.SerialException, ValueError) as error:
        raise UsageError(why_closed(where, error)) from None


async def _serve(where: str, desk: Desk) -> None:
    async def accept(line: tcp.TcpTransport) -> None:
        with suppress(asyncio.CancelledError):  # the end of the task: streams would complain of it
            await converse(line, Device(desk))

    try:
        server = await tcp.serve(*address(where), accept)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {where} ({error.strerror}): end what uses that port, or give another"
        ) from None
    try:
        async with server:
            await server.serve_forever()
    finally:
        with suppress(Exception):
            server.close()


def address(url: str) -> tuple[str, int]:
    """Return host and port of ``tcp://HOST:PORT`` or ``socket://HOST:PORT``.

    Raises:
        UsageError: it is none.
    """
    host, _, port = url.partition("://")[2].rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{url!r} is no address: give tcp://HOST:PORT, as tcp://0.0.0.0:7353")
    return host.strip("[]"), int(port)
