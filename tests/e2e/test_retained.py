"""What is retained of shipments and loads: seen by whoever subscribes later, whatever is killed in between."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.unit_states import UnitState
from rfid_simulators.backend import OrderBackend
from rfid_simulators.world.warehouse import BEFORE, demo_warehouse, shipment
from rfid_simulators.world.world import TruePassage
from tests.e2e.running import RunningGateway, command, mqtt_table, running_gateway, wait_for_outbox
from tests.e2e.test_cuts import ANNOUNCED_S, SECOND, SETTLE, Site
from tests.servers import Mosquitto, Subscriber, eventually, free_port, subscriber

TOPICS = Topics("rfid", "hamburg", "gate-1")
SEED = 7
PASSAGES = 5
"""Through the door, before its goods stand still."""
MARGIN = 3 * SECOND
"""From when everything is online to the first movement that counts."""
LOAD = "Tour 4/7"


@pytest.fixture
def configuration(tmp_path: Path, mosquitto: Mosquitto) -> Path:
    """A gateway whose only reader is not there."""
    file = tmp_path / "gateway.toml"
    file.write_text(
        f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{tmp_path}"
{mqtt_table(mosquitto)}
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {free_port()}
[[doors]]
id = "dock-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.dock-1"
"""
    )
    return file


def see(configuration: Path, *shipment_ids: str) -> None:
    """Commit that a unit of each shipment was stored, as the pipeline does."""
    with open_store(configuration.parent / "gateway.db") as store:
        for name in shipment_ids:
            store.directory.upsert(
                [Shipment(name, (Unit(f"epc:{name}"),), ("PO-1",), load="T-1", planned_door="dock-1")]
            )
            with store.transaction():
                state = UnitState(
                    f"epc:{name}", name, "storing", None, "urn:x:store", SystemClock().utc_us(), "stored", sequence=1
                )
                store.unit_states.set_unit_states([state])
                store.retained.mark("shipment", [name])


def all_said(configuration: Path) -> bool:
    with open_store(configuration.parent / "gateway.db") as store:
        reviewed = not store.loads.to_review(1)
        return reviewed and not store.retained.unsaid(("", ""), 1) and not store.retained.to_say_again(1)


def connected(gateway: RunningGateway) -> bool:
    try:
        return "connected to" in gateway.ask("status")[0]["broker"]
    except AssertionError:
        return False


def states(listener: Subscriber) -> dict[str, str]:
    """State by topic, as a late subscriber has it."""
    latest = dict(tuple(listener.received))
    return {topic.removeprefix(f"{TOPICS.own}/"): json.loads(payload)["state"] for topic, payload in latest.items()}


EVERYTHING = {"shipments/S-1/status": "stored", "shipments/S-2/status": "stored", "loads/T-1": "open"}
RETAINED = (f"{TOPICS.own}/shipments/+/status", f"{TOPICS.own}/loads/+")


def late_subscriber_sees(mosquitto: Mosquitto, expected: dict[str, str]) -> None:
    shipments, loads = (subscriber(mosquitto, topic_filter) for topic_filter in RETAINED)
    with shipments as shop, loads as yard:
        eventually(lambda: states(shop) | states(yard) == expected, f"what is retained is {expected}")


def test_a_gateway_killed_between_commit_and_puback_keeps_its_promise(
    mosquitto: Mosquitto, configuration: Path
) -> None:
    with running_gateway(configuration) as gateway:
        eventually(lambda: connected(gateway), "connected")
        mosquitto.freeze()
        see(configuration, "S-1", "S-2")
        # Handed over or not, sent or not: wherever the kill finds it.
        time.sleep(random.uniform(0.0, 1.5))
        assert not all_said(configuration)
        gateway.kill()
        mosquitto.thaw()
        assert not all_said(configuration)
        gateway.start()
        eventually(lambda: all_said(configuration), "everything is acknowledged")
        late_subscriber_sees(mosquitto, EVERYTHING)


def test_a_broker_that_has_lost_everything_gets_it_again(mosquitto: Mosquitto, configuration: Path) -> None:
    with running_gateway(configuration) as gateway:
        eventually(lambda: connected(gateway), "connected")
        see(configuration, "S-1", "S-2")
        eventually(lambda: all_said(configuration), "everything is acknowledged")
        late_subscriber_sees(mosquitto, EVERYTHING)
        mosquitto.kill()
        (configuration.parent / "mosquitto" / "mosquitto.db").unlink(missing_ok=True)
        mosquitto.start()
        late_subscriber_sees(mosquitto, EVERYTHING)


