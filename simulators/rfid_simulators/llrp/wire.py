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
LLRP_1_1 = 2
CUSTOM = 1023
"""Type of both CUSTOM_MESSAGE and the Custom parameter."""
IMPINJ = 25882
ZEBRA = 161
"""IANA private enterprise numbers; Zebra goes by Motorola's."""

_HEADER = struct.Struct("!HII")
_TLV = struct.Struct("!HH")
_CUSTOM = struct.Struct("!HHII")


class MessageType(IntEnum):
    """Message types of LLRP 1.0.1 16.1.1 to 16.1.42, and the negotiation of versions of LLRP 1.1."""

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
    GET_SUPPORTED_VERSION = 46
    SET_PROTOCOL_VERSION = 47
    ADD_ACCESSSPEC_RESPONSE = 50
    DELETE_ACCESSSPEC_RESPONSE = 51
    ENABLE_ACCESSSPEC_RESPONSE = 52
    DISABLE_ACCESSSPEC_RESPONSE = 53
    GET_ACCESSSPECS_RESPONSE = 54
    GET_SUPPORTED_VERSION_RESPONSE = 56
    SET_PROTOCOL_VERSION_RESPONSE = 57
    GET_REPORT = 60
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100
    CUSTOM_MESSAGE = 1023


class ParameterType(IntEnum):
    """Types of the TLV parameters of LLRP 1.0.1 16.2 and 16.3 that a client or this reader sends."""

    UTC_TIMESTAMP = 128
    UPTIME = 129
    GENERAL_DEVICE_CAPABILITIES = 137
    RECEIVE_SENSITIVITY_TABLE_ENTRY = 139
    PER_ANTENNA_AIR_PROTOCOL = 140
    GPIO_CAPABILITIES = 141
    LLRP_CAPABILITIES = 142
    REGULATORY_CAPABILITIES = 143
    UHF_BAND_CAPABILITIES = 144
    TRANSMIT_POWER_LEVEL_TABLE_ENTRY = 145
    FREQUENCY_INFORMATION = 146
    FREQUENCY_HOP_TABLE = 147
    FIXED_FREQUENCY_TABLE = 148
    ROSPEC = 177
    RO_BOUNDARY_SPEC = 178
    ROSPEC_START_TRIGGER = 179
    PERIODIC_TRIGGER_VALUE = 180
    GPI_TRIGGER_VALUE = 181
    ROSPEC_STOP_TRIGGER = 182
    AISPEC = 183
    AISPEC_STOP_TRIGGER = 184
    TAG_OBSERVATION_TRIGGER = 185
    INVENTORY_PARAMETER_SPEC = 186
    RF_SURVEY_SPEC = 187
    RF_SURVEY_SPEC_STOP_TRIGGER = 188
    ACCESSSPEC = 207
    ACCESSSPEC_STOP_TRIGGER = 208
    ACCESS_COMMAND = 209
    LLRP_CONFIGURATION_STATE_VALUE = 217
    IDENTIFICATION = 218
    GPO_WRITE_DATA = 219
    KEEPALIVE_SPEC = 220
    ANTENNA_PROPERTIES = 221
    ANTENNA_CONFIGURATION = 222
    RF_RECEIVER = 223
    RF_TRANSMITTER = 224
    GPI_PORT_CURRENT_STATE = 225
    EVENTS_AND_REPORTS = 226
    RO_REPORT_SPEC = 237
    TAG_REPORT_CONTENT_SELECTOR = 238
    ACCESS_REPORT_SPEC = 239
    TAG_REPORT_DATA = 240
    EPC_DATA = 241
    READER_EVENT_NOTIFICATION_SPEC = 244
    EVENT_NOTIFICATION_STATE = 245
    READER_EVENT_NOTIFICATION_DATA = 246
    GPI_EVENT = 248
    ROSPEC_EVENT = 249
    REPORT_BUFFER_LEVEL_WARNING_EVENT = 250
    REPORT_BUFFER_OVERFLOW_ERROR_EVENT = 251
    AISPEC_EVENT = 254
    ANTENNA_EVENT = 255
    CONNECTION_ATTEMPT_EVENT = 256
    CONNECTION_CLOSE_EVENT = 257
    LLRP_STATUS = 287
    FIELD_ERROR = 288
    PARAMETER_ERROR = 289
    C1G2_LLRP_CAPABILITIES = 327
    C1G2_UHF_RF_MODE_TABLE = 328
    C1G2_UHF_RF_MODE_TABLE_ENTRY = 329
    C1G2_INVENTORY_COMMAND = 330
    C1G2_FILTER = 331
    C1G2_TAG_INVENTORY_MASK = 332
    C1G2_STATE_AWARE_FILTER_ACTION = 333
    C1G2_STATE_UNAWARE_FILTER_ACTION = 334
    C1G2_RF_CONTROL = 335
    C1G2_SINGULATION_CONTROL = 336
    C1G2_STATE_AWARE_SINGULATION_ACTION = 337
    C1G2_TAG_SPEC = 338
    C1G2_TARGET_TAG = 339
    C1G2_READ = 341
    C1G2_WRITE = 342
    C1G2_KILL = 343
    C1G2_LOCK = 344
    C1G2_LOCK_PAYLOAD = 345
    C1G2_BLOCK_ERASE = 346
    C1G2_BLOCK_WRITE = 347
    C1G2_EPC_MEMORY_SELECTOR = 348


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
