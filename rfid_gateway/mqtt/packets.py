"""The two packets of MQTT that there are many of: PUBLISH with QoS 1 on the way out, PUBACK on the way in. Pure.

Every other packet is paho's; this file only says where one ends. MQTT 5 and 3.1.1 differ here in the properties of a
PUBLISH (MQTT 5 3.3.2.3), which 3.1.1 does not have, and in the reason of a PUBACK (MQTT 5 3.4.2.1).
"""

import struct
from typing import NamedTuple

NO_PROPERTIES = b"\0"
"""The properties of an MQTT 5 packet that has none: their length. 3.1.1 has not even that: b""."""
LONGEST_TOPIC = 65_535
"""Bytes of an MQTT string (MQTT 5 1.5.4)."""
LONGEST_PACKET = 268_435_455
"""Bytes after the fixed header: what four bytes of seven bits can say (MQTT 5 1.5.5)."""
_PUBLISH_QOS_1 = 0x32
_RETAIN = 0x01
_PUBACK = 0x40
_SHORT_PUBACK = b"\x40\x02"
_FOUR_BYTES = 4
_PACKET_ID_BYTES = 2
_SEVEN_BITS = 0x7F
"""Of a byte of a length; the eighth says that another follows (MQTT 5 1.5.5)."""


class PacketError(ValueError):
    """A publication cannot be an MQTT packet; says why."""


class Puback(NamedTuple):
    """The broker's answer to a PUBLISH."""

    packet_id: int
    reason: int
    """0 with MQTT 3.1.1, which knows no other answer; from 0x80 on the broker has not taken it (MQTT 5 3.4.2.1)."""


def topic_bytes(topic: str) -> bytes:
    """The topic as a packet has it, with its length.

    Raises:
        PacketError: it is empty, too long, no Unicode, or has a wildcard or NUL (MQTT 5 1.5.4, 3.3.2.1).
    """
    try:
        encoded = topic.encode()
    except UnicodeEncodeError as error:
        raise PacketError(f"topic {topic!r} is no Unicode text") from error
    if not encoded or len(encoded) > LONGEST_TOPIC:
        raise PacketError(f"topic {topic[:40]!r} has {len(encoded)} bytes: expected 1 to {LONGEST_TOPIC}")
    if wild := next((sign for sign in "+#\0" if sign in topic), None):
        raise PacketError(f"topic {topic!r} has {wild!r}: nothing can be published there")
    return struct.pack("!H", len(encoded)) + encoded


def publish(topic: bytes, payload: bytes, packet_id: int, *, retain: bool, properties: bytes) -> bytes:
    """A PUBLISH packet with QoS 1 and without DUP.

    Args:
        topic: of `topic_bytes`.
        payload: any bytes.
        packet_id: 1 to 65535.
        retain: the broker is to keep it for later subscribers.
        properties: packed, with their length in front (MQTT 5 2.2.2); b"" in MQTT 3.1.1.

    Raises:
        PacketError: it is longer than any packet can be.
    """
    length = len(topic) + 2 + len(properties) + len(payload)
    if length > LONGEST_PACKET:
        raise PacketError(f"payload of {len(payload)} bytes: an MQTT packet has at most {LONGEST_PACKET}")
    return b"%c%b%b%b%b%b" % (
        _PUBLISH_QOS_1 | retain,
        _length_bytes(length),
        topic,
        packet_id.to_bytes(2),
        properties,
        payload,
    )


class Splitter:
    """Tells PUBACKs from all other packets in what a broker sends, however it is cut; owned by one connection."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> tuple[list[Puback], bytes]:
        """Take bytes; returns the PUBACKs that are complete now, and all complete other packets as they came.

        Bytes that cannot be a packet are returned as they came, with all that came with them: whoever decodes the
        other packets finds the error and ends the connection.
        """
        data = self._rest + data
        end = len(data)
        at = 0
        pubacks: list[Puback] = []
        others: list[bytes] = []
        while end - at >= len(_SHORT_PUBACK):
            if data[at : at + 2] == _SHORT_PUBACK:
                if end - at < _FOUR_BYTES:
                    break
                pubacks.append(Puback(data[at + 2] << 8 | data[at + 3], 0))
                at += _FOUR_BYTES
                continue
            body, after = _extent(data, at)
            if after > end:
                break
            if data[at] == _PUBACK and after - body > _PACKET_ID_BYTES:
                pubacks.append(Puback(data[body] << 8 | data[body + 1], data[body + 2]))
            elif after == at:
                others.append(data[at:])
                at = end
                break
            else:
                others.append(data[at:after])
            at = after
        self._rest = data[at:]
        return pubacks, b"".join(others)


def _length_bytes(length: int) -> bytes:
    """Variable byte integer (MQTT 5 1.5.5)."""
    encoded = bytearray()
    while length > _SEVEN_BITS:
        encoded.append(length & _SEVEN_BITS | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def _extent(data: bytes, at: int) -> tuple[int, int]:
    """Where the body of the packet begins that begins at `at`, and where it ends.

    The end is beyond the data while it is not known yet, and `at` itself where the length is malformed.
    """
    length = shift = 0
    for index in range(at + 1, min(at + 1 + _FOUR_BYTES, len(data))):
        length |= (data[index] & _SEVEN_BITS) << shift
        shift += 7
        if data[index] <= _SEVEN_BITS:
            return index + 1, index + 1 + length
    return (at, at) if shift == 7 * _FOUR_BYTES else (at, len(data) + 1)
