"""The publisher with the real outbox, in a thread of the test, and what a receiver sees of it."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rfid_gateway.clock import SystemClock
from rfid_gateway.mqtt.directory_feed import OnDirectory
from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.outbox import OutboxEvent
from tests.servers import Subscriber

TOPICS = Topics("rfid", "hamburg", "gate-1")
EVENTS = f"{TOPICS.own}/events/"


def append(database: Path, count: int, first: int = 1, filling: int = 0) -> None:
    """Commit events to the outbox, as the pipeline would, each with so many bytes of filling."""
    with open_store(database) as store:
        store.outbox.append(_event(number, filling) for number in range(first, first + count))


def _event(number: int, filling: int) -> OutboxEvent:
    return OutboxEvent(
        event_id=f"ni:///sha-256;{number:064x}?ver=CBV2.0",
        event_time=number,
        epc="3034257BF7194E4000001A85",
        shipment_id="S-1",
        biz_step="loading",
        direction="out",
        verdict="ok",
        read_point="urn:epc:id:sgln:4012345.00001.1",
        topic=TOPICS.events("loading"),
        encode=lambda sequence: json.dumps(
            {"event_id": number, "sequence": sequence, "filling": "x" * filling}
        ).encode(),
    )


def backlog(database: Path) -> int:
    with open_store(database) as store:
        return store.outbox.backlog()


def set_aside(database: Path) -> dict[int, str]:
    """Sequences and reasons."""
    with open_store(database) as store:
        return {event.sequence: event.reason for event in store.outbox.aside(0, 100)}


def events_of(listener: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in listener.payloads(EVENTS)]


def first_arrivals(*listeners: Subscriber) -> list[int]:
    """Sequences in the order of their first arrival, as a receiver that drops doubles by event id sees them."""
    events = [event for listener in listeners for event in events_of(listener)]
    return list({event["event_id"]: event["sequence"] for event in events}.values())


@contextmanager
def running(
    database: Path,
    port: int,
    on_directory: OnDirectory | None = None,
    **settings: Any,  # whatever `[mqtt]` may say
) -> Iterator[Publisher]:
    publisher = Publisher(
        MqttSettings.model_validate({"host": "127.0.0.1", "port": port, **settings}),
        TOPICS,
        lambda: open_outbox(database),
        SystemClock(),
        on_directory,
    )
    thread = threading.Thread(target=publisher.run, name="publisher")
    thread.start()
    try:
        yield publisher
    finally:
        publisher.close()
        thread.join(60)
        assert not thread.is_alive()


def connected(publisher: Publisher) -> Callable[[], bool]:
    return lambda: publisher.state.connected


def published(publisher: Publisher, count: int) -> Callable[[], bool]:
    return lambda: publisher.state.published >= count


def rising(sequences: Sequence[int]) -> bool:
    return list(sequences) == sorted(sequences)
