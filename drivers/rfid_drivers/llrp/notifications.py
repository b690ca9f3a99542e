"""What a reader tells by itself: READER_EVENT_NOTIFICATION, and the status that every answer carries.

Decoded here and not with sllurp's tables, because readers send status codes and events beyond LLRP 1.0.1, and those
must arrive as numbers instead of ending the message.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from rfid_drivers.llrp.fault import NOWHERE, Fault, decode_fault
from rfid_drivers.llrp.parameters import LlrpDecodeError, Parameter, unpack, walk

_BYTE = struct.Struct("!B")
_SHORT = struct.Struct("!H")
_TIMESTAMP = struct.Struct("!Q")
_PORT_AND_LEVEL = struct.Struct("!HB")
_KIND_AND_ANTENNA = struct.Struct("!BH")
_KIND_AND_ROSPEC = struct.Struct("!BI")
_STATUS = struct.Struct("!HH")

_UTC_TIMESTAMP, _UPTIME = 128, 129
_NOTIFICATION_DATA = 246
_LLRP_STATUS, _FIELD_ERROR, _PARAMETER_ERROR = 287, 288, 289


class ConnectionAttempt(IntEnum):
    """Status of ConnectionAttemptEvent (LLRP 1.0.1 section 16.2.7.6.10)."""

    SUCCESS = 0
    HELD_BY_READER_INITIATED = 1
    HELD_BY_CLIENT_INITIATED = 2
    FAILED = 3
    ANOTHER_TRIED = 4


class SpecChange(IntEnum):
    """EventType of ROSpecEvent."""

    STARTED = 0
    ENDED = 1
    PREEMPTED = 2


@dataclass(frozen=True, slots=True)
class InputChanged:
    """GPIEvent."""

    port: int
    high: bool


@dataclass(frozen=True, slots=True)
class SpecChanged:
    """ROSpecEvent; `change` is a SpecChange or a number that LLRP does not know."""

    rospec_id: int
    change: int


@dataclass(frozen=True, slots=True)
class BufferFilling:
    """ReportBufferLevelWarningEvent."""

    percent: int


@dataclass(frozen=True, slots=True)
class BufferOverflowed:
    """ReportBufferOverflowErrorEvent: the reader lost reports."""


@dataclass(frozen=True, slots=True)
class ReaderException:
    """ReaderExceptionEvent, in the reader's own words."""

    text: str


@dataclass(frozen=True, slots=True)
class AntennaChanged:
    """AntennaEvent."""

    antenna_id: int
    connected: bool


@dataclass(frozen=True, slots=True)
class ConnectionAttempted:
    """ConnectionAttemptEvent; `status` is a ConnectionAttempt or a number that LLRP does not know."""

    status: int


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """ConnectionCloseEvent: the reader is about to close."""


Notification = (
    InputChanged
    | SpecChanged
    | BufferFilling
    | BufferOverflowed
    | ReaderException
    | AntennaChanged
    | ConnectionAttempted
    | ConnectionClosed
)


@dataclass(frozen=True, slots=True)
class Notifications:
    """One READER_EVENT_NOTIFICATION."""

    reader_time: int | None
    """Microseconds, in the reader's clock."""
    clock: Literal["utc", "uptime"]
    """What `reader_time` counts from: 1970, or the reader's start where it has no UTC."""
    events: tuple[Notification, ...]
    skipped: int
    """Parameters that we do not know or use."""


def _input(parameter: Parameter) -> Notification:
    port, level = unpack(_PORT_AND_LEVEL, parameter)
    return InputChanged(port, bool(level & 0x80))


def _spec(parameter: Parameter) -> Notification:
    change, rospec_id = unpack(_KIND_AND_ROSPEC, parameter)
    return SpecChanged(rospec_id, change)


def _exception(parameter: Parameter) -> Notification:
    (length,) = unpack(_SHORT, parameter)
    return ReaderException(parameter.body[2 : 2 + length].decode("utf-8", "replace"))


def _antenna(parameter: Parameter) -> Notification:
    kind, antenna_id = unpack(_KIND_AND_ANTENNA, parameter)
    return AntennaChanged(antenna_id, kind == 1)


_EVENTS: dict[int, Callable[[Parameter], Notification]] = {
    248: _input,
    249: _spec,
    250: lambda parameter: BufferFilling(*unpack(_BYTE, parameter)),
    251: lambda _: BufferOverflowed(),
    252: _exception,
    255: _antenna,
    256: lambda parameter: ConnectionAttempted(*unpack(_SHORT, parameter)),
    257: lambda _: ConnectionClosed(),
}
"""Parameter type -> decoder. Hopping, RF survey and AISpec events are switched off and skipped if they come."""


def decode_notification(body: bytes) -> Notifications:
    """Decode the body of READER_EVENT_NOTIFICATION (LLRP 1.0.1 section 16.1.33).

    Raises:
        LlrpDecodeError: the message does not follow LLRP.
    """
    data = next((parameter for parameter in walk(body) if parameter.type == _NOTIFICATION_DATA), None)
    if data is None:
        raise LlrpDecodeError("READER_EVENT_NOTIFICATION without ReaderEventNotificationData (246)")
    reader_time, skipped = None, 0
    clock: Literal["utc", "uptime"] = "utc"
    events: list[Notification] = []
    for parameter in walk(data.body):
        if parameter.type in (_UTC_TIMESTAMP, _UPTIME):
            (reader_time,) = unpack(_TIMESTAMP, parameter)
            clock = "uptime" if parameter.type == _UPTIME else "utc"
        elif parameter.type in _EVENTS:
            events.append(_EVENTS[parameter.type](parameter))
        else:
            skipped += 1
    return Notifications(reader_time, clock, tuple(events), skipped)


@dataclass(frozen=True, slots=True)
class Status:
    """LLRPStatus (LLRP 1.0.1 section 16.2.8.1)."""

    code: int
    """0 = success; vendors and LLRP 1.1 know more codes than LLRP 1.0.1."""
    text: str
    """The reader's own words; often empty."""
    where: str
    """Which field or parameter the reader refused; empty where it does not say."""
    fault: Fault = NOWHERE
    """The same, for programs."""

    @property
    def ok(self) -> bool:
        """The request was carried out."""
        return self.code == 0

    def __str__(self) -> str:
        """For a person: words of the reader, place and code."""
        return " ".join(part for part in (self.text, self.where, f"(LLRP status {self.code})") if part)


def decode_status(body: bytes, start: int = 0) -> Status:
    """Find and decode the LLRPStatus of an answer or ERROR_MESSAGE; `start` skips fixed fields before it.

    Raises:
        LlrpDecodeError: there is none, or it does not follow LLRP.
    """
    for parameter in walk(body, start):
        if parameter.type == _LLRP_STATUS:
            code, length = unpack(_STATUS, parameter)
            end = _STATUS.size + length
            if end > len(parameter.body):
                raise LlrpDecodeError(f"LLRPStatus: description of {length} bytes overruns the parameter")
            text = parameter.body[_STATUS.size : end].decode("utf-8", "replace").strip("\x00 ")
            return Status(code, text, _refused_part(parameter.body, end), decode_fault(parameter.body, end))
    raise LlrpDecodeError("an answer without LLRPStatus (287)")


def _refused_part(body: bytes, start: int) -> str:
    for parameter in walk(body, start):
        if parameter.type in (_FIELD_ERROR, _PARAMETER_ERROR):
            number, code = unpack(_STATUS, parameter)
            kind = "field" if parameter.type == _FIELD_ERROR else "parameter"
            return f"at {kind} {number} (code {code})"
    return ""
