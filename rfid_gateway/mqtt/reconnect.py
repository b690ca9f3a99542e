"""When to connect again and in which version of MQTT. Pure: time and luck are arguments."""

from enum import Enum, auto
from typing import Literal

from rfid_gateway.mqtt.settings import ProtocolChoice

Version = Literal["5", "3.1.1"]

SHORTEST_US = 1_000_000
LONGEST_US = 30_000_000


class Loss(Enum):
    """Why a connection did not come about, or ended."""

    UNREACHABLE = auto()
    """No TCP or TLS connection."""
    WRONG_VERSION = auto()
    """CONNACK refused the protocol version (0x84, or 1 in MQTT 3.1.1)."""
    NO_CONNACK = auto()
    """Closed without an answer to CONNECT, or none came in time."""
    NO_RETAIN = auto()
    """CONNACK refused the Last Will because it is retained (0x9A)."""
    REFUSED = auto()
    """CONNACK with any other reason: credentials, client identifier, server unavailable."""
    LOST = auto()
    """It was accepted and ended later."""


def back_off_us(failures: int, luck: float) -> int:
    """Microseconds to wait after so many failures in a row (at least one): from 1 s to a limit that doubles up to 30 s.

    Args:
        failures: in a row.
        luck: 0 to 1; spreads the gateways of a site whose broker restarts.
    """
    limit = min(LONGEST_US, SHORTEST_US << min(failures, 10))
    return SHORTEST_US + int(luck * (limit - SHORTEST_US))


class Reconnect:
    """The next attempt; owned by the publisher's thread.

    A broker for 3.1.1 alone should refuse version 5 in words. Some close the connection instead (which 3.1.1 allows,
    MQTT-3.1.2-2), and amqtt, misled by the properties of the Last Will, waits for bytes that never come. A version 5
    broker that restarts or is frozen looks the same. So, until a broker has once accepted us, each attempt without an
    answer is followed by one in the other version; after that only a refusal in words changes it.
    """

    def __init__(self, choice: ProtocolChoice) -> None:
        self._may_switch = choice == "auto"
        self.version: Version = "3.1.1" if choice == "3.1.1" else "5"
        self.due_at = 0
        """Monotonic microseconds of the next attempt."""
        self.retains = True
        """Whether the Last Will may be retained: until the broker refuses that."""
        self._failures = 0
        self._settled = False

    def ended(self, loss: Loss, now: int, luck: float) -> None:
        """Note that a connection ended or did not come about, and plan the next one."""
        self._failures += 1
        self.due_at = now + back_off_us(self._failures, luck)
        if loss is Loss.NO_RETAIN and self.retains:
            self.retains = False
            self.due_at = now
        refused = loss is Loss.WRONG_VERSION
        if self._may_switch and (refused or (loss is Loss.NO_CONNACK and not self._settled)):
            self.version = "5" if self.version == "3.1.1" else "3.1.1"
            if refused and self._failures == 1:
                self.due_at = now

    def accepted(self) -> None:
        """The broker speaks the present version."""
        self._settled = True

    def proved(self) -> None:
        """The connection is of use (a PUBACK came, or it has lasted): the next failure is the first again.

        CONNACK alone proves nothing: a broker that accepts and drops us at once would be called without end.
        """
        self._failures = 0
