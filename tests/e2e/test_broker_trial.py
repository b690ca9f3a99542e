"""What `setup` finds out about its rights at a real Mosquitto, in both versions of MQTT."""

import socket
import threading
from pathlib import Path

import pytest

from rfid_gateway.mqtt.settings import MqttSettings, ProtocolChoice
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.mqtt.trial import attempt
from tests.e2e.conftest import MakeBroker
from tests.servers import Mosquitto, free_port, subscriber

TOPICS = Topics("rfid", "bremen", "pc-1")


def settings(broker: Mosquitto, protocol: ProtocolChoice = "auto") -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port, protocol=protocol)


@pytest.fixture
def ruled(make_broker: MakeBroker, tmp_path: Path) -> Mosquitto:
    """A broker at which anonymous clients may only read."""
    rules = tmp_path / "rules"
    rules.write_text("topic read #\n")
    return make_broker("allow_anonymous true", f"acl_file {rules}")


def test_a_broker_that_allows_everything_is_good_and_hears_one_empty_message(mosquitto: Mosquitto) -> None:
    with subscriber(mosquitto) as backend:
        trial = attempt(settings(mosquitto), TOPICS, 10.0)
        assert (trial.good, trial.version, trial.may_publish, trial.refused) == (True, "5", True, [])
        backend.publish("end", b"")
        assert backend.received[0] == ("rfid/bremen/pc-1/setup", b"")
        assert [topic for topic, _ in backend.received if topic != "end"] == ["rfid/bremen/pc-1/setup"]
    with subscriber(mosquitto) as later:
        later.publish("end", b"")
        assert later.payloads("rfid/") == []


def test_what_may_not_be_published_is_told_by_mqtt_5_alone(ruled: Mosquitto) -> None:
    trial = attempt(settings(ruled), TOPICS, 10.0)
    assert (trial.good, trial.connected, trial.may_publish) == (False, True, False)
    assert trial.refused == ["publish on rfid/bremen/pc-1/setup: Not authorized"]
    older = attempt(settings(ruled, "3.1.1"), TOPICS, 10.0)
    assert (older.version, older.connected, older.may_publish, older.refused) == ("3.1.1", True, None, [])


def test_nobody_there_and_nobody_answering_are_said() -> None:
    nobody = attempt(MqttSettings(host="127.0.0.1", port=free_port()), TOPICS, 5.0)
    assert (nobody.good, nobody.connected, nobody.trouble) == (False, False, "Connection refused")
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = attempt(MqttSettings(host="127.0.0.1", port=server.getsockname()[1]), TOPICS, 1.0)
    assert (silent.connected, silent.trouble) == (False, "no answer to CONNECT in time")


def test_a_broker_that_hangs_up_after_connack_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as client:
                client.recv(1000)
                client.sendall(bytes.fromhex("2003000000"))
                client.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        port = server.getsockname()[1]
        trial = attempt(MqttSettings(host="127.0.0.1", port=port, protocol="5"), TOPICS, 5.0)
        thread.join(60)
    assert (trial.connected, trial.good) == (True, False)
    assert trial.trouble is not None
    assert "closed" in trial.trouble or "lost" in trial.trouble
