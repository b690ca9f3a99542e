"""LLRP framing and parameter headers, written for the simulated reader alone. Pure.

Sources: LLRP 1.0.1 16.1 (message header), 16.2.1 (parameter encodings: TLV, TV, Custom).
"""

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER_LENGTH = 10
LARGEST_MESSAGE = 1 << 20
"""Bytes. What a client sends is a few kilobytes; a longer length is noise."""
LLRP_1_0_1 = 1
CUSTOM = 1023
"""Type of both CUSTOM_MESSAGE and the Custom parameter."""
IMPINJ = 25882
"""IANA private enterprise number."""

_HEADER = struct.Struct("!HII")
_TLV = struct.Struct("!HH")
_CUSTOM = struct.Struct("!HHII")


class MessageType(IntEnum):
    """Message types of LLRP 1.0.1 16.1.1 to 16.1.42."""

    GET_READER_CAPABILITIES = 1
    GET_READER_CONFIG = 2
    SET_READER_CONFIG = 3
    CLOSE_CONNECTION_RESPONSE = 4
    GET_READER_CAPABILITIES_RESPONSE = 11
    GET_READER_CONFIG_RESPONSE = 12
    SET_READER_CONFIG_RESPONSE = 13
    CLOSE_CONNECTION = 14
    ADD_ROSPEC = 20
    DELETE_ROSPEC = 21
    START_ROSPEC = 22
    STOP_ROSPEC = 23
    ENABLE_ROSPEC = 24
    DISABLE_ROSPEC = 25
    GET_ROSPECS = 26
    ADD_ROSPEC_RESPONSE = 30
    DELETE_ROSPEC_RESPONSE = 31
    START_ROSPEC_RESPONSE = 32
    STOP_ROSPEC_RESPONSE = 33
    ENABLE_ROSPEC_RESPONSE = 34
    DISABLE_ROSPEC_RESPONSE = 35
    GET_ROSPECS_RESPONSE = 36
    ADD_ACCESSSPEC = 40
    DELETE_ACCESSSPEC = 41
    ENABLE_ACCESSSPEC = 42
    DISABLE_ACCESSSPEC = 43
    GET_ACCESSSPECS = 44
    ADD_ACCESSSPEC_RESPONSE = 50
    DELETE_ACCESSSPEC_RESPONSE = 51
    ENABLE_ACCESSSPEC_RESPONSE = 52
    DISABLE_ACCESSSPEC_RESPONSE = 53
    GET_ACCESSSPECS_RESPONSE = 54
    GET_REPORT = 60
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100
    CUSTOM_MESSAGE = 1023


class Frame(NamedTuple):
    """One LLRP message off the wire, body still encoded."""

    version: int
    type: int
    message_id: int
    body: bytes


class WireError(Exception):
    """The byte stream cannot be LLRP any more; only closing the connection helps."""


class Framer:
    """Cuts a byte stream into LLRP messages. One per connection, owned by whoever reads that connection."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in any slicing and return the messages that they complete.

        Raises:
            WireError: a header's length is below 10 or above 1 MiB, so that the next message cannot be found.
        """
        self._pending += data
        frames: list[Frame] = []
        at = 0
        while len(self._pending) - at >= HEADER_LENGTH:
            kind, length, message_id = _HEADER.unpack_from(self._pending, at)
            if not HEADER_LENGTH <= length <= LARGEST_MESSAGE:
                raise WireError(f"message length {length}, expected {HEADER_LENGTH} to {LARGEST_MESSAGE} bytes")
            if len(self._pending) - at < length:
                break
            body = bytes(self._pending[at + HEADER_LENGTH : at + length])
            frames.append(Frame(kind >> 10 & 7, kind & 0x3FF, message_id, body))
            at += length
        del self._pending[:at]
        return frames


def message(kind: int, message_id: int, body: bytes = b"", version: int = LLRP_1_0_1) -> bytes:
    """Encode a whole message with its 10-byte header."""
    return _HEADER.pack(version << 10 | kind, HEADER_LENGTH + len(body), message_id) + body


def tlv(kind: int, *content: bytes) -> bytes:
    """Encode a TLV parameter: 6 reserved bits, 10 bits of type, 16 bits of length, content."""
    body = b"".join(content)
    return _TLV.pack(kind, _TLV.size + len(body)) + body


def custom(vendor: int, subtype: int, *content: bytes) -> bytes:
    """Encode a Custom parameter (LLRP 1.0.1 16.2.9)."""
    body = b"".join(content)
    return _CUSTOM.pack(CUSTOM, _CUSTOM.size + len(body), vendor, subtype) + body


def utf8v(text: str) -> bytes:
    """Encode a string with its 16-bit byte count."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def u16v(values: tuple[int, ...]) -> bytes:
    """Encode 16-bit values with their 16-bit count."""
    return struct.pack(f"!H{len(values)}H", len(values), *values)


def u32v(values: tuple[int, ...]) -> bytes:
    """Encode 32-bit values with their 16-bit count."""
    return struct.pack(f"!H{len(values)}I", len(values), *values)
