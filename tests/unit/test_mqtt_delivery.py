from collections.abc import Sequence
from typing import NamedTuple, cast

import pytest

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.delivery import COMMIT_AFTER_US, STALLED_US, STORE_RETRY_US, Delivery
from rfid_gateway.mqtt.happenings import Publication, TooLargeError
from rfid_gateway.store.database import StoreFullError


class Row(NamedTuple):
    sequence: int
    topic: str
    payload: bytes
    again: bool = False


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
        self.largest: int | None = None

    def publish(self, publication: Publication) -> int | None:
        if self.largest is not None and len(publication.payload) > self.largest:
            raise TooLargeError(f"at most {self.largest}")
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


def test_an_event_that_is_too_large_is_set_aside_and_the_others_go_on() -> None:
    bench = Bench(count=3)
    bench.outbox.rows[1] = Row(2, "t", b'{"sequence":2,"filling":"0123456789"}')
    bench.broker.largest = 35
    bench.fill()
    assert bench.outbox.aside == {2: "at most 35"}
    assert len(bench.broker.payloads) == bench.delivery.in_flight == 2
    assert (bench.delivery.set_aside, bench.delivery.set_aside_words) == (1, "event 2: at most 35")


def test_an_event_that_the_broker_calls_too_large_is_set_aside() -> None:
    bench = Bench(count=3)
    bench.fill()
    assert bench.delivery.refused_by_broker(2, "Packet too large", too_large=True)
    assert bench.outbox.aside == {2: "Packet too large"}
    assert bench.delivery.in_flight == 2
    assert bench.delivery.next_due() is None


def test_a_full_disk_lets_nothing_be_set_aside_until_there_is_room() -> None:
    bench = Bench(count=1)
    bench.broker.largest = 5
    bench.outbox.full = True
    bench.fill()
    bench.fill()
    assert bench.outbox.aside == {}
    assert bench.delivery.next_due() == bench.clock.now + STORE_RETRY_US
    bench.outbox.full = False
    bench.clock.now += STORE_RETRY_US
    bench.fill()
    assert bench.outbox.aside == {1: "at most 5"}


def test_rows_that_come_back_into_the_outbox_are_sent_without_doubling_what_is_in_hand() -> None:
    bench = Bench(count=5)
    kept = bench.outbox.rows[0]
    bench.outbox.rows = bench.outbox.rows[1:]
    bench.fill()
    bench.delivery.acknowledged(1)
    bench.outbox.rows.insert(0, kept)
    bench.outbox.retried = 1
    bench.delivery.look_again()
    bench.fill()
    assert bench.broker.payloads[4:] == [b'{"sequence":1,"replayed":true}']
