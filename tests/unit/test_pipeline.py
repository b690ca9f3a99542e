"""The pipeline on a real database, with a clock and reports made by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from rfid_gateway.clock import Clock as AnyClock
from rfid_gateway.config import parse
from rfid_gateway.driver import DriverOptions, DriverType, Emit
from rfid_gateway.gateway import CHECKPOINT_US, RETRY_US, Pipeline
from rfid_gateway.intake import DirectoryMessage
from rfid_gateway.reads import GpiEdge, TagRead, TagReport
from rfid_gateway.shipments.loads import COMMAND
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreFullError

CONFIG = """\
[gateway]
site = "hamburg"
id = "gate-1"
time_zone = "Europe/Berlin"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "storage-1"
driver = "llrp"
host = "127.0.0.1"
[[zones]]
id = "storage"
antennas = ["storage-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
depart_after_s = 30.0
[zones.arrived]
biz_step = "storing"
[[doors]]
id = "door-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
[doors.out]
biz_step = "departing"
[doors.in]
biz_step = "arriving"
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
"""
EPC = "314D7EA5A441C9C381000000"
SSCC = "340123450000000017"
SECOND = 1_000_000
START = 1_795_000_000 * SECOND


class SilentOptions(DriverOptions):
    host: str


class SilentReader:
    """A driver that is configured and never runs."""

    Options: ClassVar[type[DriverOptions]] = SilentOptions

    def __init__(self, reader_id: str, options: DriverOptions, clock: AnyClock) -> None:
        pass

    def run(self, emit: Emit) -> None:
        raise AssertionError(f"the pipeline runs no reader, nor calls {emit}")

    def close(self) -> None:
        pass


DRIVERS: dict[str, DriverType] = {"llrp": SilentReader}


@dataclass
class Clock:
    now: int = START

    def utc_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now - START


@dataclass
class Plant:
    path: Path
    clock: Clock
    store: Store
    pipeline: Pipeline
    acknowledged: list[str]

    def read(self, reader_id: str = "storage-1", antenna: int = 1, rssi: float = -50.0, epc: str = EPC) -> TagReport:
        read = TagRead(epc, antenna, self.clock.now, self.clock.now, rssi)
        return TagReport(reader_id, self.clock.now, self.clock.monotonic_us(), (read,))

    def announce(self, shipment_id: str, **entry: object) -> DirectoryMessage:
        payload = json.dumps(entry).encode() if entry else b""
        return DirectoryMessage(shipment_id, payload, lambda: self.acknowledged.append(shipment_id))

    def pass_door(self, first: int, second: int) -> None:
        """A tag goes from one antenna's side to the other's, as its signal shows."""
        for step in range(40):
            self.clock.now += SECOND // 10
            reports = []
            for antenna, peak in ((first, 12), (second, 28)):
                rssi = -48.0 - abs(step - peak) * 0.9
                if rssi > -65:
                    reports.append(self.read("dock-1", antenna, rssi))
            self.pipeline.drain(reports)
        self.wait(20)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += SECOND
            self.pipeline.drain([])

    def events(self) -> list[dict[str, object]]:
        return [json.loads(event.payload) for event in self.store.history.events(1000)]

    def restart(self) -> None:
        self.store.close()
        self.store = open_store(self.path)
        self.pipeline = Pipeline(parse(CONFIG, "test", DRIVERS), self.store, self.clock)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    clock = Clock()
    store = open_store(tmp_path / "gateway.db")
    pipeline = Pipeline(parse(CONFIG, "test", DRIVERS), store, clock)
    plant = Plant(tmp_path / "gateway.db", clock, store, pipeline, [])
    yield plant
    plant.store.close()


def test_a_known_tag_becomes_an_event_of_its_shipment(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}], orders=["PO-7"])])
    assert plant.acknowledged == ["S-1"]
    plant.pipeline.drain([plant.read(), plant.read()])
    (event,) = plant.events()
    assert (event["shipment_id"], event["orders"], event["logistic_unit"]) == ("S-1", ["PO-7"], SSCC)
    assert (event["sequence"], event["verdict"]) == (1, "ok")
    epcis = event["epcis"]
    assert isinstance(epcis, dict)
    assert epcis["bizStep"] == "storing"
    assert epcis["eventTimeZoneOffset"] == "+01:00"


def test_a_tag_seen_before_its_entry_is_bound_late_with_its_true_time(plant: Plant) -> None:
    plant.pipeline.drain([plant.read(), plant.read()])
    seen = plant.clock.now
    assert plant.events() == []
    plant.wait(3600)
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    (event,) = plant.events()
    assert plant.store.history.events(1)[0].event_time == seen
    assert plant.store.unbound.count() == 0
    assert event["shipment_id"] == "S-1"


def test_an_entry_written_by_another_process_is_found_too(plant: Plant) -> None:
    plant.pipeline.drain([plant.read(), plant.read()])
    with open_store(plant.path) as other:
        from rfid_gateway.shipments.directory import Shipment, Unit

        other.directory.upsert((Shipment("S-2", (Unit(f"epc:{EPC}"),)),))
    plant.clock.now += CHECKPOINT_US
    plant.pipeline.drain([])
    assert [event["shipment_id"] for event in plant.events()] == ["S-2"]


def test_a_restart_makes_no_second_arrival(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    plant.pipeline.drain([plant.read(), plant.read()])
    plant.restart()
    for _ in range(10):
        plant.clock.now += SECOND
        plant.pipeline.drain([plant.read()])
    assert len(plant.events()) == 1


def test_a_passage_that_was_open_at_a_restart_is_decided_after_it(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    for step in range(40):
        plant.clock.now += SECOND // 10
        if step == 20:
            plant.clock.now += CHECKPOINT_US
            plant.pipeline.drain([])
            plant.restart()
        for antenna, peak in ((1, 12), (2, 28)):
            rssi = -48.0 - abs(step - peak) * 0.9
            if rssi > -65:
                plant.pipeline.drain([plant.read("dock-1", antenna, rssi)])
    plant.wait(20)
    assert [event["direction"] for event in plant.events()] == ["out"]


def test_the_wrong_door_and_a_return_are_said(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}], planned_door="door-9")])
    plant.pass_door(1, 2)
    plant.pass_door(2, 1)
    assert [(event["direction"], event["verdict"]) for event in plant.events()] == [
        ("out", "wrong_door"),
        ("in", "returned"),
    ]


def test_a_drain_tells_what_it_committed_and_which_tags_nobody_knows(plant: Plant) -> None:
    drained = plant.pipeline.drain([plant.read(), plant.read()])
    assert (drained.events, drained.located, [each.epc for each in drained.unknown]) == (0, (), [EPC])
    drained = plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    assert (drained.events, [each.shipment_id for each in drained.located], drained.unknown) == (1, ["S-1"], ())


@pytest.fixture
def packing(tmp_path: Path) -> Iterator[Plant]:
    """A zone that asks for aggregations."""
    text = CONFIG.replace('biz_step = "storing"', 'biz_step = "packing"\nevent = "aggregation"')
    clock = Clock()
    with open_store(tmp_path / "gateway.db") as store:
        yield Plant(tmp_path, clock, store, Pipeline(parse(text, "test", DRIVERS), store, clock), [])


def test_a_unit_with_a_parent_becomes_an_aggregation_and_one_without_an_object_event(
    packing: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    units = [{"sscc": SSCC, "parent": "340123450000000024"}, {"epc": "E200AA01"}]
    packing.pipeline.drain([packing.announce("S-1", units=units)])
    packing.pipeline.drain([packing.read(), packing.read()])
    for _ in range(2):
        packing.pipeline.drain([packing.read(epc="E200AA01")])
    (aggregation, lesser) = (event["epcis"] for event in packing.events())
    assert isinstance(aggregation, dict)
    assert isinstance(lesser, dict)
    assert (aggregation["type"], aggregation["action"]) == ("AggregationEvent", "ADD")
    assert aggregation["parentID"] == "urn:epc:id:sscc:401234500.30000002"
    assert (lesser["type"], lesser["action"], lesser["bizStep"]) == ("ObjectEvent", "OBSERVE", "packing")
    assert packing.pipeline.as_object == 1
    assert "names no parent" in capsys.readouterr().out


def test_photo_eyes_decide_for_a_door_with_one_antenna(tmp_path: Path) -> None:
    eyes = CONFIG.replace('outside = ["dock-1:2"]', 'photo_eyes = ["dock-1:1", "dock-1:2"]')
    clock = Clock()
    with open_store(tmp_path / "gateway.db") as store:
        plant = Plant(tmp_path, clock, store, Pipeline(parse(eyes, "test", DRIVERS), store, clock), [])
        plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
        edges = {15: (1, False), 20: (2, False), 25: (1, True), 30: (2, True)}
        for step in range(40):
            clock.now += SECOND // 10
            items: list[TagReport | GpiEdge] = [plant.read("dock-1", 1, -40.0 - abs(step - 22))]
            if step in edges:
                port, high = edges[step]
                items.append(GpiEdge("dock-1", clock.now, clock.monotonic_us(), port, high))
            plant.pipeline.drain(items)
        plant.wait(20)
        assert [event["direction"] for event in plant.events()] == ["out"]


def test_a_bad_directory_message_is_passed_over_and_the_others_count(plant: Plant) -> None:
    bad = DirectoryMessage("S-9", b"{not json", lambda: plant.acknowledged.append("S-9"))
    plant.pipeline.drain([bad, plant.announce("S-1", units=[{"sscc": SSCC}])])
    assert plant.acknowledged == ["S-9", "S-1"]
    assert plant.store.directory.show("S-1") is not None
    assert plant.store.directory.show("S-9") is None


def test_an_empty_payload_deletes_the_entry(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    plant.pipeline.drain([plant.announce("S-1")])
    assert plant.store.directory.show("S-1") is None


def test_what_a_failed_commit_held_is_committed_later(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])

    def full(*_: object) -> None:
        raise StoreFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(plant.store.observation_state, "save", full)
        plant.pipeline.drain([plant.read(), plant.read()])
        plant.pipeline.drain([plant.announce("S-2", units=[{"epc": "E2001122"}])])
        assert plant.events() == []
        assert plant.acknowledged == ["S-1"]
    plant.clock.now += RETRY_US
    plant.pipeline.drain([])
    assert [event["sequence"] for event in plant.events()] == [1]
    assert plant.acknowledged == ["S-1", "S-2"]
    plant.restart()
    plant.pipeline.drain([plant.read()])
    assert len(plant.events()) == 1


def test_a_time_that_cannot_be_right_becomes_the_gateways_own(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    read = TagRead(EPC, 1, 0, 0, -50.0, 5)
    plant.pipeline.drain([TagReport("storage-1", plant.clock.now, plant.clock.monotonic_us(), (read, read))])
    assert plant.store.history.events(1)[0].event_time == plant.clock.now


def test_events_mark_their_shipment_and_its_load_in_their_own_commit(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}], planned_door="door-1", load="T-1")])
    plant.pipeline.review_loads()
    plant.store.retained.said(plant.store.retained.unsaid(("", ""), 9), [])

    def full(*_: object) -> None:
        raise StoreFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(plant.store.observation_state, "save", full)
        plant.pass_door(1, 2)
        assert plant.store.retained.unsaid(("", ""), 9) == []
        assert plant.store.loads.to_review(9) == []
    plant.clock.now += RETRY_US
    plant.pipeline.drain([])
    (state,) = plant.store.unit_states.of_shipment("S-1")
    (event,) = plant.events()
    assert state is not None
    assert (state.state, state.door, state.event_id, state.sequence) == ("departed", "door-1", event["event_id"], 1)
    assert [row.name for row in plant.store.retained.unsaid(("", ""), 9)] == ["S-1"]
    (load,) = plant.store.loads.to_review(9)
    assert plant.store.loads.compare(load).seen == 1


def test_a_unit_on_another_truck_is_told_by_the_drain_and_a_closed_load_by_its_review(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}], planned_door="door-9", load="T-9")])
    plant.pipeline.drain([plant.announce("S-2", units=[{"tid": "E2801160"}], planned_door="door-1", load="T-1")])
    drained = []
    drain = plant.pipeline.drain
    plant.pipeline.drain = lambda items: drained.append(drain(items)) or drained[-1]  # type: ignore[func-returns-value,method-assign]
    plant.pass_door(1, 2)
    assert [(each.kind, each.load_id) for one in drained for each in one.misplaced] == [("misrouted", "T-1")]
    assert plant.store.loads.close("T-1", plant.clock.utc_us(), COMMAND)
    plant.wait(2)
    assert [each.load.load_id for each in plant.pipeline.review_loads()] == ["T-1"]
    assert plant.pipeline.review_loads() == [], "not before the next second"
