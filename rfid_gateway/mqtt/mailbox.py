"""What other threads hand to the publisher: notices and acknowledgements of directory messages.

This is no second queue of events. An event's way is the outbox alone, on disk and in order. A notice says how things
are *now* (a reader's state, a shipment's place): the latest of each key replaces the one before it, what waits is
bounded by the number of things there are, and what a power cut takes is said anew by whoever knows it: who promises
more (`rfid_gateway.retained`) learns of the PUBACK through `answered`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from rfid_gateway.mqtt.wakeup import Wakeup


@dataclass(frozen=True, slots=True)
class Notice:
    """How something is now, to be published with QoS 1."""

    topic: str
    payload: bytes
    retain: bool
    key: str = ""
    """Which earlier notice this one replaces; the topic where it is empty. Alerts share a topic, so each has one."""
    standing: bool = False
    """Say it again after each reconnect: a broker without persistence forgets what is retained. Only for things whose
    number the configuration bounds."""
    correlation: bytes | None = None
    """Correlation Data of the request that this answers."""
    answered: Callable[[bool], None] | None = None
    """Called in the publisher's thread when the broker has answered: whether it has taken the notice. Never called for
    a notice that another one replaces while it waits."""

    @property
    def subject(self) -> str:
        """What the latest-wins rule goes by."""
        return self.key or self.topic

    def answer(self, *, taken: bool) -> None:
        """Tell whoever posted it what the broker said."""
        if self.answered is not None:
            self.answered(taken)


class Receipt(NamedTuple):
    """A directory message that has been committed."""

    connection: int
    """Which connection it came on: packet identifiers mean nothing on another one."""
    packet_id: int


class Mailbox:
    """Filled by any thread, emptied by the publisher's. It has a lock because several threads share it."""

    def __init__(self, wakeup: Wakeup) -> None:
        self._lock = Lock()
        self._wakeup = wakeup
        self._notices: dict[str, Notice] = {}
        self._receipts: list[Receipt] = []

    def post(self, notice: Notice) -> None:
        """Hand a notice over; it replaces one with the same subject that still waits."""
        with self._lock:
            self._notices.pop(notice.subject, None)
            self._notices[notice.subject] = notice
        self._wakeup.wake()

    def acknowledge(self, receipt: Receipt) -> None:
        """Let the broker know that a directory message is safe."""
        with self._lock:
            self._receipts.append(receipt)
        self._wakeup.wake()

    def empty(self) -> tuple[list[Notice], list[Receipt]]:
        """Everything that waits, in the order in which it was handed over."""
        with self._lock:
            notices, self._notices = list(self._notices.values()), {}
            receipts, self._receipts = self._receipts, []
        return notices, receipts