def test_republish_says_everything_again_and_a_deleted_shipment_is_cleared(
    mosquitto: Mosquitto, configuration: Path
) -> None:
    with running_gateway(configuration) as gateway, subscriber(mosquitto, "nothing") as backend:
        eventually(lambda: connected(gateway), "connected")
        see(configuration, "S-1", "S-2")
        eventually(lambda: all_said(configuration), "everything is acknowledged")
        for topic in (TOPICS.shipment_status("S-1"), TOPICS.load("T-1")):
            backend.publish(topic, b"", retain=True)
        late_subscriber_sees(mosquitto, {"shipments/S-2/status": "stored"})
        done = command("republish", "--config", configuration)
        assert (done.returncode, done.stdout) == (0, "3 topics will be published again\n")
        eventually(lambda: all_said(configuration), "everything is acknowledged")
        late_subscriber_sees(mosquitto, EVERYTHING)
        with open_store(configuration.parent / "gateway.db") as store:
            store.directory.delete("S-1")
            store.directory.delete("S-2")
        eventually(lambda: all_said(configuration), "everything is acknowledged")
        late_subscriber_sees(mosquitto, {})


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    with ExitStack() as parts:
        yield Site(parts, mosquitto, tmp_path, demo_warehouse(SEED))


def announce(broker: Mosquitto) -> dict[str, str]:
    """Every unit is a shipment; those that are to leave are one load. Returns EPC to shipment."""
    names = {}
    with OrderBackend(broker.host, broker.port, "demo") as backend:
        for number in range(-BEFORE, ANNOUNCED_S // 3 + 1):
            unit = shipment(number)
            load = {} if unit.goods_in else {"load": LOAD, "planned_door": "dock-1"}
            backend.announce({"units": [{"sscc": unit.sscc}], **load}, f"U-{number}")
            names[unit.epc] = f"U-{number}"
    return names


def latest(listener: Subscriber) -> dict[str, dict[str, Any]]:
    return {topic: json.loads(payload) for topic, payload in tuple(listener.received)}


@pytest.mark.timeout(180)
def test_statuses_and_a_load_tell_what_really_happened_in_the_warehouse(mosquitto: Mosquitto, site: Site) -> None:
    own = "rfid/demo/gate-1"
    with running_gateway(site.configuration) as gateway, subscriber(mosquitto, f"{own}/alerts") as alerts:
        names = announce(mosquitto)
        eventually(lambda: gateway.online("dock-1", "storage-1", "packing-1"), "everything is online")
        first = site.now()
        truth = demo_warehouse(SEED).truth(0, ANNOUNCED_S * SECOND)
        coming = sorted(true.at for true in truth if isinstance(true, TruePassage) and true.at > first + MARGIN)
        site.end = coming[PASSAGES] + SETTLE
        eventually(lambda: site.now() > site.end + SETTLE, "the last passage is over", patience_s=90)
        wait_for_outbox(gateway)
        eventually(lambda: all_said(site.configuration), "everything is acknowledged")
        with (
            subscriber(mosquitto, f"{own}/shipments/+/status") as shop,
            subscriber(mosquitto, f"{own}/loads/+") as yard,
        ):
            events = gateway.ask("events", "--limit", "10000")
            seen = {str(event["shipment_id"]) for event in events}
            eventually(lambda: len(latest(shop)) == len(seen), "every seen shipment has a status")
            statuses = {status["shipment_id"]: status for status in latest(shop).values()}
            (load,) = latest(yard).values()
            done = command("loads", "close", LOAD, "--config", site.configuration)
            assert done.returncode == 0, done.stderr
            eventually(lambda: next(iter(latest(yard).values()))["state"] == "closed", "the load is closed")
            (closed,) = latest(yard).values()
            eventually(lambda: b'"kind":"missing"' in b"".join(alerts.payloads(own)), "an alert says what is missing")
        (shown,) = gateway.ask("loads", LOAD)

    # The latest event of each shipment, in the words of its status.
    assert set(statuses) == seen
    for status in statuses.values():
        newest = max(
            (event for event in events if event["shipment_id"] == status["shipment_id"]),
            key=lambda event: (str(event["time"]), int(event["sequence"])),
        )
        assert status["event_id"] == newest["event_id"]
    # What really went out and came in while everything was online, and long enough before the end to be decided.
    passages = {
        names[true.epc]: true
        for true in demo_warehouse(SEED).truth(0, site.end)
        if isinstance(true, TruePassage) and first + MARGIN < true.at < site.end - SETTLE
    }
    assert len(passages) == PASSAGES
    for name, true in passages.items():
        assert statuses[name]["direction"] in (true.direction, None), name
        if true.direction == "out":
            assert statuses[name]["state"] == "departed"
    gone = {name for name, true in passages.items() if true.direction == "out"}
    outstanding = {unit["shipment_id"] for unit in load["units"]["outstanding"]}
    assert (load["state"], load["load_id"], load["missing"]) == ("open", LOAD, 0)
    assert load["expected"] == sum(
        1 for number in range(-BEFORE, ANNOUNCED_S // 3 + 1) if not shipment(number).goods_in
    )
    assert gone & outstanding == set()
    departed = {name for name, status in statuses.items() if status["state"] == "departed"}
    assert load["seen"] == len(departed) >= len(gone)
    assert (closed["missing"], closed["outstanding"]) == (load["outstanding"], 0)
    assert {unit["shipment_id"] for unit in closed["units"]["missing"]} == outstanding
    assert {**shown, "updated_at": ""} == {**closed, "updated_at": ""}
