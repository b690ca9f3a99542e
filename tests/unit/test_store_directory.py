from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store

PALLET = "(00)340123450000000017"
PARCEL = "(00)340123450000000024"
PLAIN = Shipment("S-1", (Unit(PALLET), Unit(PARCEL, parent=PALLET)))
FULL = Shipment(
    "S-2",
    (Unit("epc:3034257BF7194E4000001A85"),),
    orders=("O-1", "Auftrag Ü2"),
    customer_reference="K-77",
    despatch_advice="DA-9",
    carrier="DHL",
    destination="Köln",
    planned_door="dock-1",
    planned_departure="2026-11-23T18:30:00+01:00",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened


def found(store: Store, *keys: str) -> str | None:
    result = store.directory.find(keys)
    return result[0].shipment_id if result else None


def upsert_and_fail(store: Store, *shipments: Shipment) -> None:
    with store.transaction():
        store.directory.upsert(shipments)
        for shipment in shipments:
            found(store, *(unit.key for unit in shipment.units))
        raise RuntimeError


def test_an_entry_comes_back_as_it_was_written(store: Store) -> None:
    assert store.directory.upsert([PLAIN, FULL]) == 2
    assert store.directory.show("S-1") == PLAIN
    assert store.directory.show("S-2") == FULL
    assert store.directory.show("S-3") is None


def test_a_unit_is_found_by_the_first_of_its_keys_that_is_known(store: Store) -> None:
    store.directory.upsert([PLAIN, FULL])
    result = store.directory.find(("tid:E280", PARCEL, "epc:3034257BF7194E4000001A85"))
    assert result == (Shipment("S-1"), Unit(PARCEL, parent=PALLET))
    assert found(store, "tid:E280") is None


def test_an_entry_written_again_replaces_its_units(store: Store) -> None:
    store.directory.upsert([PLAIN])
    assert found(store, PARCEL) == "S-1"
    store.directory.upsert([Shipment("S-1", (Unit(PALLET),), carrier="UPS")])
    assert found(store, PARCEL) is None
    assert store.directory.find([PALLET]) == (Shipment("S-1", carrier="UPS"), Unit(PALLET))


def test_a_unit_announced_for_another_shipment_moves_there(store: Store) -> None:
    store.directory.upsert([PLAIN])
    store.directory.upsert([Shipment("S-9", (Unit(PARCEL),))])
    assert found(store, PARCEL) == "S-9"
    assert store.directory.show("S-1") == Shipment("S-1", (Unit(PALLET),))


def test_a_deleted_entry_is_no_longer_found(store: Store) -> None:
    store.directory.upsert([PLAIN])
    assert found(store, PALLET) == "S-1"
    assert store.directory.delete("S-1")
    assert found(store, PALLET) is None
    assert not store.directory.delete("S-1")


def test_a_unit_can_be_bound_and_unbound_by_hand(store: Store) -> None:
    store.directory.upsert([PLAIN])
    assert store.directory.bind("S-1", Unit("tid:E280"))
    assert found(store, "tid:E280") == "S-1"
    assert store.directory.unbind("tid:E280")
    assert found(store, "tid:E280") is None
    assert not store.directory.unbind("tid:E280")
    assert not store.directory.bind("S-8", Unit("tid:E280"))


def test_a_unit_with_several_keys_is_bound_and_unbound_as_a_whole(store: Store) -> None:
    several = (Unit(PALLET), Unit("epc:AA", PARCEL, PALLET), Unit("tid:E280", PARCEL, PALLET))
    store.directory.upsert([Shipment("S-1", several), FULL])
    assert store.directory.keys_of("tid:E280") == (PALLET, "epc:AA", "tid:E280")
    assert store.directory.bind("S-2", Unit("tid:E280"))
    assert {found(store, unit.key) for unit in several} == {"S-2"}
    moved = store.directory.find(["epc:AA"])
    assert moved is not None
    assert moved[1] == Unit("epc:AA", None, PALLET), "what carried it elsewhere does so no longer"
    assert store.directory.unbind("epc:AA")
    assert {found(store, unit.key) for unit in several} == {None}
    assert store.directory.keys_of(PALLET) == ()
    assert store.directory.show("S-2") == FULL


def test_what_another_connection_writes_is_found_at_once(store: Store, path: Path) -> None:
    assert found(store, PALLET) is None
    with open_store(path) as other:
        other.directory.upsert([PLAIN])
        assert found(store, PALLET) == "S-1"
        other.directory.delete("S-1")
    assert found(store, PALLET) is None


def test_a_look_up_made_inside_an_undone_transaction_is_forgotten(store: Store) -> None:
    with pytest.raises(RuntimeError):
        upsert_and_fail(store, PLAIN)
    assert found(store, PALLET, PARCEL) is None


def test_commits_of_events_by_another_connection_do_not_empty_the_cache(store: Store, path: Path) -> None:
    store.directory.upsert([PLAIN])
    found(store, PALLET)
    with open_store(path) as publisher:
        for at in range(3):
            publisher.outbox.published([], at)
            publisher.unbound.expire(at)
            found(store, PALLET)
    assert store.directory._look_up.cache_info().hits >= 2


def test_entries_are_listed_page_by_page(store: Store) -> None:
    store.directory.upsert(Shipment(f"S-{number:03}") for number in range(5))
    first = store.directory.list(2)
    second = store.directory.list(10, after_shipment_id=first[-1].shipment_id)
    assert [each.shipment_id for each in first + second] == ["S-000", "S-001", "S-002", "S-003", "S-004"]


def test_entries_are_listed_for_one_door(store: Store) -> None:
    store.directory.upsert([PLAIN, FULL])
    assert store.directory.list(10, planned_door="dock-1") == (FULL,)
    assert store.directory.list(10, "S-2", planned_door="dock-1") == ()


def test_entries_and_units_are_counted(store: Store) -> None:
    store.directory.upsert([PLAIN, FULL])
    assert (store.directory.shipment_count(), store.directory.unit_count()) == (2, 3)


def test_the_version_grows_with_every_change(store: Store, path: Path) -> None:
    before = store.directory.version()
    with open_store(path) as other:
        other.directory.upsert([PLAIN])
    assert store.directory.version() > before


def test_entries_that_cannot_all_be_read_are_not_written_at_all(store: Store) -> None:
    def broken() -> Iterator[Shipment]:
        yield PLAIN
        raise ValueError("line 2")

    with pytest.raises(ValueError, match="line 2"):
        store.directory.upsert(broken())
    assert store.directory.shipment_count() == 0
