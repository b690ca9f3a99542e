"""The demo's broker and its order backend, with clients that know nothing of them."""

import gc
import json
from collections.abc import Mapping
from typing import Any

import pytest

from rfid_gateway.mqtt.probe import probe
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_simulators.backend import GatewayCount, OrderBackend
from rfid_simulators.broker import EmbeddedBroker, mosquitto_path
from tests.servers import Subscriber, eventually


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    if kind == "mosquitto" and mosquitto_path() is None:
        pytest.skip("Mosquitto is not installed")
    return kind


def test_the_embedded_broker_takes_and_hands_on(kind: str) -> None:
    with EmbeddedBroker(kind) as broker:
        assert broker.name == kind
        listener = Subscriber(broker.host, broker.port)
        listener.publish("a/b", b"1")
        eventually(lambda: ("a/b", b"1") in listener.received, "the publication arrives")
        listener.close()


# amqtt never closes the connection whose CONNECT in version 5 it did not understand.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_probe_finds_the_broker_in_whatever_version_it_speaks(kind: str) -> None:
    with EmbeddedBroker(kind) as broker:
        assert probe(MqttSettings(host=broker.host, port=broker.port), 4.0) is None
    gc.collect()
    assert "refused" in (probe(MqttSettings(host=broker.host, port=broker.port), 4.0) or "")


def test_the_backend_drops_doubles_and_counts_gaps_and_disorder(kind: str) -> None:
    taken: list[tuple[str, int]] = []

    def take(gateway: str, event: Mapping[str, Any]) -> None:
        taken.append((gateway, event["sequence"]))

    with EmbeddedBroker(kind) as broker, OrderBackend(broker.host, broker.port, "hamburg", on_event=take) as backend:
        gateway = Subscriber(broker.host, broker.port, "rfid/hamburg/directory/shipments/+")
        for sequence in (3, 4, 4, 7, 5):
            event = {"event_id": f"id-{sequence}", "sequence": sequence}
            gateway.publish("rfid/hamburg/gate-1/events/loading", json.dumps(event).encode())
        gateway.publish("rfid/hamburg/gate-1/events/loading", b"no event")
        gateway.publish("rfid/hamburg/gate-2/events/arriving", b'{"event_id":"other","sequence":1}')
        eventually(lambda: "gate-2" in backend.counts, "the last event arrives")
        assert backend.counts["gate-1"] == GatewayCount(received=4, doubles=1, out_of_order=1, highest=7, lowest=3)
        assert backend.counts["gate-1"].gaps == 1
        assert taken == [("gate-1", 3), ("gate-1", 4), ("gate-1", 7), ("gate-1", 5), ("gate-2", 1)]
        assert backend.rejected == 1
        gateway.close()


def test_an_announced_shipment_is_retained_until_it_is_deleted(kind: str) -> None:
    with EmbeddedBroker(kind) as broker, OrderBackend(broker.host, broker.port, "hamburg") as backend:
        backend.announce({"shipment_id": "2024/1"}, "2024/1")
        backend.announce({"shipment_id": "gone"}, "gone")
        backend.announce(None, "gone")
        late = Subscriber(broker.host, broker.port, "rfid/hamburg/directory/shipments/+")
        eventually(lambda: bool(late.received), "the retained shipment arrives")
        assert late.received == [("rfid/hamburg/directory/shipments/2024%2F1", b'{"shipment_id": "2024/1"}')]
        late.close()
