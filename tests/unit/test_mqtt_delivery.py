from collections.abc import Sequence
from typing import NamedTuple, cast

import pytest

from rfid_gateway.mqtt.connection import Connection, Publication
from rfid_gateway.mqtt.delivery import COMMIT_AFTER_US, STALLED_US, STORE_RETRY_US, Delivery
from rfid_gateway.store.database import StoreFullError


class Row(NamedTuple):
    sequence: int
    topic: str
    payload: bytes


class MemoryOutbox:
    def __init__(self, count: int) -> None:
        self.rows = [Row(number, "t", b'{"sequence":%d}' % number) for number in range(1, count + 1)]
        self.commits: list[tuple[int, ...]] = []
        self.full = False
        self.aside: dict[int, str] = {}
        self.retried = 0

    def unpublished(self, after_sequence: int, limit: int) -> Sequence[Row]:
        return [row for row in self.rows if row.sequence > after_sequence][:limit]

    def published(self, sequences: Sequence[int], at: int) -> None:
        assert at > 0
        if self.full:
            raise StoreFullError("full")
        self.commits.append(tuple(sequences))
        self.rows = [row for row in self.rows if row.sequence not in sequences]

    def backlog(self) -> int:
        return len(self.rows)

    def set_aside(self, sequence: int, reason: str, at: int) -> None:
        assert at > 0
        if self.full:
            raise StoreFullError("full")
        self.aside[sequence] = reason
        self.rows = [row for row in self.rows if row.sequence != sequence]

    def retries(self) -> int:
        return self.retried


class Clock:
    now = 1_000_000

    def utc_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now


class Broker:
    """Stands for the connection: remembers what was published; packet identifiers count from 1."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def publish(self, publication: Publication) -> int | None:
        self.payloads.append(publication.payload)
        return len(self.payloads)


class Bench:
    def __init__(self, before: int = 0, count: int = 0) -> None:
        self.outbox = MemoryOutbox(before)
        self.clock = Clock()
        self.delivery = Delivery(self.outbox, 20, self.clock)
        self.outbox.rows = MemoryOutbox(max(before, count)).rows
        self.broker = Broker()

    def fill(self) -> None:
        self.delivery.fill(cast("Connection", self.broker), 20)


def test_never_more_than_the_window_is_in_flight() -> None:
    bench = Bench(count=100)
    bench.fill()
    bench.fill()
    assert len(bench.broker.payloads) == bench.delivery.in_flight == 20
    assert bench.broker.payloads[0] == b'{"sequence":1,"replayed":false}'


def test_many_acknowledgements_are_one_commit() -> None:
    bench = Bench(count=100)
    for _ in range(3):
        bench.fill()
        first = len(bench.broker.payloads) - 19
        for packet_id in range(first, first + 20):
            assert bench.delivery.acknowledged(packet_id)
        bench.delivery.commit(at_once=False)
    assert bench.outbox.commits == []
    bench.clock.now += COMMIT_AFTER_US
    bench.delivery.commit(at_once=False)
    assert bench.outbox.commits == [tuple(range(1, 61))]


def test_a_refused_event_stays_in_the_outbox_and_is_tried_again_after_a_wait() -> None:
    bench = Bench(count=3)
    bench.fill()
    assert bench.delivery.refused_by_broker(1, "Quota exceeded")
    assert bench.delivery.acknowledged(2)
    bench.fill()
    assert len(bench.broker.payloads) == 3
    due = bench.delivery.next_due()
    assert due is not None
    bench.delivery.commit(at_once=True)
    assert bench.outbox.commits == [(2,)]
    bench.clock.now += 30_000_000
    bench.fill()
    assert bench.broker.payloads[3:] == [b'{"sequence":1,"replayed":true}']
    assert bench.delivery.refused == 1


def test_the_rows_that_a_killed_process_may_have_sent_are_marked_replayed() -> None:
    bench = Bench(before=2, count=3)
    bench.fill()
    assert bench.broker.payloads == [
        b'{"sequence":1,"replayed":true}',
        b'{"sequence":2,"replayed":true}',
        b'{"sequence":3,"replayed":false}',
    ]


def test_a_full_disk_keeps_the_acknowledgements_and_commits_them_later() -> None:
    bench = Bench(count=2)
    bench.fill()
    bench.delivery.acknowledged(1)
    bench.outbox.full = True
    bench.delivery.commit(at_once=True)
    bench.outbox.full = False
    bench.delivery.commit(at_once=True)
    assert bench.outbox.commits == []
    bench.clock.now += STORE_RETRY_US
    bench.delivery.commit(at_once=True)
    assert bench.outbox.commits == [(1,)]
    assert bench.delivery.published == 1


def test_a_broker_that_acknowledges_nothing_is_noticed() -> None:
    bench = Bench(count=2)
    bench.clock.now += STALLED_US
    bench.fill()
    assert not bench.delivery.stalled()
    bench.clock.now += STALLED_US
    assert bench.delivery.stalled()


@pytest.mark.parametrize("packet_id", [0, 99])
def test_an_answer_to_something_else_is_no_answer_to_an_event(packet_id: int) -> None:
    bench = Bench(count=2)
    bench.fill()
    assert not bench.delivery.acknowledged(packet_id)
    assert not bench.delivery.refused_by_broker(packet_id, "why")
    assert bench.delivery.in_flight == 2
