"""Rows per second from the outbox to their PUBACK, against a local Mosquitto, beside a bare paho loop in the same run.

    python benchmarks/publish.py [ROWS] [--window N] [--protocol 5|3.1.1]

Prints JSON lines: the bare paho loop and the gateway's publisher (with its database), each without and with a
subscriber; what the subscriber says of count, order and doubles; and the ratios. The bare loop has the same payloads,
window and broker, reads no database and commits nothing. Broker and subscriber are processes of their own, so all
three share the cores that there are; `cpu_us` is what each used for a row, which other work on the machine changes
less. ROWS is 100 000 by default; the bare loop gets at most 100 000 of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from rfid_gateway.clock import SystemClock
from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.settings import MqttSettings, ProtocolChoice
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.outbox import OutboxEvent
from rfid_simulators.broker import EmbeddedBroker

TOPICS = Topics("rfid", "bench", "gate-1")
TOPIC = TOPICS.events("loading")
BARE_AT_MOST = 100_000
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    arguments = _arguments()
    if arguments.subscribe is not None:
        _subscribe(arguments.subscribe, arguments.rows)
        return
    structlog.configure(processors=[_drop])
    rows, window, protocol = arguments.rows, arguments.window, arguments.protocol
    with EmbeddedBroker("mosquitto") as broker, tempfile.TemporaryDirectory() as folder:
        # One folder each: a database that is made anew beside the mark of the old one goes on behind its sequences.
        database, heard_database = Path(folder) / "first/gateway.db", Path(folder) / "heard/gateway.db"
        database.parent.mkdir()
        heard_database.parent.mkdir()
        bare_rows = min(rows, BARE_AT_MOST)
        bare_s = _measured("bare paho loop", bare_rows, lambda: bare(broker.port, bare_rows, window, protocol))
        _fill(database, rows)
        ours_s = _measured("outbox to PUBACK", rows, lambda: drain(broker.port, rows, database, window, protocol))
        _fill(heard_database, rows)
        with _subscriber(broker.port, bare_rows):
            bare_heard_s = _measured(
                "bare paho loop, subscribed", bare_rows, lambda: bare(broker.port, bare_rows, window, protocol)
            )
        with _subscriber(broker.port, rows):
            ours_heard_s = _measured(
                "outbox to PUBACK, subscribed", rows, lambda: drain(broker.port, rows, heard_database, window, protocol)
            )
    ratio = (bare_s / bare_rows) / (ours_s / rows)
    heard = (bare_heard_s / bare_rows) / (ours_heard_s / rows)
    _say(
        what="outbox / bare paho", window=window, mqtt=protocol, ratio=round(ratio, 2), ratio_subscribed=round(heard, 2)
    )


def bare(port: int, rows: int, window: int, protocol: ProtocolChoice) -> float:
    """Seconds that paho's own loop takes, when it is handed a publication for each PUBACK."""
    version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=version)
    client.max_inflight_messages_set(window)
    sent = done = 0

    def send() -> None:
        nonlocal sent
        if sent < rows:
            sent += 1
            client.publish(TOPIC, _payload(sent), qos=1)

    def on_publish(*_: object) -> None:
        nonlocal done
        done += 1
        send()

    client.on_publish = on_publish
    client.connect("127.0.0.1", port)
    while not client.is_connected():
        client.loop(0.1)
    begun = time.perf_counter()
    for _ in range(window):
        send()
    while done < rows:
        client.loop(0.1)
    took = time.perf_counter() - begun
    client.disconnect()
    return took


def drain(port: int, rows: int, database: Path, window: int, protocol: ProtocolChoice) -> float:
    """Seconds from the first connection until the outbox is empty."""
    settings = MqttSettings(host="127.0.0.1", port=port, window=window, protocol=protocol)
    publisher = Publisher(settings, TOPICS, lambda: open_outbox(database), SystemClock())
    thread = threading.Thread(target=publisher.run)
    begun = time.perf_counter()
    thread.start()
    while publisher.state.published < rows:
        time.sleep(0.005)
    took = time.perf_counter() - begun
    publisher.close()
    thread.join()
    with open_outbox(database) as outbox:
        assert outbox.backlog() == 0
    return took


def _measured(what: str, rows: int, run: Callable[[], float]) -> float:
    ours, brokers = time.process_time(), _broker_cpu_s()
    seconds = run()
    ours, brokers = time.process_time() - ours, _broker_cpu_s() - brokers
    _say(
        what=what,
        rows=rows,
        rows_per_s=round(rows / seconds),
        seconds=round(seconds, 2),
        cpu_us=round(ours / rows * 1e6, 1),
        broker_cpu_us=round(brokers / rows * 1e6, 1),
    )
    return seconds


def _broker_cpu_s() -> float:
    """Processor time of our own Mosquitto so far (it is our only child of that name)."""
    used = 0
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        name, _, fields = Path(f"/proc/{child}/stat").read_text().rpartition(") ")
        if name.endswith("(mosquitto"):
            used += sum(map(int, fields.split()[11:13]))
    return used / CLOCK_TICKS


@contextmanager
def _subscriber(port: int, rows: int) -> Iterator[None]:
    """A process that subscribes, and when all rows have come says what it has seen."""
    command = [sys.executable, __file__, str(rows), "--subscribe", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "subscribed\n"
        yield
        print(process.stdout.read(), end="", flush=True)
    if process.returncode:
        sys.exit("the subscriber did not get every row once, in order")


def _subscribe(port: int, rows: int) -> None:
    """The subscriber's process: counts until the last row has come. Exit code 1 unless each came once, in order."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=MQTTProtocolVersion.MQTTv5)
    seen: set[int] = set()
    count = disordered = highest = 0

    def on_message(_client: Client, _userdata: object, message: MQTTMessage) -> None:
        nonlocal count, disordered, highest
        number = json.loads(message.payload)["sequence"]
        count += 1
        disordered += number < highest
        highest = max(highest, number)
        seen.add(number)

    def on_connect(client: Client, *_: object) -> None:
        client.subscribe(TOPIC, qos=1)

    client.on_message = on_message
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.connect("127.0.0.1", port)
    silent_since = time.monotonic()
    while highest < rows and time.monotonic() - silent_since < 60:
        before = count
        client.loop(0.1)
        if count > before:
            silent_since = time.monotonic()
    client.disconnect()
    missing, doubled = rows - len(seen), count - len(seen)
    _say(what="subscriber", received=count, missing=missing, doubled=doubled, out_of_order=disordered)
    sys.exit(bool(missing or doubled or disordered))


def _fill(database: Path, rows: int) -> None:
    begun = time.perf_counter()
    with open_store(database) as store:
        for first in range(1, rows + 1, 5000):
            store.outbox.append(_events(first, min(5000, rows + 1 - first)))
    _say(what="filled", rows=rows, seconds=round(time.perf_counter() - begun, 1), bytes=len(_payload(1)))


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
            topic=TOPIC,
            encode=_payload,
        )


def _payload(sequence: int) -> bytes:
    """As the outbox stores it: a JSON object of an event's usual size."""
    return b'{"event_id":"ni:///sha-256;%064x?ver=CBV2.0","sequence":%d,"epcis":"%b"}' % (
        sequence,
        sequence,
        b"x" * 1100,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5")
    parser.add_argument("--subscribe", type=int, metavar="PORT", help=argparse.SUPPRESS)
    return parser.parse_args()


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def _drop(_logger: object, _name: str, _event: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
