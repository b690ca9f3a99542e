"""What goes out: notices, the publication at which a broker hangs up, and both beside events."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.delivery import Delivery
from rfid_gateway.mqtt.happenings import Publication, TooLargeError
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.notices import Notices
from rfid_gateway.mqtt.outbound import Outbound
from rfid_gateway.mqtt.suspicion import LOSSES_ALONE, LOSSES_BEFORE_ALONE, Key, Suspicion
from tests.unit.test_mqtt_delivery import Clock, MemoryOutbox


def notice(payload: bytes, topic: str = "t", *, standing: bool = False) -> Notice:
    return Notice(topic, payload, retain=True, standing=standing)


class Wire:
    """Stands for the connection: what is in flight, by packet identifier."""

    def __init__(self, number: int = 0) -> None:
        self._packet_id = number * 1000
        self.in_flight: dict[int, Publication] = {}

    def publish(self, publication: Publication) -> int | None:
        if len(publication.payload) > 1000:
            raise TooLargeError("at most 1000")
        self._packet_id += 1
        self.in_flight[self._packet_id] = publication
        return self._packet_id


def filled(notices: Notices, limit: int = 10, *, first: str | None = None, last: str | None = None) -> Wire:
    wire = Wire()
    notices.fill(cast("Connection", wire), limit, first=first, last=last)
    return wire


def payloads(wire: Wire) -> list[bytes]:
    return [publication.payload for publication in wire.in_flight.values()]


def test_a_lost_notice_is_sent_again_unless_there_is_news() -> None:
    notices = Notices()
    for each in (notice(b"old"), notice(b"kept", "u"), notice(b"over", "v")):
        notices.add(each)
    assert payloads(filled(notices)) == [b"old", b"kept", b"over"]
    notices.settle(3)
    notices.add(notice(b"new"))
    notices.lose()
    assert payloads(filled(notices)) == [b"new", b"kept"]


def test_whoever_posted_a_notice_hears_what_the_broker_said_also_after_a_lost_connection() -> None:
    notices, heard = Notices(), list[bool]()
    for taken in (True, False):
        notices.add(Notice("t", b"x", retain=True, answered=heard.append))
        filled(notices)
        notices.lose()
        filled(notices)
        assert heard == [True][: not taken]
        notices.settle(1, taken=taken)
    assert heard == [True, False]
    notices.add(notice(b"nobody asks"))
    filled(notices)
    assert notices.settle(1) == notice(b"nobody asks")


def test_a_standing_notice_is_said_again_after_each_reconnect() -> None:
    notices = Notices()
    notices.add(notice(b"online", standing=True))
    for _ in range(3):
        assert payloads(filled(notices)) == [b"online"]
        notices.settle(1)
        notices.lose()


def test_no_more_notices_than_the_limit_and_the_wanted_one_first() -> None:
    notices = Notices()
    for topic in "abc":
        notices.add(notice(topic.encode(), topic))
    assert payloads(filled(notices, 2, first="c")) == [b"c", b"a"]
    assert payloads(filled(notices, 3, first="not there", last="b")) == []
    assert payloads(filled(notices, 3)) == [b"b"]


def test_a_notice_that_cannot_be_published_is_let_go_and_the_others_are_sent() -> None:
    notices, heard = Notices(), list[bool]()
    notices.add(Notice("t", b"x" * 1001, retain=True, answered=heard.append))
    notices.add(notice(b"small", "u"))
    assert payloads(filled(notices)) == [b"small"]
    assert heard == [True]


def test_a_notice_that_was_given_up_is_tried_again_only_when_it_is_smaller() -> None:
    notices, heard = Notices(), list[bool]()
    notices.add(Notice("t", b"x" * 50, retain=True, standing=True, answered=heard.append))
    notices.give_up("t", "why")
    notices.lose()
    assert payloads(filled(notices)) == []
    notices.add(Notice("t", b"y" * 50, retain=True, answered=heard.append))
    assert payloads(filled(notices)) == []
    assert heard == [True, True]
    notices.add(notice(b"y" * 49))
    assert payloads(filled(notices)) == [b"y" * 49]


@pytest.mark.parametrize("key", [7, "load"])
def test_a_publication_is_given_up_after_it_has_ended_the_connection_alone_often_enough(key: Key) -> None:
    suspicion = Suspicion()
    for _ in range(LOSSES_BEFORE_ALONE):
        suspicion.answered("status")
        assert suspicion.ended([key, 8], by_broker=True) is None
    given_up = []
    for _ in range(LOSSES_ALONE):
        assert (suspicion.alone, suspicion.next, suspicion.last) == (True, None, key)
        suspicion.answered("status")
        assert (suspicion.next, suspicion.last) == (key, None)
        given_up.append(suspicion.ended([key], by_broker=True))
    assert given_up == [None] * (LOSSES_ALONE - 1) + [key]
    suspicion.answered("status")
    assert (suspicion.alone, suspicion.next, suspicion.last) == (False, None, None)


@pytest.mark.parametrize(
    ("works", "in_flight", "by_broker"),
    [(False, [7], True), (True, [7, 8], True), (True, ["load", 7], True), (True, [], True), (True, [7], False)],
)
def test_a_loss_that_proves_nothing_gives_nothing_up(works: bool, in_flight: list[Key], by_broker: bool) -> None:  # noqa: FBT001
    suspicion = Suspicion()
    for _ in range(50):
        if works:
            suspicion.answered("status")
        assert suspicion.ended(in_flight, by_broker=by_broker) is None


@given(st.lists(st.sampled_from(["lost", "acknowledged"]), max_size=40))
def test_an_acknowledgement_in_between_begins_the_count_anew(happenings: list[str]) -> None:
    suspicion = Suspicion()
    in_a_row = 0
    for each in happenings:
        if each == "acknowledged":
            suspicion.answered(7)
            in_a_row = 0
        else:
            in_a_row += 1
            suspicion.answered("status")
            given_up = suspicion.ended([7], by_broker=True)
            assert (given_up == 7) == (in_a_row == LOSSES_BEFORE_ALONE + LOSSES_ALONE)
            in_a_row = 0 if given_up else in_a_row


class Broker:
    """Takes one publication after the other; hangs up at those that it does not take, as MQTT 3.1.1 has it."""

    def __init__(self, outbound: Outbound, refused: set[bytes]) -> None:
        self._outbound = outbound
        self._refused = refused
        self.taken: list[bytes] = []
        self.connections = 0

    def connect(self, status: bytes) -> bool:
        """One connection, until the broker hangs up or nothing is left; whether it hung up."""
        self.connections += 1
        wire = Wire(self.connections)
        self._outbound.notices.add(notice(status, "status"))
        while True:
            self._outbound.fill(cast("Connection", wire), 20)
            if not wire.in_flight:
                return False
            packet_id, publication = next(iter(wire.in_flight.items()))
            if publication.payload in self._refused:
                self._outbound.connection_lost(tuple(wire.in_flight), "hung up", by_broker=True)
                return True
            del wire.in_flight[packet_id]
            self._outbound.acknowledged(packet_id)
            self.taken.append(publication.payload)


EVENTS = [b'{"sequence":%d,"replayed":false}' % number for number in range(1, 8)]


@pytest.mark.parametrize(
    "refused", [{b"load 2"}, {EVENTS[3]}, {b"load 0", b"load 2", EVENTS[0], EVENTS[6]}, set[bytes]()]
)
def test_only_what_the_broker_hangs_up_at_is_given_up(refused: set[bytes]) -> None:
    outbox, notices = MemoryOutbox(7), Notices()
    delivery = Delivery(outbox, 20, Clock())
    outbound = Outbound(delivery, notices, opening="status")
    # Said again, an event differs by a word; the broker's rule is its size.
    again = {payload.replace(b"false", b"true") for payload in refused}
    broker = Broker(outbound, refused | again)
    for number in range(4):
        notices.add(notice(b"load %d" % number, f"loads/{number}"))
    while broker.connect(b"online"):
        assert broker.connections < 40
    wanted = {b"online", *(b"load %d" % number for number in range(4)), *EVENTS} - refused
    assert {payload.replace(b"true", b"false") for payload in broker.taken} == wanted
    firsts = list(dict.fromkeys(p.replace(b"true", b"false") for p in broker.taken if b"sequence" in p))
    assert firsts == [event for event in EVENTS if event not in refused]
    assert {EVENTS[sequence - 1] for sequence in outbox.aside} == refused & set(EVENTS)
    assert broker.connections == 1 + (LOSSES_BEFORE_ALONE + LOSSES_ALONE) * len(refused)
