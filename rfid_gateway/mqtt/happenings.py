"""What a connection to the broker is asked for and what happens on it: the words between `Connection` and its users."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from rfid_gateway.mqtt.reconnect import Loss


class Publication(NamedTuple):
    """What is handed to the broker with QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False
    properties: bytes = b""
    """Of the PUBLISH, see `properties.packed`; MQTT 3.1.1 has none, and leaves them out."""


class RetainedWanted(IntEnum):
    """When a subscription asks for what is retained (Retain Handling, MQTT 5 3.8.3.1)."""

    ALWAYS = 0
    """We have lost what came earlier."""
    IF_NEW = 1
    """Only where the broker did not have this subscription yet: a site may have 100 000 retained shipments."""


class ConnectError(Exception):
    """The connection did not come about; says why, in words, and never a secret."""


class TooLargeError(ValueError):
    """The broker has said that it takes no packet of this size (MQTT 5 3.2.2.3.6)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """CONNACK with success."""

    receive_maximum: int
    """Publications that the broker lets us have without PUBACK at once (MQTT 5 3.2.2.3.3)."""
    session_present: bool
    """The broker still has our session from before (MQTT 5 3.2.2.1.1, 3.1.1 3.2.2.2)."""
    maximum_packet: int | None = None
    """Bytes of the largest packet that the broker takes (MQTT 5 3.2.2.3.6); None where it does not say."""
    retains: bool = True
    """The broker keeps retained messages (MQTT 5 3.2.2.3.5); if not, ours are sent without the mark."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is gone or did not come about; nothing follows."""

    loss: Loss
    words: str
    by_broker: bool = False
    """The broker closed it or said DISCONNECT, and not the network or we ourselves."""


class Acknowledged(NamedTuple):
    """PUBACK."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """PUBACK with a reason code of 0x80 or above (MQTT 5 3.4.2.1): the broker did not take the publication."""

    packet_id: int
    reason: str
    too_large: bool = False
    """It will never take this one: it is larger than the broker allows."""


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """SUBACK with a failure."""

    topic_filter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that we subscribed to."""

    topic: str
    payload: bytes
    packet_id: int
    """0 with QoS 0: nothing is to be acknowledged."""
    retained: bool = False
    """Published with the retain flag; on 3.1.1 this is told only of what the broker had kept."""
    response_topic: str | None = None
    """MQTT 5 3.3.2.3.5."""
    correlation: bytes | None = None
    """MQTT 5 3.3.2.3.6."""


Happening = Accepted | Ended | Acknowledged | Refused | SubscriptionRefused | Inbound
