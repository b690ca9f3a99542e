"""Keeps the promise of `store.retained`: every topic that is marked there is published until its PUBACK has come.

The publisher gets a few notices at a time, and none while the broker is away, so nothing of this waits in memory. A
topic is said at most once in `AGAIN_US`: a pallet with 40 tags makes one publication, not 40.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.topics import TopicError, Topics
from rfid_gateway.retained_payloads import encoded, load_status, shipment_status
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError
from rfid_gateway.store.retained import RetainedRow

log = structlog.get_logger(__name__)

PAGE = 20
"""Notices with the publisher at once."""
PAUSE_US = 100_000
"""From page to page: with `PAGE`, at most 200 topics a second, so that events keep the broker's attention."""
AGAIN_US = 1_000_000
REFUSED_US = 30_000_000
"""How long nothing is said after the broker has refused something (rights, quota)."""
TROUBLE_US = 1_000_000
"""How long to wait after the database could not be used."""


class Retained:
    """Owner: the pipeline's thread; only what `_answered` takes comes from the publisher's."""

    def __init__(self, store: Store, topics: Topics, clock: Clock, post: Callable[[Notice], None]) -> None:
        """Say nothing yet.

        Args:
            store: the pipeline's.
            topics: of this gateway.
            clock: the clocks.
            post: has a notice published; never blocks.
        """
        self._store = store
        self._topics = topics
        self._clock = clock
        self._post = post
        self._out: dict[tuple[str, str], bool] = {}
        """What is with the publisher; whether its payload is empty."""
        self._answers: deque[tuple[RetainedRow, bool]] = deque()
        """Filled by the publisher's thread; a deque needs no lock for that."""
        self._said_at: dict[tuple[str, str], int] = {}
        """What was handed over within `AGAIN_US`, monotonic."""
        self._after = ("", "")
        self._due_at = 0
        self._sessions = 0

    def tick(self, publisher: PublisherState) -> None:
        """Settle what the broker has acknowledged, and hand over what comes next."""
        now = self._clock.monotonic_us()
        if now < self._due_at:
            return
        self._due_at = now + PAUSE_US
        try:
            self._settle(now)
            self._say_all_to_a_new_session(publisher.new_sessions)
            refused = self._due_at > now + PAUSE_US
            if publisher.connected and not refused:
                self._hand_over(now)
        except StoreError as error:
            log.error("retained.failed", reason=str(error), retry_in_s=TROUBLE_US / 1e6)
            self._due_at = now + TROUBLE_US

    def _settle(self, now: int) -> None:
        answers = list(self._answers)
        if not answers:
            return
        taken = [row for row, acknowledged in answers if acknowledged]
        gone = [row for row in taken if self._out.get(row[:2])]
        self._store.retained.said([row for row in taken if not self._out.get(row[:2])], gone)
        for row, acknowledged in answers:
            self._answers.popleft()
            self._out.pop(row[:2], None)
            if not acknowledged:
                self._due_at = now + REFUSED_US

    def _say_all_to_a_new_session(self, sessions: int) -> None:
        """A broker that does not know our session any more may have forgotten what it retained, too."""
        if sessions != self._sessions:
            self._store.retained.say_all_again()
            self._sessions = sessions

    def _hand_over(self, now: int) -> None:
        self._said_at = {key: at for key, at in self._said_at.items() if now - at < AGAIN_US}
        room = PAGE - len(self._out)
        if room <= 0:
            return
        for row in self._next_rows(room):
            self._said_at[row[:2]] = now
            self._say(row)

    def _next_rows(self, room: int) -> list[RetainedRow]:
        """Changed topics in turn, so that none waits for ever behind others; then those that are to be said again."""
        resting = self._said_at.keys() | self._out.keys()
        looked_at = room + len(resting)
        changed = self._store.retained.unsaid(self._after, looked_at)
        if len(changed) < looked_at and self._after != ("", ""):
            first = self._store.retained.unsaid(("", ""), looked_at)
            changed = list(dict.fromkeys([*changed, *first]))
        rows = [row for row in changed if row[:2] not in resting][:room]
        if rows:
            self._after = rows[-1][:2]
        again = self._store.retained.to_say_again(looked_at) if len(rows) < room else []
        return rows + [row for row in again if row[:2] not in resting][: room - len(rows)]

    def _say(self, row: RetainedRow) -> None:
        payload = self._payload(row)
        self._out[row[:2]] = not payload
        try:
            topic = self._topic(row)
        except TopicError as error:
            log.warning("retained.no_topic", kind=row.kind, name=row.name[:40], reason=str(error))
            self._answers.append((row, True))
            return
        self._post(Notice(topic, payload, retain=True, answered=partial(self._answered, row)))

    def _answered(self, row: RetainedRow, acknowledged: bool) -> None:  # noqa: FBT001 - what the broker said
        """Called in the publisher's thread."""
        self._answers.append((row, acknowledged))

    def _topic(self, row: RetainedRow) -> str:
        return self._topics.load(row.name) if row.kind == "load" else self._topics.shipment_status(row.name)

    def _payload(self, row: RetainedRow) -> bytes:
        at = self._clock.utc_us()
        if row.kind == "load":
            load = self._store.loads.find(row.name)
            return encoded(None if load is None else load_status(load, self._store.loads.compare(load), at))
        shipment = self._store.directory.entry(row.name)
        if shipment is None:
            return b""
        return encoded(shipment_status(shipment, self._store.unit_states.of_shipment(row.name), at))
