"""Opens serial ports; the only importer of pyserial. I/O only, nothing is parsed here.

pyserial 3.5 on Linux has traps, all met below: `read(n)` waits for all n bytes, so one byte is awaited and the rest
taken as it is there; after an unplug `in_waiting` raises a plain OSError and the flush calls raise `termios.error`,
which is no OSError; an unknown scheme is a ValueError; another program that has the port open without a lock steals
bytes, so a lock is always asked for.
"""

import errno
import os
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import serial

from rfid_drivers.serial.tcp import TcpPort
from rfid_gateway.driver import ReaderBusyError, ReaderError

READ_WAIT_S = 0.05
"""How long `read` waits for a first byte: the resolution of every timer of a serial dialogue."""

_WRITE_TIMEOUT_S = 1.0

_PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}

_OPENING_HELP = {
    errno.ENOENT: "there is no such port; is the reader plugged in? /dev/serial/by-id and by-path list what is there",
    errno.EACCES: "permission denied; the gateway's user must be in the group dialout",
    errno.EPERM: "permission denied; the gateway's user must be in the group dialout",
    errno.EIO: "the port does not answer; unplug the reader's adapter and plug it in again",
    errno.ENODEV: "the adapter behind this port is gone; is the reader plugged in?",
    errno.ENXIO: "the adapter behind this port is gone; is the reader plugged in?",
    errno.ENOTTY: "this is no serial port",
}

_IN_USE = frozenset({errno.EAGAIN, errno.EBUSY})


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a line is set; eight data bits and one stop bit always."""

    baud: int
    parity: str
    control_lines: str = "raised"
    """Of DTR and RTS: raised or low."""

    def __str__(self) -> str:
        return f"{self.baud} baud, parity {self.parity}, DTR and RTS {self.control_lines}"


class Port(Protocol):
    """An open line to one reader. Used by one thread."""

    def read(self) -> bytes:
        """Give what has arrived, waiting up to READ_WAIT_S for a first byte; raise ReaderError when it is gone."""
        ...

    def write(self, data: bytes) -> None:
        """Send all bytes in one piece; raise ReaderError when the line is gone or takes nothing."""
        ...

    def close(self) -> None:
        """Let the line go. Never raises."""
        ...


def line_name(url: str) -> str:
    """Give the name under which a line is known however its port was written: the target of a symbolic link."""
    return url.lower() if "://" in url else os.path.realpath(url)


def open_port(url: str, settings: LineSettings) -> Port:
    """Open a device path, socket://host:port or rfc2217://host:port; raise ReaderError in words that help.

    Symbolic links are followed anew at each call: after a replug /dev/serial/by-id/... points to another ttyUSB.
    """
    if url.startswith("socket://"):
        return TcpPort(url, READ_WAIT_S)
    target = url if "://" in url else os.path.realpath(url)
    name = url if target == url else f"{url} ({target})"
    try:
        port = serial.serial_for_url(
            target,
            do_not_open=True,
            baudrate=settings.baud,
            parity=_PARITIES[settings.parity],
            timeout=READ_WAIT_S,
            write_timeout=_WRITE_TIMEOUT_S if target.startswith("/") else None,  # rfc2217 has none
            exclusive=True,
        )
        if settings.control_lines == "low":
            # Set before opening, pyserial forgives a port without these lines (a pty); afterwards it raises errno 25.
            port.dtr = port.rts = False
        port.open()
    except (OSError, termios.error, ValueError) as error:
        raise _opening_error(name, error) from error
    _hasten(port)
    return SerialPort(name, port)


def _hasten(port: serial.Serial) -> None:
    """Ask an adapter to hand bytes on at once (FTDI: 1 ms instead of 16), where it is one that can and we may."""
    if isinstance(port, serial.Serial):  # what is behind rfc2217:// has no such call
        with suppress(OSError, termios.error, ValueError):
            port.set_low_latency_mode(True)


def _opening_error(name: str, error: Exception) -> ReaderError:
    number = _errno(error)
    if number in _IN_USE:
        return ReaderBusyError(f"{name} is already in use by another program (fuser names it)")
    return ReaderError(f"cannot open {name}: {_OPENING_HELP.get(number, str(error))}")


def _errno(error: Exception) -> int:
    """Number of the error: an attribute of OSError, the first argument of termios.error, 0 where there is none."""
    number = error.errno if isinstance(error, OSError) else next(iter(error.args), 0)
    return number if isinstance(number, int) else 0


class SerialPort:
    """A port that pyserial has open. Owned by the thread that runs the reader."""

    def __init__(self, name: str, port: serial.Serial) -> None:
        self._name = name
        self._port = port

    def read(self) -> bytes:
        """Give what has arrived; raise ReaderError when the adapter is unplugged or another program reads along."""
        try:
            first = self._port.read(1)
            waiting = self._port.in_waiting if first else 0
            return bytes(first + self._port.read(waiting)) if waiting else bytes(first)
        except (OSError, termios.error) as error:
            raise ReaderError(
                f"{self._name} broke off: was the reader unplugged, or does another program read this port? ({error})",
            ) from error

    def write(self, data: bytes) -> None:
        """Send all bytes in one piece."""
        try:
            self._port.write(data)
        except (OSError, termios.error) as error:
            raise ReaderError(f"cannot send to {self._name}: was the reader unplugged? ({error})") from error

    def close(self) -> None:
        """Let the port go; an unplugged one may refuse even that, and then there is nothing left to do."""
        try:
            self._port.close()
        except (OSError, termios.error):
            return
