"""The publisher with the real outbox against a real Mosquitto, with the faults that a warehouse has."""

import gc
import json
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rfid_gateway.mqtt.delivery import COMMIT_ROWS
from rfid_gateway.mqtt.mailbox import Notice
from rfid_simulators.broker import EmbeddedBroker
from tests.e2e.publishing import EVENTS, TOPICS, append, backlog, connected, events_of, first_arrivals, running
from tests.servers import Mosquitto, eventually, free_port, mosquitto_path, subscriber


def test_rows_arrive_in_order_and_leave_the_outbox(mosquitto: Mosquitto, database: Path) -> None:
    with subscriber(mosquitto) as listener, running(database, mosquitto.port) as publisher:
        eventually(connected(publisher), "connected")
        for first in range(1, 1001, 100):
            append(database, 100, first)
            publisher.wake()
        eventually(lambda: len(listener.payloads(EVENTS)) >= 1000, "1000 events arrive")
        eventually(lambda: publisher.state.published == 1000, "1000 rows are published")
        assert [event["sequence"] for event in events_of(listener)] == list(range(1, 1001))
        assert not any(event["replayed"] for event in events_of(listener))
        assert publisher.state.version == "5"
    assert backlog(database) == 0


def test_a_broker_restarted_in_mid_traffic_costs_nothing_and_keeps_the_order(
    mosquitto: Mosquitto, database: Path
) -> None:
    count = 6000
    append(database, count)
    with subscriber(mosquitto) as listener, running(database, mosquitto.port, window=20) as publisher:
        eventually(lambda: publisher.state.published >= 500, "500 rows are published")
        mosquitto.stop()
        assert backlog(database) > 0, "the broker was stopped after the traffic"
        mosquitto.start()
        eventually(lambda: publisher.state.published >= count, "all rows are published")
        eventually(lambda: len(first_arrivals(listener)) >= count, "all events arrive")
        assert first_arrivals(listener) == list(range(1, count + 1))
        arrived = events_of(listener)
        assert publisher.state.connections == 2
        payloads = listener.payloads(EVENTS)
    # The broker, too, sends again what this subscriber had not acknowledged: those doubles are the same byte for byte.
    assert len(set(payloads)) - count <= 20
    # What waited at the start may have been sent by a process before. The broker's own doubles count once.
    assert len({event["sequence"] for event in arrived if event["replayed"]}) <= 20 + 20 + COMMIT_ROWS
    assert backlog(database) == 0


def test_a_power_cut_of_the_broker_loses_no_row_without_puback(mosquitto: Mosquitto, database: Path) -> None:
    append(database, 3000)
    with running(database, mosquitto.port) as publisher:
        eventually(lambda: publisher.state.published >= 200, "some rows are published")
        mosquitto.kill()
        eventually(lambda: not publisher.state.connected, "the loss is noticed")
        left = backlog(database)
        mosquitto.start()
        with subscriber(mosquitto) as listener:
            eventually(lambda: publisher.state.published == 3000, "all rows are published")
            eventually(lambda: first_arrivals(listener)[-1:] == [3000], "the last event arrives")
    assert left > 0
    assert backlog(database) == 0


def test_a_frozen_broker_is_left_and_taken_up_again(mosquitto: Mosquitto, database: Path) -> None:
    with subscriber(mosquitto) as listener, running(database, mosquitto.port, keepalive_s=1) as publisher:
        eventually(connected(publisher), "connected")
        mosquitto.freeze()
        append(database, 100)
        publisher.wake()
        eventually(lambda: not publisher.state.connected, "the frozen broker is noticed")
        assert backlog(database) == 100
        mosquitto.thaw()
        eventually(lambda: publisher.state.published == 100, "all rows are published")
        eventually(lambda: len(first_arrivals(listener)) == 100, "all events arrive")
        assert first_arrivals(listener) == list(range(1, 101))


def test_refused_credentials_are_said_in_words_and_nothing_is_lost(tmp_path: Path, database: Path) -> None:
    program = mosquitto_path()
    if program is None:
        pytest.skip("Mosquitto is not installed")
    folder = tmp_path / "closed"
    folder.mkdir()
    broker = Mosquitto(program, folder, "allow_anonymous false")
    broker.start()
    append(database, 3)
    try:
        with running(database, broker.port) as publisher:
            eventually(lambda: "Not authorized" in publisher.state.detail, "the refusal is in the state")
            assert not publisher.state.connected
    finally:
        broker.stop()
    assert backlog(database) == 3


# amqtt never closes the connection whose CONNECT in version 5 it did not understand.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_for_3_1_1_alone_is_served_in_3_1_1(database: Path) -> None:
    append(database, 50)
    with EmbeddedBroker("amqtt") as broker, running(database, broker.port) as publisher:
        eventually(lambda: publisher.state.published == 50, "all rows are published")
        assert publisher.state.version == "3.1.1"
    gc.collect()
    assert backlog(database) == 0


def test_a_broker_that_names_the_unsupported_version_is_served_in_3_1_1_at_once(database: Path) -> None:
    versions: queue.Queue[int] = queue.Queue()

    def answer(server: socket.socket) -> None:
        for reply in (b"\x20\x02\x00\x01", b"\x20\x02\x00\x00"):
            connection, _ = server.accept()
            with connection:
                versions.put(connection.recv(1000)[8])
                connection.sendall(reply)
                if reply[3] == 0:
                    while connection.recv(1000):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        with running(database, server.getsockname()[1]) as publisher:
            eventually(connected(publisher), "connected")
            assert publisher.state.version == "3.1.1"
        thread.join(60)
    assert [versions.get(timeout=1), versions.get(timeout=1)] == [5, 4]


