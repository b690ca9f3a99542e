"""Rows per second from the outbox to their PUBACK, against a local Mosquitto, beside a bare paho loop in the same run.

    python benchmarks/publish.py [ROWS]

Prints one JSON line for each of the two and one with their ratio. The bare loop has the same window, payload and
broker, reads no database and commits nothing.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from rfid_gateway.clock import SystemClock
from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.outbox import OutboxEvent
from rfid_simulators.broker import EmbeddedBroker

WINDOW = 20
TOPICS = Topics("rfid", "bench", "gate-1")
PAYLOAD = json.dumps({"event_id": "ni:///sha-256;", "epcis": "x" * 1100}).encode()


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    structlog.configure(processors=[_drop])
    with EmbeddedBroker("mosquitto") as broker, tempfile.TemporaryDirectory() as folder:
        bare_s = bare(broker.port, rows)
        print(json.dumps({"what": "bare paho loop", "rows": rows, "rows_per_s": round(rows / bare_s)}))
        ours_s = outbox(broker.port, rows, Path(folder) / "gateway.db")
        print(json.dumps({"what": "outbox to PUBACK", "rows": rows, "rows_per_s": round(rows / ours_s)}))
    print(json.dumps({"what": "outbox / bare paho", "window": WINDOW, "ratio": round(bare_s / ours_s, 3)}))


def bare(port: int, rows: int) -> float:
    """Seconds that paho's own loop takes, when it is handed a publication for each PUBACK."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(WINDOW)
    left = rows
    done = 0

    def on_publish(*_: object) -> None:
        nonlocal left, done
        done += 1
        if left:
            left -= 1
            client.publish(TOPICS.events("loading"), PAYLOAD, qos=1)

    client.on_publish = on_publish
    client.connect("127.0.0.1", port)
    while not client.is_connected():
        client.loop(0.1)
    begun = time.perf_counter()
    for _ in range(WINDOW):
        left -= 1
        client.publish(TOPICS.events("loading"), PAYLOAD, qos=1)
    while done < rows:
        client.loop(0.1)
    took = time.perf_counter() - begun
    client.disconnect()
    return took


def outbox(port: int, rows: int, database: Path) -> float:
    """Seconds from the first connection until the outbox is empty."""
    with open_store(database) as store:
        for first in range(0, rows, 5000):
            store.outbox.append(_events(first, min(5000, rows - first)))
    publisher = Publisher(
        MqttSettings(host="127.0.0.1", port=port, window=WINDOW),
        TOPICS,
        lambda: open_outbox(database),
        SystemClock(),
    )
    thread = threading.Thread(target=publisher.run)
    thread.start()
    begun = time.perf_counter()
    while publisher.state.published < rows:
        time.sleep(0.005)
    took = time.perf_counter() - begun
    publisher.close()
    thread.join()
    return took


def _events(first: int, count: int) -> Iterator[OutboxEvent]:
    for number in range(first, first + count):
        yield OutboxEvent(
            event_id=f"ni:///sha-256;{number:064x}?ver=CBV2.0",
            event_time=number,
            epc="3034257BF7194E4000001A85",
            shipment_id="S-1",
            biz_step="loading",
            direction="out",
            verdict="ok",
            read_point="urn:epc:id:sgln:4012345.00001.1",
            topic=TOPICS.events("loading"),
            encode=lambda _sequence: PAYLOAD,
        )


def _drop(_logger: object, _name: str, _event: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
