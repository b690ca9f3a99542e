"""What brokers do not take, and how the gateway goes on: events too large, no QoS 1, no retained messages."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.store.connection import open_store
from tests.e2e.conftest import MakeBroker
from tests.e2e.publishing import (
    TOPICS,
    append,
    backlog,
    connected,
    events_of,
    published,
    running,
    set_aside,
)
from tests.e2e.running import command, running_gateway, site
from tests.servers import eventually, subscriber

A_MINUTE_OR_TWO = 150.0
"""Five connections with a growing back-off between them."""


def three_and_a_large_one_and_three(database: Path) -> None:
    append(database, 3)
    append(database, 1, first=4, filling=5000)
    append(database, 3, first=5)


def test_an_event_larger_than_the_broker_says_is_set_aside_and_can_be_sent_again(
    make_broker: MakeBroker, database: Path
) -> None:
    three_and_a_large_one_and_three(database)
    broker = make_broker("allow_anonymous true", "max_packet_size 2000")
    with subscriber(broker) as listener, running(database, broker.port) as publisher:
        eventually(published(publisher, 6), "the others are published")
        eventually(lambda: len(events_of(listener)) == 6, "the others arrive")
        assert [event["sequence"] for event in events_of(listener)] == [1, 2, 3, 5, 6, 7]
        assert (publisher.state.set_aside, publisher.state.connections) == (1, 1)
        assert "event 4: packet of 5" in publisher.state.set_aside_words
        assert "takes at most 2000" in set_aside(database)[4]
    assert backlog(database) == 0
    roomy = make_broker()
    with subscriber(roomy) as listener, running(database, roomy.port) as publisher:
        append(database, 2, first=8)
        publisher.wake()
        eventually(published(publisher, 2), "the later ones are published")
        with open_store(database) as store:
            assert store.outbox.retry() == 1
        # Nobody wakes the publisher: the command is another process.
        eventually(published(publisher, 3), "the one that was put back is published")
        eventually(lambda: len(events_of(listener)) == 3, "all three arrive")
        again = events_of(listener)[-1]
        assert (again["sequence"], again["replayed"], len(again["filling"])) == (4, True, 5000)
    assert set_aside(database) == {}
    assert backlog(database) == 0


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("limit", "protocol"),
    # Not message_size_limit with 3.1.1: Mosquitto acknowledges and drops what is larger, so nobody can know.
    [("max_packet_size 2000", "3.1.1"), ("message_size_limit 2000", "5")],
)
def test_an_event_at_which_the_broker_hangs_up_does_not_block_the_others(
    make_broker: MakeBroker, database: Path, limit: str, protocol: str
) -> None:
    three_and_a_large_one_and_three(database)
    broker = make_broker("allow_anonymous true", limit)
    with subscriber(broker) as listener, running(database, broker.port, protocol=protocol) as publisher:
        eventually(published(publisher, 6), "the others are published", A_MINUTE_OR_TWO)
        eventually(lambda: len({event["sequence"] for event in events_of(listener)}) == 6, "the others arrive")
        assert 4 not in {event["sequence"] for event in events_of(listener)}
    aside = set_aside(database)
    assert list(aside) == [4]
    assert "the broker ends the connection each time" in aside[4] or aside[4] == "Packet too large"
    assert backlog(database) == 0


@pytest.mark.timeout(240)
def test_a_notice_at_which_the_broker_hangs_up_blocks_nothing_and_costs_no_event(
    make_broker: MakeBroker, database: Path
) -> None:
    broker = make_broker("allow_anonymous true", "max_packet_size 2000")
    large, small = TOPICS.load("Tour 1"), TOPICS.load("Tour 2")
    answers: list[bool] = []
    with subscriber(broker) as listener, running(database, broker.port, protocol="3.1.1") as publisher:
        eventually(connected(publisher), "it is connected")
        append(database, 3)
        publisher.post(Notice(large, b"x" * 3000, retain=True, answered=answers.append))
        publisher.post(Notice(small, b"{}", retain=True))
        publisher.wake()
        eventually(lambda: answers == [True], "the large notice is given up", A_MINUTE_OR_TWO)
        eventually(published(publisher, 3), "the events are published", A_MINUTE_OR_TWO)
        eventually(lambda: bool(listener.payloads(small)), "the small notice arrives")
        connections = publisher.state.connections
        publisher.post(Notice(large, b"y" * 3000, retain=True, answered=answers.append))
        eventually(lambda: answers == [True, True], "as large as before: not tried again")
        publisher.post(Notice(large, b"z", retain=True))
        eventually(lambda: listener.payloads(large) == [b"z"], "smaller: tried again")
        assert publisher.state.connections == connections
        assert publisher.state.set_aside == 0
    assert set_aside(database) == {}
    assert backlog(database) == 0


def test_a_broker_that_only_takes_qos_0_gets_nothing_and_it_is_said(make_broker: MakeBroker, database: Path) -> None:
    append(database, 3)
    broker = make_broker("allow_anonymous true", "max_qos 0")
    with running(database, broker.port, protocol="5") as publisher:
        eventually(lambda: "QoS not supported" in publisher.state.detail, "the refusal is said")
    with running(database, broker.port, protocol="3.1.1") as publisher:
        eventually(lambda: "it forbids QoS 1" in publisher.state.detail, "what may be wrong is said")
    assert backlog(database) == 3


def test_a_broker_without_retained_messages_gets_everything_and_it_is_said(
    make_broker: MakeBroker, database: Path
) -> None:
    append(database, 30)
    broker = make_broker("allow_anonymous true", "retain_available false")
    with subscriber(broker) as listener, running(database, broker.port) as publisher:
        publisher.post(Notice(TOPICS.reader_status("dock-1"), b"{}", retain=True))
        eventually(published(publisher, 30), "all rows are published")
        eventually(lambda: bool(listener.payloads(TOPICS.reader_status("dock-1"))), "the notice arrives")
        eventually(lambda: bool(listener.payloads(TOPICS.status)), "the status arrives")
        assert "keeps no retained messages" in publisher.state.limits
        assert publisher.state.connections == 1


def test_no_more_is_in_flight_than_the_broker_has_room_for(make_broker: MakeBroker, database: Path) -> None:
    append(database, 300)
    broker = make_broker("allow_anonymous true", "max_inflight_messages 3")
    with subscriber(broker) as listener, running(database, broker.port) as publisher:
        eventually(published(publisher, 300), "all rows are published")
        eventually(lambda: len(events_of(listener)) == 300, "all events arrive")
        assert [event["sequence"] for event in events_of(listener)] == list(range(1, 301))
        assert publisher.state.connections == 1


@contextlib.contextmanager
def answering(*connack: bytes) -> Iterator[int]:
    """A server that answers each CONNECT with the next of these bytes and closes; the last one is said for ever."""
    closing = threading.Event()

    def serve(server: socket.socket) -> None:
        answers = list(connack)
        while not closing.is_set():
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        closing.set()
        thread.join(60)


# MQTT 5 3.2.2.2 and 3.2.2.3.16: use another server, Server Reference "b:1883"; server moved, without one
ELSEWHERE = b"\x20\x0c\x00\x9c\x09\x1c\x00\x06b:1883"
MOVED = b"\x20\x03\x00\x9d\x00"
# 3.2.2.3.4: success, Maximum QoS 0
QOS_0 = b"\x20\x05\x00\x00\x02\x24\x00"


@pytest.mark.parametrize(
    ("connack", "words"),
    [
        (ELSEWHERE, "Use another server (it names 'b:1883', which is not followed: see mqtt.fallbacks)"),
        (MOVED, "Server moved"),
        (QOS_0, "broker takes only QoS 0"),
        (b"\x20\x03\x00\x7b\x00", "Protocol error"),
        (b"\x20\xff\xff\xff\xff\x01", "Protocol error"),
        (b"\x20\x00", "Protocol error"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "broker"),
    ],
)
def test_a_broker_that_does_not_want_us_is_quoted_and_costs_nothing(database: Path, connack: bytes, words: str) -> None:
    append(database, 3)
    with answering(connack) as port, running(database, port, protocol="5") as publisher:
        eventually(lambda: words in publisher.state.detail, f"{words!r} is said")
        assert not connected(publisher)()
    assert backlog(database) == 3


def test_an_alert_says_that_an_event_was_set_aside(make_broker: MakeBroker, tmp_path: Path) -> None:
    broker = make_broker("allow_anonymous true", "max_packet_size 2000")
    configuration = site(tmp_path, broker)
    (tmp_path / "state").mkdir()
    three_and_a_large_one_and_three(tmp_path / "state" / "gateway.db")
    with subscriber(broker, TOPICS.alerts) as listener, running_gateway(configuration) as gateway:

        def alerts() -> list[dict[str, object]]:
            return [json.loads(payload) for payload in listener.payloads(TOPICS.alerts)]

        eventually(lambda: any(alert["kind"] == "event_set_aside" for alert in alerts()), "the alert arrives")
        (alert,) = [alert for alert in alerts() if alert["kind"] == "event_set_aside"]
        assert (alert["severity"], alert["count"]) == ("error", 1)
        eventually(lambda: gateway.ask("status")[0]["events_set_aside"] == 1, "the status says it")
        summary, row = gateway.ask("outbox")
        assert (summary["waiting"], summary["set_aside"]) == (0, 1)
        assert (row["sequence"], row["shipment_id"]) == (4, "S-1")
        assert "takes at most 2000" in row["reason"]
        shown = command("outbox", "--config", configuration).stdout
        assert "set aside 1 events" in shown
        assert "takes at most 2000" in shown
        wrong = command("outbox", "retry", "5", "--config", configuration)
        assert (wrong.returncode, wrong.stderr) == (1, "Error: not set aside: 5; nothing was changed\n")
        assert "1 events wait" in command("outbox", "--config", configuration, "retry", "4").stdout
        eventually(lambda: gateway.ask("outbox")[0]["set_aside"] == 1, "the broker still does not take it")
        gateway.stop()
