"""An order backend of the tests that speaks MQTT 5: it hears everything, and gives commands."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.servers import PATIENCE_S, eventually


class Heard(NamedTuple):
    """One message as the broker passed it on, with the retain flag as it was published."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    correlation: bytes | None
    content_type: str | None
    user_properties: tuple[tuple[str, str], ...]


class Backend5:
    """Subscribed to everything. `heard` is owned by paho's thread; a list's append is atomic, tests only read it."""

    def __init__(self, host: str, port: int) -> None:
        self.heard: list[Heard] = []
        self._numbers = count(1)
        self._subscribed = False
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"backend-{time.monotonic_ns()}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.loop_start()
        eventually(lambda: self._subscribed, "the backend is subscribed")

    def publish(
        self,
        topic: str,
        payload: bytes | str,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish with QoS 1 and wait for the broker's PUBACK."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types there
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        sent = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        sent.wait_for_publish(PATIENCE_S)

    def ask(self, topic: str, payload: Any, response_topic: str | None = None, *, retain: bool = False) -> Heard:
        """Publish a request and wait for the reply with its Correlation Data."""
        correlation = f"question {next(self._numbers)}".encode()
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.publish(topic, content, retain=retain, response_topic=response_topic, correlation=correlation)
        eventually(lambda: bool(self.answers(correlation)), f"an answer to {topic} {content[:80]!r}")
        return self.answers(correlation)[0]

    def answers(self, correlation: bytes) -> list[Heard]:
        """Replies with that Correlation Data."""
        return [each for each in tuple(self.heard) if each.correlation == correlation and "/responses" in each.topic]

    def on(self, topic: str) -> list[dict[str, Any]]:
        """JSON payloads on exactly that topic."""
        return [json.loads(each.payload) for each in tuple(self.heard) if each.topic == topic and each.payload]

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe("rfid/#", options=SubscribeOptions(qos=2, retainAsPublished=True))

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed = True

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        said = message.properties
        self.heard.append(
            Heard(
                message.topic,
                bytes(message.payload),
                message.qos,
                message.retain,
                getattr(said, "CorrelationData", None),
                getattr(said, "ContentType", None),
                tuple(getattr(said, "UserProperty", ())),
            )
        )


@contextmanager
def backend5(host: str, port: int) -> Iterator[Backend5]:
    """Such a backend for a block."""
    backend = Backend5(host, port)
    try:
        yield backend
    finally:
        backend.close()
