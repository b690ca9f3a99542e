from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store import schema
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import Database
from rfid_gateway.store.retained import RetainedRow
from rfid_gateway.store.unit_states import UnitState

START = ("", "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "gateway.db") as opened:
        yield opened


def unsaid(store: Store) -> list[str]:
    return [row.name for row in store.retained.unsaid(START, 100)]


def say_all(store: Store) -> None:
    store.retained.said(store.retained.unsaid(START, 100), [])


def see(store: Store, key: str, shipment_id: str, at: int = 1, state: str | None = "stored") -> None:
    store.unit_states.set_unit_states([UnitState(key, shipment_id, "storing", None, "urn:x", at, state)])
    store.retained.mark("shipment", [shipment_id])


def test_a_mark_stays_until_its_own_version_is_acknowledged(store: Store) -> None:
    store.retained.mark("shipment", ["S-1"])
    first = store.retained.unsaid(START, 10)
    store.retained.mark("shipment", ["S-1"])
    store.retained.said(first, [])
    second = store.retained.unsaid(START, 10)
    assert second == [RetainedRow("shipment", "S-1", 2)]
    store.retained.said(second, [])
    assert (unsaid(store), store.retained.count()) == ([], 1)


def test_pages_go_on_behind_the_last_row(store: Store) -> None:
    store.retained.mark("shipment", ["S-2", "S-1"])
    store.retained.mark("load", ["L-1"])
    page = store.retained.unsaid(START, 2)
    assert [row[:2] for row in page] == [("load", "L-1"), ("shipment", "S-1")]
    assert [row.name for row in store.retained.unsaid(page[-1][:2], 2)] == ["S-2"]


def test_everything_is_said_again_on_demand_and_what_has_changed_is_not_said_twice(store: Store) -> None:
    store.retained.mark("shipment", ["S-1", "S-2"])
    say_all(store)
    assert store.retained.to_say_again(10) == []
    store.retained.say_all_again()
    store.retained.mark("shipment", ["S-2"])
    assert [row.name for row in store.retained.to_say_again(10)] == ["S-1"]
    assert unsaid(store) == ["S-2"]
    store.retained.said(store.retained.to_say_again(10), [])
    say_all(store)
    assert (unsaid(store), store.retained.to_say_again(10)) == ([], [])


def test_what_is_gone_leaves_no_row_unless_it_came_back_meanwhile(store: Store) -> None:
    store.retained.mark("shipment", ["S-1", "S-2"])
    rows = store.retained.unsaid(START, 10)
    store.retained.mark("shipment", ["S-2"])
    store.retained.said([], rows)
    assert unsaid(store) == ["S-2"]
    assert store.retained.count() == 1


def test_an_entry_that_changes_is_said_again_only_if_it_was_seen(store: Store) -> None:
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"),)), Shipment("S-2", (Unit("epc:BB"),))])
    assert unsaid(store) == []
    see(store, "epc:AA", "S-1")
    say_all(store)
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"),), carrier="DHL"), Shipment("S-2", (Unit("epc:BB"),))])
    assert unsaid(store) == ["S-1"]


def test_a_deleted_entry_is_to_be_cleared_and_one_that_is_announced_again_to_be_said_again(store: Store) -> None:
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"),))])
    see(store, "epc:AA", "S-1")
    say_all(store)
    store.directory.delete("S-1")
    rows = store.retained.unsaid(START, 10)
    assert [row.name for row in rows] == ["S-1"]
    store.retained.said([], rows)
    assert store.retained.count() == 0
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"),))])
    assert unsaid(store) == ["S-1"]


def test_a_unit_that_moves_to_another_shipment_changes_the_one_that_it_leaves(store: Store) -> None:
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"), Unit("epc:BB")))])
    see(store, "epc:AA", "S-1")
    say_all(store)
    store.directory.upsert([Shipment("S-2", (Unit("epc:AA"),))])
    assert unsaid(store) == ["S-1"]
    assert store.unit_states.of_shipment("S-1") == [None]
    assert store.unit_states.of_shipment("S-2") == [None]


def test_bound_and_unbound_units_change_their_shipment(store: Store) -> None:
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"),))])
    see(store, "epc:AA", "S-1")
    say_all(store)
    store.directory.bind("S-1", Unit("epc:BB"))
    assert unsaid(store) == ["S-1"]
    say_all(store)
    store.directory.unbind("epc:BB")
    assert unsaid(store) == ["S-1"]


def test_a_thing_with_two_keys_is_one_unit(store: Store) -> None:
    store.directory.upsert([Shipment("S-1", (Unit("epc:AA"), Unit("tid:E2", counts_as="epc:AA"), Unit("epc:BB")))])
    found = store.directory.find(["tid:E2"])
    assert found is not None
    assert found[1].thing == "epc:AA"
    see(store, found[1].thing, "S-1")
    states = store.unit_states.of_shipment("S-1")
    assert [None if state is None else state.key for state in states] == ["epc:AA", None]


def test_an_event_that_claims_no_step_leaves_the_state_and_another_shipment_begins_anew(store: Store) -> None:
    see(store, "epc:AA", "S-1", at=1)
    see(store, "epc:AA", "S-1", at=2, state=None)
    see(store, "epc:AA", "S-1", at=1, state="packed")
    state = store.unit_states.unit_state("epc:AA")
    assert state is not None
    assert (state.event_time, state.state) == (2, "stored")
    see(store, "epc:AA", "S-2", at=3, state=None)
    state = store.unit_states.unit_state("epc:AA")
    assert state is not None
    assert (state.shipment_id, state.state) == ("S-2", None)


def test_a_database_from_before_gets_the_loads_of_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", {"initial": schema.STEPS["initial"]})
        database = Database(path, "rwc")
        schema.migrate(database)
        database.change(
            """INSERT INTO shipments (shipment_id, orders, planned_door, planned_departure) VALUES
               ('S-1', '[]', 'dock-1', '2026-11-23T18:30:00+01:00'), ('S-2', '[]', 'dock-1', '2026-11-23T17:30:00Z'),
               ('S-3', '[]', 'dock-1', NULL)"""
        )
        database.change("INSERT INTO units (key, shipment_id) VALUES ('epc:AA', 'S-1')")
        database.close()
    with open_store(path) as store:
        (load,) = store.loads.to_review(9)
        entry = store.directory.entry("S-2")
        assert entry is not None
        assert (load.load_id, load.door, load.departure) == (entry.load_id, "dock-1", entry.departure)
        assert store.loads.compare(load).expected == 1
