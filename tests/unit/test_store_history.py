from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.history import EventFilter
from rfid_gateway.store.outbox import OutboxEvent

SSCC = "340123450000000017"
SHIPMENT = Shipment("S-1", (Unit(f"(00){SSCC}"), Unit("epc:AA02")))


def event(event_id: str, at: int, epc: str, shipment_id: str = "S-1", sscc: str | None = None) -> OutboxEvent:
    return OutboxEvent(
        event_id, at, epc, shipment_id, "departing", "out", "ok", "urn:x:dock-1", "t", lambda _: b"{}", sscc
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "gateway.db") as opened:
        opened.directory.upsert([SHIPMENT])
        opened.outbox.append(
            [
                event("ni:1", 100, "AA01", sscc=SSCC),
                event("ni:2", 200, "AA02"),
                event("ni:3", 300, "BB01", "S-2"),
                event("ni:4", 50, "AA01", sscc=SSCC),
            ]
        )
        yield opened


def ids(store: Store, name: str) -> list[str]:
    return [each.event_id for each in store.history.trace(name).events]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S-1", ["ni:4", "ni:1", "ni:2"]),
        (SSCC, ["ni:4", "ni:1"]),
        (f"(00){SSCC}", ["ni:4", "ni:1"]),
        ("aa02", ["ni:2"]),
        ("ni:1", ["ni:4", "ni:1"]),
        ("unheard-of", []),
    ],
)
def test_a_trace_holds_all_events_of_what_was_asked_for_in_order_of_time(
    store: Store, name: str, expected: list[str]
) -> None:
    assert ids(store, name) == expected


@pytest.mark.parametrize("name", ["S-1", SSCC, "AA02", "ni:2"])
def test_a_trace_tells_what_the_directory_knows(store: Store, name: str) -> None:
    assert store.history.trace(name).shipments == (SHIPMENT,)


def test_a_trace_of_something_announced_but_never_seen_has_its_shipment_and_no_events(store: Store) -> None:
    announced = Shipment("S-5", (Unit("(00)340123450000000024"), Unit("epc:CC01")))
    store.directory.upsert([announced])
    for name in ("S-5", "cc01", "340123450000000024"):
        trace = store.history.trace(name)
        assert (trace.events, trace.shipments) == ((), (announced,))


def test_events_are_the_latest_in_order(store: Store) -> None:
    assert [each.sequence for each in store.history.events(2)] == [3, 4]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (EventFilter(shipment_id="S-2"), [3]),
        (EventFilter(epc="AA01", since=60), [1]),
        (EventFilter(until=100), [4]),
        (EventFilter(verdict="wrong_door"), []),
        (EventFilter(read_point="urn:x:dock-1"), [1, 2, 3, 4]),
    ],
)
def test_events_can_be_narrowed(store: Store, only: EventFilter, expected: list[int]) -> None:
    assert [each.sequence for each in store.history.events(10, only)] == expected


def test_a_follower_gets_what_came_after_the_sequence_it_has(store: Store) -> None:
    assert [each.event_id for each in store.history.events_after(2, 10)] == ["ni:3", "ni:4"]
