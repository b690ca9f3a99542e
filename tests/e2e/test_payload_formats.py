"""Both formats of events through a real Mosquitto to an MQTT 5 client: payload, content type, user properties."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from rfid_gateway.events.payload import bare_epcis, compose, envelope
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.outbox import OutboxEvent
from tests.asyncapi import SCHEMAS, Contract
from tests.e2e.running import command, mqtt_table, running_gateway
from tests.servers import PATIENCE_S, Mosquitto, eventually, free_port, subscriber
from tests.unit.test_events_payload import EVENT

EVENTS = "rfid/hamburg/gate-1/events/loading"


@contextmanager
def listening(broker: Mosquitto) -> Iterator[list[MQTTMessage]]:
    """What an MQTT 5 client receives on the topic of events."""
    received: list[MQTTMessage] = []
    ready: list[bool] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda client, *_: client.subscribe(EVENTS, qos=1)
    client.on_subscribe = lambda *_: ready.append(True)
    client.on_message = lambda _client, _userdata, message: received.append(message)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        eventually(lambda: bool(ready), "subscribed")
        yield received
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def configuration(tmp_path: Path, mosquitto: Mosquitto) -> Path:
    """A gateway with one event on its disk; nothing listens where its reader is to be."""
    file = tmp_path / "gateway.toml"
    file.write_text(
        f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{tmp_path}"
time_zone = "Europe/Berlin"
{mqtt_table(mosquitto)}
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {free_port()}
[[zones]]
id = "dock"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.door-7"
"""
    )
    composed = compose(EVENT)
    event = OutboxEvent(
        event_id=composed.event_id,
        event_time=EVENT.event_time,
        epc=EVENT.epc,
        shipment_id=EVENT.shipment_id,
        biz_step=EVENT.biz_step,
        direction=EVENT.direction,
        verdict=EVENT.verdict,
        read_point=EVENT.read_point,
        topic=EVENTS,
        encode=composed.payload,
        logistic_unit=EVENT.logistic_unit,
    )
    with open_store(tmp_path / "gateway.db") as store:
        store.outbox.append([event])
    return file


def with_mqtt(configuration: Path, *lines: str) -> Path:
    text = configuration.read_text()
    configuration.write_text(text.replace("[mqtt]\n", "\n".join(["[mqtt]", *lines, ""])))
    return configuration


def content_type(message: MQTTMessage) -> str | None:
    return getattr(message.properties, "ContentType", None)


def user_properties(message: MQTTMessage) -> dict[str, str]:
    return dict(pairs(message))


def pairs(message: MQTTMessage) -> list[tuple[str, str]]:
    return list(getattr(message.properties, "UserProperty", []))


def test_location_events_say_that_they_are_json(configuration: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto) as received, running_gateway(configuration):
        eventually(lambda: bool(received), "the event arrives")
    (message,) = received
    assert content_type(message) == "application/json"
    assert user_properties(message) == {}
    payload = json.loads(message.payload)
    assert (payload["shipment_id"], payload["withdraws"], payload["epcis"]["type"]) == ("S-1", None, "ObjectEvent")


def test_bare_events_and_their_withdrawals_carry_the_rest_as_user_properties(
    configuration: Path, mosquitto: Mosquitto
) -> None:
    with_mqtt(configuration, 'format = "epcis"')
    with listening(mosquitto) as received, running_gateway(configuration):
        eventually(lambda: len(received) == 1, "the event arrives")
        done = command("events", "withdraw", "1", "--reason", "did_not_occur", "--config", configuration)
        assert done.returncode == 0, done.stderr
        eventually(lambda: len(received) == 2, "the withdrawal arrives while the gateway runs")
    event_id = compose(EVENT).event_id
    bare, withdrawn = (json.loads(message.payload) for message in received)
    assert (bare["type"], bare["eventID"]) == ("ObjectEvent", event_id)
    declaration = withdrawn.pop("errorDeclaration")
    assert (declaration["reason"], withdrawn) == ("did_not_occur", bare)
    first, second = map(user_properties, received)
    assert first == {
        "event_id": event_id,
        "sequence": "1",
        "shipment_id": "S-1",
        "orders": '["PO-901","PO-902"]',
        "logistic_unit": "340123450000000017",
        "direction": "out",
        "confidence": "0.98",
        "verdict": "ok",
        # A process before this one may have sent what is on the disk at the start.
        "replayed": "true",
    }
    aside = {"event_id": f"{event_id}#withdrawn", "withdraws": event_id, "sequence": "2", "replayed": "false"}
    assert second == first | aside
    assert [content_type(message) for message in received] == ["application/ld+json"] * 2