def test_an_event_that_the_broker_refuses_stays_and_is_published_later(database: Path) -> None:
    answers = iter((0x97, 0x99, 0x00))  # MQTT 5 3.4.2.1: quota exceeded, payload format invalid, success
    topics: list[bytes] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as stream:
            while first := stream.read(1):
                length, shift = 0, 0
                while True:
                    byte = stream.read(1)[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                body = stream.read(length)
                if first[0] >> 4 == 1:
                    connection.sendall(b"\x20\x03\x00\x00\x00")
                elif first[0] >> 4 == 3:
                    end = 2 + int.from_bytes(body[:2])
                    topic, packet_id = body[2:end], body[end : end + 2]
                    reason = next(answers) if b"/events/" in topic else 0
                    topics.append(topic)
                    connection.sendall(b"\x40\x03" + packet_id + bytes([reason]))

    append(database, 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with running(database, server.getsockname()[1]) as publisher:
            eventually(lambda: publisher.state.published == 1, "the row is published")
            assert (publisher.state.refused, publisher.state.connections) == (2, 1)
        thread.join(60)
    assert sum(b"/events/" in topic for topic in topics) == 3
    assert backlog(database) == 0


def test_the_status_says_online_then_offline_when_the_connection_dies(mosquitto: Mosquitto, database: Path) -> None:
    with subscriber(mosquitto, TOPICS.status) as listener, running(database, mosquitto.port) as publisher:
        eventually(connected(publisher), "connected")
        eventually(lambda: bool(listener.received), "the status arrives")
        online = json.loads(listener.received[0][1])
        assert (online["state"], online["mqtt"], online["backlog"]) == ("online", "5", 0)
        connection = publisher._connection
        assert connection is not None
        assert connection._client.wire is not None
        connection._client.wire._socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: b'{"state":"offline"}' in listener.payloads(TOPICS.status), "the Last Will arrives")


def test_a_clean_stop_says_offline_itself(mosquitto: Mosquitto, database: Path) -> None:
    with subscriber(mosquitto, TOPICS.status) as listener:
        with running(database, mosquitto.port) as publisher:
            eventually(lambda: bool(listener.received), "the status arrives")
            append(database, 200)
            publisher.wake()
        eventually(lambda: json.loads(listener.received[-1][1])["state"] == "offline", "offline is said")
        assert "backlog" in json.loads(listener.received[-1][1]), "the Last Will spoke, not the gateway"


def test_the_latest_notice_of_a_topic_is_retained_over_a_reconnect(mosquitto: Mosquitto, database: Path) -> None:
    topic = TOPICS.reader_status("dock-1")
    with running(database, free_port()) as publisher:
        for state in ("connecting", "online", "degraded"):
            publisher.post(Notice(topic, state.encode(), retain=True, standing=True))
    with running(database, mosquitto.port) as publisher:
        for state in ("connecting", "online", "degraded"):
            publisher.post(Notice(topic, state.encode(), retain=True, standing=True))
        with subscriber(mosquitto, topic) as listener:
            eventually(lambda: listener.payloads(topic)[-1:] == [b"degraded"], "the latest state arrives")
            mosquitto.kill()
            eventually(lambda: not publisher.state.connected, "the loss is noticed")
            mosquitto.start()
            count = len(listener.received)
            eventually(lambda: len(listener.received) > count, "the standing notice is said again")
            assert listener.received[-1] == (topic, b"degraded")


def test_a_directory_message_comes_again_until_it_is_acknowledged(mosquitto: Mosquitto, database: Path) -> None:
    handed: queue.Queue[tuple[str, bytes, Callable[[], None]]] = queue.Queue()

    def on_directory(shipment_id: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        handed.put((shipment_id, payload, acknowledge))

    topic = TOPICS.directory("2024/0815")
    with subscriber(mosquitto, "nothing") as backend:
        with running(database, mosquitto.port, on_directory) as publisher:
            eventually(connected(publisher), "connected")
            backend.publish(topic, b'{"shipment_id":"2024/0815"}', retain=True)
            assert handed.get(timeout=30)[:2] == ("2024/0815", b'{"shipment_id":"2024/0815"}')
        # Not acknowledged: as if the power had gone before the commit. A deletion meanwhile is kept for us, too.
        backend.publish(topic, b"", retain=True)
        with running(database, mosquitto.port, on_directory):
            again, deletion = handed.get(timeout=30), handed.get(timeout=30)
            assert again[:2] == ("2024/0815", b'{"shipment_id":"2024/0815"}')
            assert deletion[:2] == ("2024/0815", b"")
            again[2]()
            deletion[2]()
            eventually(handed.empty, "nothing else comes")
        with running(database, mosquitto.port, on_directory) as publisher:
            eventually(connected(publisher), "connected")
            backend.publish(TOPICS.directory("later"), b"{}")
            assert handed.get(timeout=30)[0] == "later", "an acknowledged message came again"


def test_a_directory_topic_that_names_no_shipment_does_not_stop_the_feed(mosquitto: Mosquitto, database: Path) -> None:
    handed: queue.Queue[str] = queue.Queue()

    def on_directory(shipment_id: str, _payload: bytes, acknowledge: Callable[[], None]) -> None:
        handed.put(shipment_id)
        acknowledge()

    with subscriber(mosquitto, "nothing") as backend, running(database, mosquitto.port, on_directory) as publisher:
        eventually(connected(publisher), "connected")
        for level in ("50%", *(f"S-{number}" for number in range(60))):
            backend.publish(f"rfid/hamburg/directory/shipments/{level}", b"{}")
        assert [handed.get(timeout=30) for _ in range(60)] == [f"S-{number}" for number in range(60)]
