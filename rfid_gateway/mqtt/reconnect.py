"""When to connect again and in which version of MQTT. Pure: time and luck are arguments."""

from enum import Enum, auto
from typing import Literal

from rfid_gateway.mqtt.settings import ProtocolChoice

Version = Literal["5", "3.1.1"]

SHORTEST_US = 1_000_000
LONGEST_US = 30_000_000
_CLOSED_BEFORE_SWITCH = 2
"""A 3.1.1-only broker may just close the connection (3.1.1 itself allows it, MQTT-3.1.2-2); so may one that restarts,
but hardly twice in a row."""


class Loss(Enum):
    """Why a connection did not come about, or ended."""

    UNREACHABLE = auto()
    """No TCP or TLS connection, or no answer to CONNECT in time."""
    WRONG_VERSION = auto()
    """CONNACK refused the protocol version (0x84, or 1 in MQTT 3.1.1)."""
    CLOSED_BEFORE_CONNACK = auto()
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
    """The next attempt; owned by the publisher's thread."""

    def __init__(self, choice: ProtocolChoice) -> None:
        self._may_switch = choice == "auto"
        self.version: Version = "3.1.1" if choice == "3.1.1" else "5"
        self.due_at = 0
        """Monotonic microseconds of the next attempt."""
        self._failures = 0
        self._closed_in_a_row = 0

    def ended(self, loss: Loss, now: int, luck: float) -> None:
        """Note that a connection ended or did not come about, and plan the next one."""
        self._failures += 1
        self.due_at = now + back_off_us(self._failures, luck)
        self._closed_in_a_row = self._closed_in_a_row + 1 if loss is Loss.CLOSED_BEFORE_CONNACK else 0
        if not self._may_switch:
            return
        if loss is Loss.WRONG_VERSION or self._closed_in_a_row >= _CLOSED_BEFORE_SWITCH:
            self.version = "5" if self.version == "3.1.1" else "3.1.1"
            self._closed_in_a_row = 0
            if loss is Loss.WRONG_VERSION and self._failures == 1:
                self.due_at = now

    def proved(self) -> None:
        """The connection is of use (a PUBACK came, or it has lasted): the next failure is the first again.

        CONNACK alone proves nothing: a broker that accepts and drops us at once would be called without end.
        """
        self._failures = 0
