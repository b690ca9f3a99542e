"""What the proxy has to know of MQTT: where packets end, and what a PUBLISH of an event and a PUBACK say. Pure.

Independent of the gateway's own codec and of paho. MQTT 3.1.1 and 5.0, sections 2.1 and 3.3.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CONNECT, PUBLISH, PUBACK = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Packet:
    """One whole packet."""

    raw: bytes
    body: bytes
    """What follows the remaining length."""

    @property
    def kind(self) -> int:
        return self.raw[0] >> 4


@dataclass(frozen=True, slots=True)
class Publish:
    """A PUBLISH with QoS 1."""

    topic: str
    packet_id: int
    payload: bytes


class PacketSplitter:
    """Cuts a stream of bytes into packets. Owned by one direction of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        self._buffer += data
        while (header := _variable_byte_integer(self._buffer, 1)) is not None:
            length, start = header
            if len(self._buffer) < start + length:
                return
            raw = bytes(self._buffer[: start + length])
            del self._buffer[: start + length]
            yield Packet(raw, raw[start:])


def protocol_level(connect: Packet) -> int:
    """Of a CONNECT: 4 is MQTT 3.1.1, 5 is 5.0."""
    return connect.body[2 + int.from_bytes(connect.body[:2], "big")]


def read_publish(packet: Packet, level: int) -> Publish | None:
    """None for QoS 0, which has no acknowledgement."""
    if not packet.raw[0] & 0b110:
        return None
    end = 2 + int.from_bytes(packet.body[:2], "big")
    packet_id = int.from_bytes(packet.body[end : end + 2], "big")
    payload = end + 2
    if level >= 5:
        found = _variable_byte_integer(packet.body, payload)
        assert found is not None
        payload = sum(found)
    return Publish(packet.body[2:end].decode(), packet_id, packet.body[payload:])


def acknowledged_id(packet: Packet) -> int | None:
    """The packet identifier of a PUBACK that says yes; None where the broker refuses."""
    refused = len(packet.body) > 2 and packet.body[2] >= 0x80
    return None if refused else int.from_bytes(packet.body[:2], "big")


@dataclass(frozen=True, slots=True)
class Event:
    """A location event as it is told over MQTT: what the checks need of it."""

    sequence: int
    event_id: str
    shipment: str
    place: str
    """Last part of the read point."""
    direction: str | None


def read_event(payload: bytes) -> Event:
    event: dict[str, Any] = json.loads(payload)
    return Event(
        event["sequence"],
        event["event_id"],
        event["shipment_id"],
        event["epcis"]["readPoint"]["id"].rsplit(".", 1)[-1],
        event.get("direction"),
    )


def _variable_byte_integer(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """The number and where it ends; None while it is not there whole."""
    value = 0
    for place, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    return None
