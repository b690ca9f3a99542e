"""LLRP messages out of a byte stream: frames with their header, bounded, without looking into them."""

import struct
from typing import NamedTuple

from rfid_gateway.driver import ReaderError

HEADER_BYTES = 10
"""Version and type, length, message id (LLRP 1.0.1 section 16.1)."""

MAX_MESSAGE_BYTES = 4 << 20
"""Far above any real report (a thousand tags make 80 kB) and far below what hurts a small PC."""

LLRP_1_0_1 = 1
LLRP_1_1 = 2
"""The version field of a message's header."""

_HEADER = struct.Struct("!HII")


class FramingLostError(ReaderError):
    """A header gives an impossible length: nobody knows where the next message starts. Only reconnecting helps."""


class Frame(NamedTuple):
    """One whole LLRP message as it arrived."""

    version: int
    """1 = LLRP 1.0.1, 2 = LLRP 1.1; recorded, never judged."""
    type: int
    """Message type, 0 to 1023."""
    id: int
    """Message ID: an answer carries its request's."""
    body: bytes
    """What follows the header."""


def encode_frame(message_type: int, message_id: int, body: bytes = b"", version: int = LLRP_1_0_1) -> bytes:
    """Build one LLRP message (LLRP 1.0.1 section 16.1)."""
    return _HEADER.pack(version << 10 | message_type, HEADER_BYTES + len(body), message_id) + body


class Framer:
    """Cuts a byte stream into frames; made anew for each connection. Owner: the session."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> tuple[list[Frame], FramingLostError | None]:
        """Take bytes as they came; give the frames that are whole now, and what ended the framing, if anything did.

        The error is returned beside the frames, not raised, so that the good messages before a damaged header in the
        same segment are not lost. After an error the framer is of no more use.
        """
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        position, available = 0, len(buffer)
        while available - position >= HEADER_BYTES:
            version_and_type, length, message_id = _HEADER.unpack_from(buffer, position)
            if not HEADER_BYTES <= length <= MAX_MESSAGE_BYTES:
                header = buffer[position : position + HEADER_BYTES].hex(" ")
                return frames, FramingLostError(
                    f"LLRP header {header} gives a length of {length} bytes, expected {HEADER_BYTES} to "
                    f"{MAX_MESSAGE_BYTES}; reconnecting. If this repeats, check that the port is the reader's LLRP port"
                )
            if available - position < length:
                break
            body = bytes(buffer[position + HEADER_BYTES : position + length])
            frames.append(Frame(version_and_type >> 10 & 7, version_and_type & 0x3FF, message_id, body))
            position += length
        if position:
            del buffer[:position]
        return frames, None
