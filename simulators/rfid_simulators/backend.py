"""A stand-in for the order backend: takes the events of all gateways of a site and announces shipments to them."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

Event = Mapping[str, Any]
OnEvent = Callable[[str, Event], None]
"""Takes the gateway's name and the payload of an event, once for each event id; called in the client's thread."""

_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class GatewayCount:
    """What came from one gateway."""

    received: int = 0
    """Events, doubles not counted."""
    doubles: int = 0
    """Arrived again, with an event id that was known."""
    out_of_order: int = 0
    """Came after an event with a higher sequence."""
    highest: int = 0
    """Sequence."""
    lowest: int = 0
    """Sequence; 0 before the first event."""

    @property
    def gaps(self) -> int:
        """Sequences between the lowest and the highest that have not come."""
        return self.highest - self.lowest + 1 - self.received if self.received else 0


@dataclass(slots=True)
class _Ledger:
    """What has arrived; owned by the client's thread."""

    counts: dict[str, GatewayCount] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    statuses: dict[str, Event] = field(default_factory=dict)
    rejected: int = 0

    def enter(self, gateway: str, event: Event) -> bool:
        """Count an event; False if its id was known."""
        count = self.counts.get(gateway, GatewayCount())
        if event["event_id"] in self.seen:
            self.counts[gateway] = replace(count, doubles=count.doubles + 1)
            return False
        self.seen.add(event["event_id"])
        sequence = event["sequence"]
        self.counts[gateway] = replace(
            count,
            received=count.received + 1,
            out_of_order=count.out_of_order + (sequence < count.highest),
            highest=max(count.highest, sequence),
            lowest=min(count.lowest or sequence, sequence),
        )
        return True


class OrderBackend:
    """The order backend of one site, connected within a `with` block; reconnects by itself.

    It keeps every event id for as long as it lives, which suits a demo and a test, not a year.
    """

    def __init__(self, host: str, port: int, site: str, prefix: str = "rfid", on_event: OnEvent | None = None) -> None:
        self._address = (host, port)
        self._root = f"{prefix}/{site}/"
        self._on_event = on_event
        self._ledger = _Ledger()
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"order-backend-{site}",
            # 3.1.1, because amqtt speaks nothing else; the session holds events while the backend is away.
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=False,
        )
        self._client.reconnect_delay_set(1, 5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    @property
    def counts(self) -> Mapping[str, GatewayCount]:
        """What came from each gateway so far."""
        return dict(self._ledger.counts)

    @property
    def rejected(self) -> int:
        """Payloads that were no location event."""
        return self._ledger.rejected

    @property
    def statuses(self) -> Mapping[str, Event]:
        """The latest status of each shipment, as a shop would show it."""
        return dict(self._ledger.statuses)

    def announce(self, shipment: Mapping[str, Any] | None, shipment_id: str) -> None:
        """Announce a shipment to all gateways of the site, or with None delete it; waits for the broker's PUBACK."""
        payload = b"" if shipment is None else json.dumps(shipment, ensure_ascii=False).encode()
        topic = f"{self._root}directory/shipments/{quote(shipment_id, safe=' ')}"
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(_PATIENCE_S)

    def __enter__(self) -> Self:
        self._client.connect(*self._address)
        self._client.loop_start()
        if not self._subscribed.wait(_PATIENCE_S):
            self.__exit__(None, None, None)
            host, port = self._address
            raise ConnectionError(f"the broker {host}:{port} does not let the order backend subscribe")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe([(f"{self._root}+/events/+", 1), (f"{self._root}+/shipments/+/status", 1)])

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed.set()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        gateway, _, rest = message.topic.removeprefix(self._root).partition("/")
        if not message.payload:
            self._ledger.statuses.pop(unquote(rest.split("/")[1]), None)
            return
        try:
            event = json.loads(message.payload)
            if rest.startswith("shipments/"):
                self._ledger.statuses[event["shipment_id"]] = event
                return
            new = self._ledger.enter(gateway, event)
        except (ValueError, TypeError, KeyError):
            self._ledger.rejected += 1
            return
        if new and self._on_event is not None:
            self._on_event(gateway, event)
