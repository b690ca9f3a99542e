"""Commands about units with several keys, and about loads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Unit
from tests.command_site import KEY, Site, arrive
from tests.unit.test_pipeline import EPC, SECOND

TID, HEX = "tid:E2801160", "epc:E2001122AABB"
SEVERAL = {
    "two": (Unit(KEY), Unit(TID, counts_as=KEY)),
    "three": (Unit(KEY), Unit(TID, counts_as=KEY), Unit(HEX, counts_as=KEY)),
}
"""Units as `units` of an entry become rows: the first key stands for the thing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.store.close()


@pytest.mark.parametrize("units", SEVERAL.values(), ids=SEVERAL)
def test_a_unit_is_found_by_each_of_its_keys_with_the_place_where_it_was_last(
    site: Site, units: tuple[Unit, ...]
) -> None:
    site.announce("S-1", *units, Unit("epc:AA"))
    arrive(site, EPC)
    keys = [KEY, *sorted(unit.key for unit in units[1:])]
    for unit in units:
        result = site.send("find_tag", {"unit": unit.key})["result"]
        assert (result["key"], result["keys"], result["shipment_id"]) == (unit.key, keys, "S-1")
        assert (result["last_biz_step"], result["last_read_point"][-7:]) == ("storing", "store-1")


@pytest.mark.parametrize("named", [0, 1, 2])
@pytest.mark.parametrize("units", SEVERAL.values(), ids=SEVERAL)
def test_a_unit_moves_with_all_its_keys_by_whichever_it_is_bound(
    site: Site, units: tuple[Unit, ...], named: int
) -> None:
    key = units[min(named, len(units) - 1)].key
    site.announce("S-1", *units, Unit("epc:AA"))
    site.announce("S-2", Unit("epc:BB"))
    moved = site.wms("bind_tag", shipment_id="S-2", unit=key, parent="340123450000000024")["result"]
    assert (moved["key"], set(moved["keys"])) == (key, {unit.key for unit in units})
    assert (moved["shipment_id"], moved["previous_shipment_id"]) == ("S-2", "S-1")
    there, left = site.store.directory.show("S-2"), site.store.directory.show("S-1")
    assert there is not None
    assert left is not None
    parent = "(00)340123450000000024"
    assert set(there.units) == {Unit("epc:BB"), *(Unit(each.key, parent, each.counts_as) for each in units)}
    assert left.units == (Unit("epc:AA"),)
    # One thing still, for the shipment's status and its load.
    assert len(site.store.unit_states.of_shipment("S-2")) == 2


@pytest.mark.parametrize("named", [0, 1, 2])
@pytest.mark.parametrize("units", SEVERAL.values(), ids=SEVERAL)
def test_a_unit_is_unbound_with_all_its_keys(site: Site, units: tuple[Unit, ...], named: int) -> None:
    key = units[min(named, len(units) - 1)].key
    site.announce("S-1", *units, Unit("epc:AA"))
    gone = site.wms("unbind_tag", unit=key)["result"]
    assert (gone["key"], set(gone["keys"])) == (key, {unit.key for unit in units})
    left = site.store.directory.show("S-1")
    assert left is not None
    assert left.units == (Unit("epc:AA"),)
    for unit in units:
        result = site.send("find_tag", {"unit": unit.key})["result"]
        assert (result["shipment_id"], result["keys"]) == (None, [])


def test_keys_that_another_shipment_took_over_stay_there(site: Site) -> None:
    site.announce("S-1", *SEVERAL["three"])
    site.announce("S-2", Unit(KEY))
    assert site.wms("unbind_tag", "1", unit=TID)["result"]["keys"] == [HEX, TID]
    assert site.send("find_tag", {"unit": KEY})["result"]["shipment_id"] == "S-2"


def test_a_load_is_closed_and_what_was_not_seen_of_it_is_missing(site: Site) -> None:
    site.announce("S-1", *SEVERAL["two"], Unit("epc:AA"), load="T-1")
    site.pipeline.review_loads()
    reply = site.wms("close_load", load="T-1")
    counts = {"expected": 2, "seen": 0, "missing": 2, "undecided": 0, "wrong_door": 0}
    assert (reply["outcome"], reply["result"]) == ("done", {"load": "T-1", **counts})
    assert reply["detail"] == "load T-1 is closed: 0 of 2 units seen, 2 missing"
    closed = site.store.loads.find("T-1")
    assert closed is not None
    assert (closed.closed_at, closed.closed_by) == (site.clock.now, "command")
    site.clock.now += 2 * SECOND
    (lacking,) = site.pipeline.review_loads()
    assert (lacking.load.load_id, len(lacking.comparison.missing)) == ("T-1", 2)
    assert site.wms("close_load", load="T-1") == reply | {"repeated": True}
    again = site.wms("close_load", "2", load="T-1")
    assert again["faults"][0]["key"] == "load"
    assert again["detail"].endswith("load: 'T-1' is closed already, since 2026-11-18T11:06:40.000+00:00 (command)")


def test_a_load_that_does_not_exist_is_refused_with_the_one_that_was_probably_meant(site: Site) -> None:
    assert site.wms("close_load", "1", load="T-1")["detail"].endswith("there is no load 'T-1'; no load is open")
    site.announce("S-1", load="Tour 4/7")
    problem = site.wms("close_load", "1", load="Tour 47")["faults"][0]["problem"]
    assert problem == "there is no load 'Tour 47'; did you mean 'Tour 4/7'?"
    site.announce("S-2", load="NORD-1A")
    problem = site.wms("close_load", "1", load="NORD1A")["faults"][0]["problem"]
    assert problem == "there is no load 'NORD1A'; did you mean 'NORD-1A'?"
