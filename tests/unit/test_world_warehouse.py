"""The demo's warehouse: endless, lazy, and with a valid SSCC on everything."""

from itertools import islice

import pytest

from rfid_simulators.world.warehouse import demo_warehouse, shipments
from rfid_simulators.world.world import TruePassage, TruePresence

SECOND = 1_000_000


def test_something_happens_within_seconds_at_every_reader() -> None:
    world = demo_warehouse(1)
    heard = {reader.reader_id: world.radio(reader.reader_id)(0, 10 * SECOND) for reader in world.readers}
    assert {reader_id for reader_id, sightings in heard.items() if sightings} == {"dock-1", "storage-1", "packing-1"}


def test_a_unit_leaves_every_few_seconds_and_some_come_in() -> None:
    truth = demo_warehouse(1).truth(0, 300 * SECOND)
    directions = [event.direction for event in truth if isinstance(event, TruePassage)]
    assert directions.count("out") > 60
    assert directions.count("in") > 15


def test_units_are_packed_then_stored_then_leave() -> None:
    truth = demo_warehouse(1).truth(0, 300 * SECOND)
    stations: dict[str, list[tuple[int, str]]] = {}
    for event in truth:
        at = event.arrived if isinstance(event, TruePresence) else event.at
        name = event.zone if isinstance(event, TruePresence) else event.direction
        stations.setdefault(event.epc, []).append((at, name))
    ways = {tuple(name for _, name in sorted(way)) for way in stations.values()}
    assert ("packing-1", "storage-1", "out") in ways
    assert ("in", "storage-1") in ways


def test_what_is_heard_is_what_the_list_of_shipments_names() -> None:
    listed = {unit.epc for unit in islice(shipments(), 200)}
    heard = {sighting.epc for sighting in demo_warehouse(7).radio("dock-1")(0, 120 * SECOND)}
    assert heard
    assert heard <= listed


def test_shipments_have_ids_and_distinct_units() -> None:
    units = list(islice(shipments(), 1_000))
    assert len({unit.epc for unit in units}) == len({unit.sscc for unit in units}) == 1_000
    assert len({unit.shipment_id for unit in units}) == 500


def test_a_year_from_now_costs_what_now_costs() -> None:
    world = demo_warehouse(1)
    year = 365 * 86_400 * SECOND
    assert len(world.population.between(year, year + SECOND)) < 60
    assert world.radio("storage-1")(year, year + 5 * SECOND)


def test_the_truth_about_a_world_without_end_needs_an_end() -> None:
    with pytest.raises(ValueError, match="without end"):
        demo_warehouse(1).truth()
