"""What goes to the broker: events and notices, which share what the broker lets us have in flight."""

from collections.abc import Sequence

import structlog

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.delivery import Delivery
from rfid_gateway.mqtt.happenings import Refused
from rfid_gateway.mqtt.notices import Notices
from rfid_gateway.mqtt.suspicion import Key, Suspicion

log = structlog.get_logger(__name__)

NOTICES_IN_FLIGHT = 4
"""Of the window: notices go first, but never keep events waiting for long."""


class Outbound:
    """Fills the window and knows whose answer comes; owned by the publisher's thread, outlives connections."""

    def __init__(self, delivery: Delivery, notices: Notices, opening: str) -> None:
        """Begin with what waits in both.

        Args:
            delivery: events.
            notices: the others.
            opening: the subject of a notice of which there is one on each connection; it shows that this works.
        """
        self._opening = opening
        self.delivery = delivery
        self.notices = notices
        self._suspicion = Suspicion()

    @property
    def in_flight(self) -> int:
        """Publications with the broker, without PUBACK."""
        return self.delivery.in_flight + self.notices.in_flight

    def fill(self, connection: Connection, room: int) -> None:
        """Hand over what there is room for: notices first, unless one publication is to be tried alone."""
        if not self._suspicion.alone:
            self.fill_notices(connection, room)
            self.delivery.fill(connection, room - self.notices.in_flight)
            return
        last = self._suspicion.last
        first = self._opening if last is not None and last != self._opening else self._suspicion.next
        if isinstance(first, int):
            self.delivery.fill(connection, 1 - self.notices.in_flight)
        self.fill_notices(connection, 1, first=first, last=last)
        self.delivery.fill(connection, 1 - self.notices.in_flight)
        self.fill_notices(connection, 1)

    def fill_notices(
        self, connection: Connection, room: int, *, first: Key | None = None, last: Key | None = None
    ) -> None:
        """Hand over notices alone; `first`: the subject to begin with; `last`: the one to leave out now."""
        self.notices.fill(connection, min(NOTICES_IN_FLIGHT, room - self.delivery.in_flight), first=first, last=last)

    def acknowledged(self, packet_id: int) -> bool:
        """Note a PUBACK; whether it is of an event."""
        sequence = self.delivery.sequence_of(packet_id)
        if sequence is not None:
            self.delivery.acknowledged(packet_id)
            self._suspicion.answered(sequence)
        elif notice := self.notices.settle(packet_id):
            self._suspicion.answered(notice.subject)
        return sequence is not None

    def refused(self, refused: Refused) -> None:
        """Note a PUBACK with a failure: an event is kept or set aside, a notice is not tried again."""
        sequence = self.delivery.sequence_of(refused.packet_id)
        if sequence is not None:
            self.delivery.refused_by_broker(refused.packet_id, refused.reason, too_large=refused.too_large)
            self._suspicion.answered(sequence)
        elif notice := self.notices.settle(refused.packet_id):
            log.warning("mqtt.notice_refused", topic=notice.topic, reason=refused.reason)
            self._suspicion.answered(notice.subject)

    def connection_lost(self, unanswered: Sequence[int] = (), words: str = "", *, by_broker: bool = False) -> bool:
        """What was in flight waits again, but for what the broker does not take.

        Args:
            unanswered: packet identifiers without PUBACK, in the order in which they were sent.
            words: why the connection ended.
            by_broker: the broker ended it, not the network or we ourselves.

        Returns:
            Whether a publication was given up at which the broker always ended the connection.
        """
        keys = [key for packet_id in unanswered if (key := self._key_of(packet_id)) is not None]
        guilty = self._suspicion.ended(keys, by_broker=by_broker)
        reason = f"the broker ends the connection each time when it is sent, alone too: {words}"
        # A row is set aside while it is in flight, so that it cannot be read again in between.
        given_up = isinstance(guilty, int) and self.delivery.give_up(guilty, reason)
        self.delivery.connection_lost()
        self.notices.lose()
        if isinstance(guilty, str):
            self.notices.give_up(guilty, reason)
            given_up = True
        return given_up

    def _key_of(self, packet_id: int) -> Key | None:
        sequence = self.delivery.sequence_of(packet_id)
        return sequence if sequence is not None else self.notices.subject_of(packet_id)
