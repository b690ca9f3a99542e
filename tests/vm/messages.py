"""QEMU's and its guest agent's JSON messages, and what the guest's console says. Pure: bytes and text in, facts out."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]


class MessageSplitter:
    """Cuts a stream into JSON objects, one on each line; half a line of an earlier life and junk are passed over.

    Owned by one connection. The guest agent marks a new beginning with the byte FF.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rpartition(b"\xff")[2].strip()
            del self._buffer[: end + 1]
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                yield message


@dataclass(frozen=True, slots=True)
class Boot:
    """What the console tells of one boot."""

    kernel: bool
    """The kernel has begun."""
    replayed: bool
    """The file system's journal was replayed: the power had been cut."""
    trouble: tuple[str, ...]
    """Lines that must not be there."""


_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_REPLAYED = ("recovery complete", "recovering journal")
_TROUBLE = re.compile(
    r"EXT4-fs error|EXT4-fs warning|I/O error|Kernel panic|UNEXPECTED INCONSISTENCY|emergency mode|"
    r"Cannot open root device|Give root password|Buffer I/O|Oops:|BUG:|blocked for more than|Out of memory",
    re.IGNORECASE,
)


def read_console(text: str) -> Boot:
    """Tell how a boot went.

    Args:
        text: what the serial console has shown since the power was switched on.
    """
    lines = [_ANSI.sub("", line).strip() for line in text.splitlines()]
    return Boot(
        any("Linux version" in line for line in lines),
        any(words in line for line in lines for words in _REPLAYED),
        tuple(line for line in lines if _TROUBLE.search(line)),
    )


@dataclass(frozen=True, slots=True)
class ModemLines:
    """What the guest's driver told the simulated FTDI adapter, last."""

    dtr: bool | None
    rts: bool | None
    latency_ms: int | None
    baud: int | None


_CONTROL = re.compile(r"usb_serial_handle_control .*control 0x([0-9a-f]+), value 0x([0-9a-f]+)")
_BAUD = re.compile(r"usb_serial_set_baud .*baud rate (\d+)")
_SET_MODEM_LINES, _SET_LATENCY = 0x4001, 0x4009


def read_adapter_log(text: str) -> ModemLines:
    """Take QEMU's trace `usb_serial_*`; the request's value has a mask of DTR and RTS above and their levels below.

    Source: FTDI's vendor requests SIO_SET_MODEM_CTRL and SIO_SET_LATENCY_TIMER, in Linux' ftdi_sio.h.
    """
    dtr: bool | None = None
    rts: bool | None = None
    latency: int | None = None
    baud: int | None = None
    for line in text.splitlines():
        if found := _CONTROL.search(line):
            request, value = int(found[1], 16), int(found[2], 16)
            if request == _SET_MODEM_LINES:
                dtr = bool(value & 1) if value & 0x100 else dtr
                rts = bool(value & 2) if value & 0x200 else rts
            elif request == _SET_LATENCY:
                latency = value
        elif found := _BAUD.search(line):
            baud = int(found[1])
    return ModemLines(dtr, rts, latency, baud)
