from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.observation_state import StateRow
from rfid_gateway.store.unbound import UnboundObservation
from rfid_gateway.store.unit_states import UnitState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "gateway.db") as opened:
        yield opened


def observed(epc: str, at: int, *more_keys: str) -> UnboundObservation:
    return UnboundObservation(epc, (f"epc:{epc}", *more_keys), f'{{"at": {at}}}', at)


def test_saved_states_are_loaded_replaced_and_removed(store: Store) -> None:
    door, zone = StateRow("door", "dock-1", "AA", "open"), StateRow("zone", "hall", "AA", "{}")
    store.observation_state.save([zone, door, StateRow("zone", "hall", "BB", "{}")])
    store.observation_state.save([zone._replace(state="new"), StateRow("zone", "hall", "BB", None)])
    assert store.observation_state.load() == [door, zone._replace(state="new")]


def test_a_unit_that_was_never_seen_has_no_state(store: Store) -> None:
    assert store.unit_states.unit_state("epc:AA") is None


def test_a_unit_has_its_latest_state_even_if_an_older_one_is_told_later(store: Store) -> None:
    out = UnitState("epc:AA", "S-1", "departing", "out", "urn:x", 200)
    store.unit_states.set_unit_states([out._replace(event_time=100, direction="in"), out])
    store.unit_states.set_unit_states([out._replace(event_time=150, direction="in")])
    assert store.unit_states.unit_state("epc:AA") == out


def test_units_not_seen_for_long_are_forgotten_a_few_at_a_time(store: Store) -> None:
    states = [UnitState(f"epc:{at}", "S-1", None, None, "urn:x", at) for at in (1, 2, 3, 9)]
    store.unit_states.set_unit_states(states)
    assert [store.unit_states.prune(before=5, limit=2) for _ in range(3)] == [2, 1, 0]
    assert store.unit_states.unit_state("epc:9") == states[-1]


def test_unbound_observations_are_taken_once_by_any_of_their_keys_in_order_of_time(store: Store) -> None:
    late, early, other = observed("AA", 300, "tid:E1"), observed("AA", 100, "tid:E1"), observed("BB", 200)
    assert store.unbound.add([late, early, other], capacity=10) == 0
    assert store.unbound.take(["epc:AA", "tid:E1", "tid:E2"]) == [early, late]
    assert store.unbound.take(["epc:AA"]) == []
    assert store.unbound.count() == 1


def test_unbound_observations_beyond_the_capacity_are_dropped_oldest_first_and_counted(store: Store) -> None:
    store.unbound.add([observed("AA", 300), observed("BB", 100)], capacity=2)
    assert store.unbound.add([observed("CC", 200)], capacity=2) == 1
    assert store.unbound.take(["epc:AA", "epc:BB", "epc:CC"]) == [observed("CC", 200), observed("AA", 300)]
    assert (store.unbound.count(), store.unbound.dropped()) == (0, 1)


def test_unbound_observations_that_are_too_old_are_dropped_and_counted(store: Store) -> None:
    store.unbound.add([observed("AA", 100), observed("BB", 200)], capacity=10)
    assert store.unbound.expire(before=200) == 1
    assert (store.unbound.count(), store.unbound.dropped()) == (1, 1)
    assert store.unbound.take(["epc:AA"]) == []


def test_unbound_observations_are_taken_when_another_process_has_written_their_entry(
    store: Store, tmp_path: Path
) -> None:
    store.unbound.add([observed("AA", 300), observed("BB", 200), observed("AA", 100)], capacity=10)
    assert store.unbound.take_bound(10) == []
    with open_store(tmp_path / "gateway.db") as other:
        other.directory.upsert([Shipment("S-1", (Unit("epc:AA"),))])
    assert store.unbound.take_bound(1) == [observed("AA", 100)]
    assert store.unbound.take_bound(10) == [observed("AA", 300)]
    assert store.unbound.count() == 1


def test_an_undone_transaction_gives_the_unbound_observations_back(store: Store) -> None:
    store.unbound.add([observed("AA", 100)], capacity=10)

    def take_and_fail() -> None:
        with store.transaction():
            store.unbound.take(["epc:AA"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        take_and_fail()
    assert store.unbound.take(["epc:AA"]) == [observed("AA", 100)]
