"""Several brokers, half-open connections, and a clean end, with real Mosquittos."""

import json
from pathlib import Path

from rfid_gateway.mqtt.settings import MqttSettings
from tests.e2e.conftest import MakeBroker
from tests.e2e.publishing import TOPICS, append, backlog, connected, first_arrivals, published, running
from tests.e2e.running import command, running_gateway, site
from tests.proxy import Proxy
from tests.servers import Mosquitto, eventually, free_port, subscriber


def test_the_next_broker_is_used_while_the_first_is_away_and_left_when_it_is_back(
    make_broker: MakeBroker, database: Path
) -> None:
    first, second = make_broker(), make_broker()
    append(database, 4000)
    fallbacks = [f"127.0.0.1:{second.port}"]
    with subscriber(first) as at_first, subscriber(second) as at_second:
        with running(database, first.port, fallbacks=fallbacks, return_after_s=1.0) as publisher:
            eventually(published(publisher, 500), "the first broker gets some")
            first.stop()
            eventually(lambda: publisher.state.broker.endswith(f":{second.port}"), "the second is connected")
            eventually(published(publisher, 4000), "the rest is published")
            first.start()
            eventually(lambda: publisher.state.broker.endswith(f":{first.port}"), "it goes back to the first")
            eventually(connected(publisher), "the first is connected")
            append(database, 1000, first=4001)
            publisher.wake()
            eventually(published(publisher, 5000), "later ones are published")
            assert publisher.state.connections == 3
        eventually(lambda: first_arrivals(at_first)[-1:] == [5000], "the last one arrives at the first")
        # Whoever listens at both gets everything: what one broker took before it died is not sent to the other.
        assert sorted(set(first_arrivals(at_first)) | set(first_arrivals(at_second))) == list(range(1, 5001))
        assert first_arrivals(at_second) == sorted(first_arrivals(at_second))
        assert json.loads(at_second.payloads(TOPICS.status)[-1])["state"] == "offline"
    assert backlog(database) == 0


def test_a_first_broker_that_accepts_and_never_answers_keeps_nobody_from_the_second(
    mosquitto: Mosquitto, make_broker: MakeBroker, database: Path
) -> None:
    append(database, 100)
    mosquitto.freeze()
    second = make_broker()
    with running(database, mosquitto.port, fallbacks=[f"127.0.0.1:{second.port}"], return_after_s=1.0) as publisher:
        eventually(published(publisher, 100), "all rows are published")
        # The look at the frozen one takes long; events must not wait for it.
        append(database, 100, first=101)
        publisher.wake()
        eventually(published(publisher, 200), "later ones too")
        assert publisher.state.broker == f"127.0.0.1:{second.port}"
        mosquitto.thaw()
        eventually(lambda: publisher.state.broker == f"127.0.0.1:{mosquitto.port}", "it goes back", 60)


def test_a_connection_into_a_black_hole_is_noticed(mosquitto: Mosquitto, database: Path) -> None:
    with Proxy(mosquitto.port) as proxy, subscriber(mosquitto) as listener:
        with running(database, proxy.port, keepalive_s=1) as publisher:
            append(database, 100)
            publisher.wake()
            eventually(published(publisher, 100), "the first rows are published")
            proxy.swallow()
            append(database, 100, first=101)
            publisher.wake()
            eventually(lambda: not publisher.state.connected, "the loss is noticed")
            assert backlog(database) == 100
            eventually(lambda: b'{"state":"offline"}' in listener.payloads(TOPICS.status), "the Last Will is there")
            proxy.heal()
            eventually(published(publisher, 200), "the rest is published")
        eventually(lambda: len(first_arrivals(listener)) == 200, "all events arrive")
        assert first_arrivals(listener) == list(range(1, 201))


def test_an_idle_connection_into_a_black_hole_is_noticed_too(mosquitto: Mosquitto, database: Path) -> None:
    with Proxy(mosquitto.port) as proxy, running(database, proxy.port, keepalive_s=1) as publisher:
        eventually(connected(publisher), "connected")
        proxy.swallow()
        eventually(lambda: not publisher.state.connected, "the loss is noticed")
        proxy.heal()
        eventually(connected(publisher), "connected again")


def test_sigterm_with_a_backlog_says_offline_and_ends(mosquitto: Mosquitto, tmp_path: Path) -> None:
    configuration = site(tmp_path, mosquitto)
    (tmp_path / "state").mkdir()
    append(tmp_path / "state" / "gateway.db", 50_000)
    with subscriber(mosquitto, TOPICS.status) as listener, running_gateway(configuration) as gateway:
        eventually(lambda: bool(listener.received), "it is online")
        gateway.stop()
        eventually(lambda: json.loads(listener.received[-1][1])["state"] == "offline", "offline is said")
        assert "backlog" in json.loads(listener.received[-1][1]), "the Last Will spoke, not the gateway"
    with subscriber(mosquitto, TOPICS.status) as late:
        eventually(lambda: bool(late.received), "the retained status is there")
        assert json.loads(late.received[0][1])["state"] == "offline"


def test_sigterm_with_a_frozen_broker_ends_and_keeps_the_rest(mosquitto: Mosquitto, tmp_path: Path) -> None:
    configuration = site(tmp_path, mosquitto)
    with running_gateway(configuration) as gateway:
        eventually(gateway.online, "it is online")
        mosquitto.freeze()
        append(tmp_path / "state" / "gateway.db", 100)
        gateway.stop()  # fails after 30 s
    mosquitto.thaw()
    assert backlog(tmp_path / "state" / "gateway.db") == 100


def test_addresses_of_fallbacks_are_checked_and_complete(tmp_path: Path) -> None:
    settings = MqttSettings(host="a", port=8883, fallbacks=("b", "c:1884", "[fe80::1]:1885", "[::1]"))
    assert [each.address for each in settings.brokers] == ["a:8883", "b:8883", "c:1884", "[fe80::1]:1885", "[::1]:8883"]
    port = free_port()
    file = site(tmp_path, Mosquitto("not started", tmp_path))
    file.write_text(file.read_text().replace("[[readers]]", f'fallbacks = ["b:{port}", "c:0"]\n[[readers]]'))
    done = command("check", "--config", file)
    assert done.returncode == 2
    assert 'mqtt.fallbacks[1]: expected "host", "host:port"' in done.stderr
