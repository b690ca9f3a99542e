"""Notices that are to be published or wait for their PUBACK: the latest of each subject."""

import structlog

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.happenings import Publication
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.properties import packed
from rfid_gateway.mqtt.suspicion import Key

log = structlog.get_logger(__name__)


class Notices:
    """Latest notice of each subject; owned by the publisher's thread, outlives connections."""

    def __init__(self) -> None:
        self._waiting: dict[str, Notice] = {}
        self._in_flight: dict[int, Notice] = {}
        self._standing: dict[str, Notice] = {}
        self._given_up: dict[str, int] = {}
        """Retained topics of which the broker takes no payload of so many bytes."""

    @property
    def in_flight(self) -> int:
        """Notices with the broker, without PUBACK."""
        return len(self._in_flight)

    def subject_of(self, packet_id: int) -> str | None:
        """Which notice is in flight under that packet identifier, if one is."""
        notice = self._in_flight.get(packet_id)
        return None if notice is None else notice.subject

    def add(self, notice: Notice) -> None:
        """Take a notice over; it replaces a waiting one of the same subject."""
        if len(notice.payload) >= self._given_up.get(notice.subject, len(notice.payload) + 1):
            notice.answer(taken=True)  # as it was given up before: another try would only end the connection
            return
        self._waiting[notice.subject] = notice
        if notice.standing:
            self._standing[notice.subject] = notice
        else:
            self._standing.pop(notice.subject, None)

    def waiting(self) -> list[Notice]:
        """What is to be published and is not with the broker, in order."""
        return list(self._waiting.values())

    def fill(self, connection: Connection, limit: int, *, first: Key | None = None, last: Key | None = None) -> None:
        """Hand notices to the connection until so many are in flight.

        Args:
            connection: an accepted one.
            limit: of notices in flight.
            first: the subject to begin with, if it waits.
            last: the subject to leave out now.
        """
        while len(self._in_flight) < limit and (notice := self._take(first, last)):
            try:
                packet_id = connection.publish(_publication(notice))
            except ValueError as error:
                log.warning("mqtt.notice_unfit", topic=notice.topic, reason=str(error))
                notice.answer(taken=True)  # another try would change nothing
                continue
            if packet_id is None:
                self._waiting[notice.subject] = notice
                return
            self._in_flight[packet_id] = notice

    def settle(self, packet_id: int, *, taken: bool = True) -> Notice | None:
        """The broker has answered: the notice with that packet identifier, None if it was none of these."""
        notice = self._in_flight.pop(packet_id, None)
        if notice is not None:
            notice.answer(taken=taken)
        return notice

    def give_up(self, subject: str, reason: str) -> None:
        """Take a notice out of the way that the broker does not take; no connection is there."""
        self._standing.pop(subject, None)
        notice = self._waiting.pop(subject, None)
        if notice is None:
            return
        if notice.retain:
            self._given_up[subject] = len(notice.payload)
        notice.answer(taken=True)
        log.error("mqtt.notice_given_up", topic=notice.topic, bytes=len(notice.payload), reason=reason)

    def lose(self) -> None:
        """The connection is gone: what was in flight waits again unless there is news; what stands is said again."""
        again = {notice.subject: notice for notice in self._in_flight.values()}
        self._in_flight.clear()
        self._waiting = self._standing | again | self._waiting

    def _take(self, first: Key | None, last: Key | None) -> Notice | None:
        if isinstance(first, str) and first in self._waiting:
            return self._waiting.pop(first)
        for subject in self._waiting:
            if subject != last:
                return self._waiting.pop(subject)
        return None


def _publication(notice: Notice) -> Publication:
    properties = b"" if notice.correlation is None else packed("application/json", correlation=notice.correlation)
    return Publication(notice.topic, notice.payload, notice.retain, properties)
