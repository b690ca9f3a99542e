"""kill -9 of the gateway and of the broker in the middle of the demo's traffic lose nothing and double nothing.

What the subscriber received is compared with what really happened in the simulated warehouse.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_simulators.backend import OrderBackend
from rfid_simulators.demo import CONFIGURATION
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from rfid_simulators.world.sighting import Radio, Sighting
from rfid_simulators.world.warehouse import BEFORE, demo_warehouse, shipment
from rfid_simulators.world.world import TruePassage, World
from tests.e2e.running import RunningGateway, running_gateway, until, wait_for_outbox
from tests.servers import Mosquitto, Subscriber, eventually, free_port, subscriber

SECOND = 1_000_000
SETTLE = 12 * SECOND
"""World time between a movement and the latest moment at which it must have been decided."""
SECONDS = 38
"""How long the gateway is wrecked at least."""
CUTS = 4
"""And how often at least, however long that takes on a busy machine: gateway, broker, gateway, gateway."""
ANNOUNCED_S = 600
"""What enters the warehouse until then is announced; the run is over before, also on a busy machine."""


class Site:
    """The demo's warehouse around a real Mosquitto, whose radios fall silent at `end`, which the test sets."""

    def __init__(self, parts: ExitStack, broker: Mosquitto, folder: Path, world: World) -> None:
        self.began = SystemClock().monotonic_us()
        self.end = ANNOUNCED_S * SECOND
        """µs of world time; set when the gateway has been wrecked often enough."""
        radios = {name: self._until_end(world.radio(name)) for name in ("dock-1", "storage-1", "packing-1")}
        readers = [LlrpReaderServer(sources=Sources(radios[name])) for name in ("dock-1", "storage-1")]
        for reader in readers:
            reader.start(self.began)
            parts.callback(reader.stop)
        firmware = SimulatedChafon(ChafonSetting(pushing=True))
        wire = PtyWire(folder / "ttyRFID")
        parts.enter_context(SerialReaderServer(firmware, radios["packing-1"], wire))
        self.configuration = folder / "gateway.toml"
        self.configuration.write_text(
            CONFIGURATION.format(
                site="demo",
                gateway="gate-1",
                state_dir=folder,
                host=broker.host,
                port=broker.port,
                protocol="5",
                dock_port=readers[0].address[1],
                storage_port=readers[1].address[1],
                packing_port=wire.url,
                web_port=free_port(),
            )
        )

    def now(self) -> int:
        return SystemClock().monotonic_us() - self.began

    def _until_end(self, radio: Radio) -> Radio:
        def hear(start: int, stop: int) -> list[Sighting]:
            return list(until(radio, self.end)(start, stop))

        return hear


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    with ExitStack() as parts:
        yield Site(parts, mosquitto, tmp_path, demo_warehouse(seed=7))


def announce_all(broker: Mosquitto) -> dict[str, str]:
    """Announce every unit of the run as a shipment of its own; returns EPC to shipment."""
    epcs = {}
    with OrderBackend(broker.host, broker.port, "demo") as backend:
        for number in range(-BEFORE, ANNOUNCED_S // 3 + 1):
            unit = shipment(number)
            backend.announce({"units": [{"sscc": unit.sscc}]}, f"U-{number}")
            epcs[unit.epc] = f"U-{number}"
    return epcs


def reads_since(gateway: RunningGateway, at: int) -> bool:
    """Whether the gateway has said since then that all readers are read from."""
    return gateway.online("dock-1", "storage-1", "packing-1") and gateway.ask("status")[0]["at"] > at


def wreck(gateway: RunningGateway, broker: Mosquitto, site: Site, end: int, chance: random.Random) -> Counter[str]:
    """Kill the gateway or the broker again and again, at random instants of a gateway that reads: until `end` at least.

    LLRP has no acknowledgement of reports: what a reader held while we were away, and sends to a gateway that is
    killed before its next checkpoint, nobody has any more. So every kill finds a gateway that had come back.
    """
    done: Counter[str] = Counter()
    while site.now() < end or done.total() < CUTS:
        # The state is written once a second, and a killed gateway has left its last one: what the next but one says
        # holds, and by then what the readers held has long been saved.
        for _ in range(2):
            written = gateway.ask("status")[0]["at"]
            eventually(partial(reads_since, gateway, written), "the gateway reads again")
        time.sleep(chance.uniform(0.0, 3.0))
        if done.total() % 3 != 1:
            gateway.kill()
            time.sleep(chance.uniform(0, 0.5))
            gateway.start()
            done["gateway killed"] += 1
        else:
            # In order: a killed Mosquitto forgets what it acknowledged a moment ago, and that is not ours to keep.
            broker.stop()
            time.sleep(chance.uniform(0, 1.0))
            broker.start()
            done["broker restarted"] += 1
    return done


def events_of(backend: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in backend.payloads("rfid/demo/gate-1/events/")]


@pytest.mark.timeout(480)
def test_cuts_lose_nothing_and_double_nothing(mosquitto: Mosquitto, site: Site) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    with running_gateway(site.configuration) as gateway, subscriber(mosquitto, "rfid/demo/gate-1/events/+") as backend:
        shipments = announce_all(mosquitto)
        eventually(lambda: gateway.online("dock-1", "storage-1", "packing-1"), "everything is online")
        first = site.now()
        cuts = wreck(gateway, mosquitto, site, first + SECONDS * SECOND, random.Random(seed))
        last = site.now()
        site.end = last + SETTLE
        eventually(lambda: site.now() > site.end + SETTLE, "the last passage is over", patience_s=60)
        wait_for_outbox(gateway)
        stored = gateway.ask("events", "--limit", "10000")
        eventually(lambda: len({e["event_id"] for e in events_of(backend)}) == len(stored), "all events have arrived")
        received = events_of(backend)

    assert cuts["gateway killed"] >= 2
    assert cuts["broker restarted"] >= 1
    # Nothing lost or doubled between outbox and subscriber: every sequence, each always with the same event.
    by_sequence = {event["sequence"]: event["event_id"] for event in received}
    assert sorted(by_sequence) == list(range(1, len(stored) + 1))
    assert len(set(by_sequence.values())) == len(by_sequence)
    assert {(event["sequence"], event["event_id"]) for event in received} == set(by_sequence.items())
    firsts = list(dict.fromkeys(event["sequence"] for event in received))
    assert firsts == sorted(firsts)
    # Nothing lost or doubled between antenna and outbox: one event for each thing that really happened.
    happened = Counter(
        (event["shipment_id"], event["epcis"]["readPoint"]["id"].rsplit(".", 1)[-1])
        for event in {event["event_id"]: event for event in received}.values()
    )
    print(f"{sum(cuts.values())} cuts {dict(cuts)}, {len(received)} received, {len(stored)} events")
    margin = 3 * SECOND
    expected = Counter(
        (shipments[true.epc], true.door if isinstance(true, TruePassage) else true.zone)
        for true in demo_warehouse(seed=7).truth(0, site.end)
        if first + margin < (true.at if isinstance(true, TruePassage) else true.arrived) < last
    )
    assert len(expected) > 10
    print(f"{expected.total()} true movements")
    lost = expected - happened
    assert lost == Counter()
    doubled = {key: count for key, count in happened.items() if key in expected and count > expected[key]}
    assert doubled == {}
