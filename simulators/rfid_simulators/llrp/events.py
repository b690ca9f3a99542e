"""READER_EVENT_NOTIFICATION: what happens in the reader besides tags. Pure.

Source: LLRP 1.0.1 13.1.4 (ReaderEventNotificationData and its events), 16.2.7.6.
"""

import struct
from enum import IntEnum

from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.llrp.wire import tlv


class NotificationType(IntEnum):
    """Events that SET_READER_CONFIG switches on and off (LLRP 1.0.1 13.1.4.1)."""

    HOPPING = 0
    GPI = 1
    ROSPEC = 2
    REPORT_BUFFER_FILL_WARNING = 3
    READER_EXCEPTION = 4
    RF_SURVEY = 5
    AISPEC = 6
    AISPEC_WITH_SINGULATION = 7
    ANTENNA = 8


class ConnectionAttempt(IntEnum):
    """Status of a ConnectionAttemptEvent (LLRP 1.0.1 13.1.4.4.10)."""

    SUCCESS = 0
    READER_INITIATED_CONNECTION_EXISTS = 1
    CLIENT_INITIATED_CONNECTION_EXISTS = 2
    FAILED_OTHERWISE = 3
    ANOTHER_CONNECTION_ATTEMPTED = 4


class RoSpecEvent(IntEnum):
    """EventType of a ROSpecEvent."""

    START = 0
    END = 1
    PREEMPTION = 2


def event_data(timestamp: bytes, event: bytes) -> bytes:
    """Encode a notification's body; `timestamp` is an encoded UTCTimestamp or Uptime parameter."""
    return tlv(P.READER_EVENT_NOTIFICATION_DATA, timestamp, event)


def connection_attempt(status: int) -> bytes:
    """Encode a ConnectionAttemptEvent."""
    return tlv(P.CONNECTION_ATTEMPT_EVENT, status.to_bytes(2, "big"))


def connection_close() -> bytes:
    """Encode a ConnectionCloseEvent: the reader is about to close the connection."""
    return tlv(P.CONNECTION_CLOSE_EVENT)


def rospec_event(kind: RoSpecEvent, rospec_id: int) -> bytes:
    """Encode a ROSpecEvent."""
    return tlv(P.ROSPEC_EVENT, struct.pack("!BII", kind, rospec_id, 0))


def end_of_aispec(rospec_id: int, spec_index: int) -> bytes:
    """Encode an AISpecEvent; `spec_index` counts from 1."""
    return tlv(P.AISPEC_EVENT, struct.pack("!BIH", 0, rospec_id, spec_index))


def gpi(port: int, *, high: bool) -> bytes:
    """Encode a GPIEvent."""
    return tlv(P.GPI_EVENT, struct.pack("!HB", port, high << 7))


def antenna(antenna_id: int, *, connected: bool) -> bytes:
    """Encode an AntennaEvent."""
    return tlv(P.ANTENNA_EVENT, struct.pack("!BH", connected, antenna_id))


def report_buffer_level(percent: int) -> bytes:
    """Encode a ReportBufferLevelWarningEvent."""
    return tlv(P.REPORT_BUFFER_LEVEL_WARNING_EVENT, bytes((percent,)))


def report_buffer_overflow() -> bytes:
    """Encode a ReportBufferOverflowErrorEvent: reports were lost."""
    return tlv(P.REPORT_BUFFER_OVERFLOW_ERROR_EVENT)