@pytest.mark.parametrize("payload_format", ["location-event", "epcis"])
def test_what_is_published_in_each_format_is_as_the_contract_says(
    configuration: Path, mosquitto: Mosquitto, contract: Contract, payload_format: str
) -> None:
    """An event and its withdrawal, body and user properties; whatever is changed in them is a fault."""
    with_mqtt(configuration, f'format = "{payload_format}"')
    with listening(mosquitto) as received, running_gateway(configuration):
        eventually(lambda: len(received) == 1, "the event arrives")
        done = command("events", "withdraw", "1", "--reason", "did_not_occur", "--config", configuration)
        assert done.returncode == 0, done.stderr
        eventually(lambda: len(received) == 2, "the withdrawal arrives while the gateway runs")
    for message in received:
        payload, kind, properties = bytes(message.payload), content_type(message), pairs(message)
        assert contract.faults_on(EVENTS, payload, kind, properties) == []
        other = {"application/json": "application/ld+json", "application/ld+json": "application/json"}[kind or ""]
        assert contract.faults_on(EVENTS, payload, other, properties), "the other format's message"
        assert contract.faults_on(EVENTS, payload, "text/plain", properties)
        assert contract.faults_on(EVENTS, payload, kind, [*properties, ("surprise", "1")])
        body = json.loads(payload)
        without_time = {**body, "eventTime": None} if payload_format == "epcis" else {**body, "sequence": None}
        assert contract.faults_on(EVENTS, json.dumps(without_time).encode(), kind, properties)
    said = {name for message in received for name, _ in pairs(message)}
    described = SCHEMAS["epcis-event-properties.json"]["properties"].keys()
    assert said == (described if payload_format == "epcis" else set())


WRONG = {
    "event_id": "4711",
    "sequence": "0",
    "shipment_id": "",
    "orders": "PO-901",
    "logistic_unit": "34012345",
    "direction": "null",
    "confidence": "1.5",
    "verdict": "fine",
    "withdraws": "None",
    "replayed": "False",
}
"""For each user property a text that it never has."""


@pytest.mark.parametrize("name", WRONG)
def test_the_contract_refuses_each_user_property_that_is_wrong(contract: Contract, name: str) -> None:
    stored = compose(EVENT).payload(7)
    said = {
        **{key: str(value) for key, value in envelope(stored).items() if value is not None},
        "orders": '["PO-901"]',
        "withdraws": compose(EVENT).event_id,
        "replayed": "false",
    }

    def faults(properties: list[tuple[str, str]]) -> list[str]:
        return contract.faults_on(EVENTS, bare_epcis(stored), "application/ld+json", properties)

    assert faults(list(said.items())) == []
    (fault,) = faults(list({**said, name: WRONG[name]}.items()))
    assert name in fault
    twice = faults([*said.items(), (name, said[name])])
    assert twice == [f"user property {name}: is there 2 times"]
    left_out = faults([pair for pair in said.items() if pair[0] != name])
    optional = {"orders", "logistic_unit", "direction", "confidence", "withdraws"}
    assert bool(left_out) == (name not in optional)


def test_the_contract_looks_into_the_orders(contract: Contract) -> None:
    stored = compose(EVENT).payload(7)
    required = {"event_id": compose(EVENT).event_id, "sequence": "7", "shipment_id": "S-1", "verdict": "ok"}
    for orders, right in (("[]", True), ('["PO-901"]', True), ("[901]", False), ('"PO-901"', False), ("['a']", False)):
        said = [*required.items(), ("orders", orders), ("replayed", "true")]
        found = contract.faults_on(EVENTS, bare_epcis(stored), "application/ld+json", said)
        assert (found == []) == right, (orders, found)


def test_a_broker_that_speaks_3_1_1_alone_gets_the_bare_event_without_the_rest(
    configuration: Path, mosquitto: Mosquitto
) -> None:
    refused = command("check", "--config", with_mqtt(configuration, 'format = "epcis"', 'protocol = "3.1.1"'))
    assert (refused.returncode, "mqtt.format: 'epcis' needs protocol" in refused.stderr) == (2, True)
    older = free_port()
    text = configuration.read_text().replace('protocol = "3.1.1"\n', "")
    configuration.write_text(text.replace(f"port = {mosquitto.port}", f"port = {older}"))
    front = subprocess.Popen([sys.executable, "-c", _FRONT, str(older), str(mosquitto.port)])
    try:
        with subscriber(mosquitto, EVENTS) as listener, running_gateway(configuration):
            eventually(lambda: bool(listener.received), "the event arrives", patience_s=2 * PATIENCE_S)
            bare: dict[str, Any] = json.loads(listener.received[0][1])
    finally:
        front.kill()
        front.wait()
    assert (bare["type"], bare["eventID"]) == ("ObjectEvent", compose(EVENT).event_id)


_FRONT = """\
import socket, sys, threading

def pump(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.close()

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    connect = client.recv(4096)
    if b"MQTT\\x05" in connect:  # a broker of old: unacceptable protocol version, in a CONNACK of 3.1.1
        client.sendall(bytes([0x20, 2, 0, 1]))
        client.close()
        continue
    broker = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    broker.sendall(connect)
    for pair in ((client, broker), (broker, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""
