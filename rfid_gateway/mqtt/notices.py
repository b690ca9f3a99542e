"""Notices that are to be published or wait for their PUBACK. Pure."""

from rfid_gateway.mqtt.mailbox import Notice


class Notices:
    """Latest notice of each subject; owned by the publisher's thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, Notice] = {}
        self._in_flight: dict[int, Notice] = {}
        self._standing: dict[str, Notice] = {}

    @property
    def in_flight(self) -> int:
        """Notices with the broker, without PUBACK."""
        return len(self._in_flight)

    def add(self, notice: Notice) -> None:
        """Take a notice over; it replaces a waiting one of the same subject."""
        self._waiting[notice.subject] = notice
        if notice.standing:
            self._standing[notice.subject] = notice
        else:
            self._standing.pop(notice.subject, None)

    def waiting(self) -> list[Notice]:
        """What is to be published and is not with the broker, in order."""
        return list(self._waiting.values())

    def take(self) -> Notice | None:
        """The next notice; the caller says `sent` with its packet identifier."""
        for subject in self._waiting:
            return self._waiting.pop(subject)
        return None

    def sent(self, packet_id: int, notice: Notice) -> None:
        """The notice is with the broker."""
        self._in_flight[packet_id] = notice

    def settle(self, packet_id: int, *, taken: bool = True) -> Notice | None:
        """The broker has answered: the notice with that packet identifier, None if it was none of these."""
        notice = self._in_flight.pop(packet_id, None)
        if notice is not None:
            notice.answer(taken=taken)
        return notice

    def lose(self) -> None:
        """The connection is gone: what was in flight waits again unless there is news; what stands is said again."""
        again = {notice.subject: notice for notice in self._in_flight.values()}
        self._in_flight.clear()
        self._waiting = self._standing | again | self._waiting
