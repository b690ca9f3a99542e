"""Loads on a real database, from passages made by hand; time is a number."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from rfid_gateway.clock import Clock as AnyClock
from rfid_gateway.config import parse
from rfid_gateway.driver import DriverOptions, Emit
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.loading import LATE_NEWS_US, REVIEWED_AT_ONCE, Loading
from rfid_gateway.resolve import Bound
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.loads import COMMAND, COMPLETE, TIMEOUT, Comparison, Incomplete, Kind, LoadState, Misplaced
from rfid_gateway.store.connection import Store, open_store

CONFIG = """\
[gateway]
site = "hamburg"
id = "gate-1"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "dock"
driver = "silent"
[[doors]]
id = "dock-1"
inside = ["dock:1"]
outside = ["dock:2"]
read_point = "urn:x:dock-1"
[[doors]]
id = "dock-2"
inside = ["dock:3"]
outside = ["dock:4"]
read_point = "urn:x:dock-2"
[loads]
close_after_departure_s = 600
close_complete_after_s = 60
"""
SECOND = 1_000_000
START = 1_795_000_000 * SECOND


class SilentReader:
    """A driver that is configured and never runs."""

    Options: ClassVar[type[DriverOptions]] = DriverOptions

    def __init__(self, reader_id: str, options: DriverOptions, clock: AnyClock) -> None:
        pass

    def run(self, emit: Emit) -> None:
        raise AssertionError(f"nobody runs this reader, nor calls {emit}")

    def close(self) -> None:
        pass


@dataclass
class Yard:
    """Two doors, and the loads that stand there. Times are seconds after `START`."""

    store: Store
    now: int = 0
    incomplete: list[Incomplete] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loading = Loading(parse(CONFIG, "test", {"silent": SilentReader}), self.store)

    def announce(self, load: str | None, *units: str, door: str | None = "dock-1", departs: int | None = 1000) -> None:
        """One shipment for each unit: unit `a` is in shipment `S-a`."""
        departure = None if departs is None else datetime.fromtimestamp(START / 1e6 + departs, UTC).isoformat()
        self.store.directory.upsert(
            Shipment(f"S-{unit}", (Unit(f"epc:{unit}"),), planned_door=door, planned_departure=departure, load=load)
            for unit in units
        )

    def passage(self, unit: str, direction: str, door: str, at: int) -> Bound:
        found = self.store.directory.find([f"epc:{unit}"])
        assert found is not None
        event = LocationEvent(
            event_time=START + at * SECOND, time_zone_offset="+00:00", epc=unit, epc_uri=f"urn:epc:raw:{unit}",
            shipment_id=found[0].shipment_id, logistic_unit=None, orders=(), biz_step=None, disposition=None,
            read_point=f"urn:x:{door}", biz_location=None, direction=direction, confidence=1.0, verdict="ok", door=door,
        )  # fmt: skip
        return Bound(found[1], event, load_id=found[0].load_id)

    def pass_door(
        self, unit: str, direction: str = "out", door: str = "dock-1", at: int | None = None
    ) -> list[Misplaced]:
        self.now += 1
        with self.store.transaction():
            return self.loading.note([self.passage(unit, direction, door, self.now if at is None else at)])

    def review(self, at: int | None = None) -> list[Incomplete]:
        self.now = self.now if at is None else at
        return self.loading.review(START + self.now * SECOND)

    def compared(self, load: str = "L") -> Comparison:
        found = self.store.loads.find(load)
        assert found is not None
        return self.store.loads.compare(found)

    def state(self, load: str = "L") -> tuple[LoadState, str | None]:
        self.review()
        found = self.store.loads.find(load)
        assert found is not None
        return found.state, found.closed_by

    def told(self) -> list[str]:
        """Loads of which there is something new to publish; it is published then."""
        rows = [row for row in self.store.retained.unsaid(("", ""), 100) if row.kind == "load"]
        self.store.retained.said(rows, [])
        return [row.name for row in rows]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with open_store(tmp_path / "gateway.db") as store:
        yield Yard(store)


def units(members: tuple[object, ...]) -> list[str]:
    return [str(member[0]) for member in members]  # type: ignore[index]


def test_a_load_of_no_door_of_ours_is_told_once_a_person_has_closed_it_here(yard: Yard) -> None:
    yard.announce("L", "a", door="door-of-another-gateway")
    yard.announce("M", "b", door=None)
    yard.review()
    assert yard.told() == []
    for load in "LM":
        assert yard.store.loads.close(load, START, COMMAND)
    assert [each.load.load_id for each in yard.review()] == ["L", "M"]
    assert yard.told() == ["L", "M"]


def test_a_load_is_told_as_soon_as_it_is_announced_and_after_each_change(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.review()
    assert yard.told() == ["L"]
    yard.review()
    assert yard.told() == []
    yard.pass_door("a")
    yard.review()
    assert yard.told() == ["L"]
    assert (yard.compared().seen, units(yard.compared().outstanding)) == (1, ["epc:b"])


def test_a_load_without_a_name_is_one_door_at_one_departure(yard: Yard) -> None:
    yard.announce(None, "a", "b")
    yard.announce(None, "c", departs=2000)
    yard.pass_door("a")
    yard.review()
    assert len(yard.told()) == 2
    found = yard.store.loads.by_departure(9)
    assert [(each.door, each.departure) for each in found] == [
        ("dock-1", START + 1000 * SECOND),
        ("dock-1", START + 2000 * SECOND),
    ]
    assert [yard.store.loads.compare(each).seen for each in found] == [1, 0]


def test_a_complete_load_closes_when_it_has_been_so_for_a_while_and_nothing_is_missing(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.pass_door("a")
    yard.pass_door("b")
    assert yard.state() == (LoadState.COMPLETE, None)
    assert yard.review(at=61) == []
    assert yard.state() == (LoadState.COMPLETE, None)
    assert yard.review(at=63) == []
    assert yard.state() == (LoadState.CLOSED, COMPLETE)


def test_a_load_is_closed_some_time_after_its_departure_and_then_the_rest_is_missing(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.pass_door("a")
    yard.review(at=1599)
    assert units(yard.compared().outstanding) == ["epc:b"]
    (incomplete,) = yard.review(at=1600)
    assert units(incomplete.comparison.missing) == ["epc:b"]
    assert yard.state() == (LoadState.CLOSED, TIMEOUT)
    yard.store.loads.touch(["L"])
    assert yard.review(at=1700) == [], "said once"


def test_a_person_closes_a_load_and_what_goes_out_later_is_not_on_it(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.pass_door("a")
    assert yard.store.loads.close("L", START + 10 * SECOND, COMMAND)
    assert not yard.store.loads.close("L", START + 11 * SECOND, COMMAND)
    assert not yard.store.loads.close("M", START, COMMAND)
    assert [units(each.comparison.missing) for each in yard.review(at=10)] == [["epc:b"]]
    yard.pass_door("b", at=20)
    assert (yard.compared().seen, units(yard.compared().missing)) == (1, ["epc:b"])
    yard.pass_door("b", at=5)
    assert (yard.compared().seen, yard.compared().missing) == (2, ()), "it was bound late"


def test_a_unit_of_another_load_is_misrouted_there_and_at_the_wrong_door_here(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.announce("M", "x", door="dock-2")
    (misplaced,) = yard.pass_door("x", door="dock-1")
    assert (misplaced.kind, misplaced.load_id, misplaced.own_load, misplaced.shipment_id) == (
        Kind.MISROUTED,
        "L",
        "M",
        "S-x",
    )
    assert units(yard.compared("L").misrouted) == units(yard.compared("M").wrong_door) == ["epc:x"]
    yard.pass_door("x", "in", "dock-1")
    assert yard.compared("L").misrouted == yard.compared("M").wrong_door == ()
    assert yard.pass_door("x", door="dock-2") == []
    assert yard.compared("M").complete


def test_a_unit_that_is_not_seen_coming_back_is_where_it_went_last(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.announce("M", "x", door="dock-2")
    yard.pass_door("x", door="dock-1")
    yard.pass_door("x", door="dock-2")
    assert yard.compared("L").misrouted == ()
    assert yard.compared("M").complete


def test_a_unit_of_no_load_is_over_until_the_directory_says_that_it_belongs_there(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.announce(None, "y", departs=None)
    (misplaced,) = yard.pass_door("y")
    assert (misplaced.kind, misplaced.own_load) == (Kind.OVER, None)
    assert units(yard.compared().over) == ["epc:y"]
    yard.announce("L", "y")
    assert (yard.compared().over, yard.compared().seen) == ((), 1)


def test_a_unit_of_no_load_where_no_truck_stands_concerns_nobody(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.announce(None, "y", departs=None)
    yard.review()
    yard.told()
    assert yard.pass_door("y", door="dock-2") == []
    yard.review()
    assert yard.told() == []


def test_an_undecided_unit_is_neither_seen_nor_missing_until_it_is_decided(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.pass_door("a", "undecided")
    yard.pass_door("b", "undecided", "dock-2")
    assert (units(yard.compared().undecided), units(yard.compared().outstanding)) == (["epc:a"], ["epc:b"])
    yard.pass_door("a")
    yard.pass_door("a", "undecided")
    assert (yard.compared().undecided, yard.compared().seen) == ((), 1)


def test_what_comes_in_again_is_outstanding_again_while_the_load_is_open(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.pass_door("a")
    yard.pass_door("a", "in")
    assert (yard.compared().seen, units(yard.compared().outstanding)) == (0, ["epc:a", "epc:b"])
    yard.pass_door("a")
    yard.pass_door("b")
    yard.review(at=10)
    yard.review(at=70)
    assert yard.state() == (LoadState.CLOSED, COMPLETE)
    yard.pass_door("a", "in", at=80)
    assert yard.state() == (LoadState.OPEN, None), "the truck has not departed"


def test_a_return_changes_nothing_of_a_load_that_has_left(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    yard.pass_door("a")
    yard.pass_door("b")
    yard.review(at=10)
    yard.review(at=70)
    yard.pass_door("a", "in", at=2000)
    assert yard.state() == (LoadState.CLOSED, COMPLETE)
    assert yard.compared().seen == 2


def test_a_way_out_that_is_bound_after_the_way_in_does_not_put_the_unit_back_on_the_truck(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.pass_door("a", "in", at=20)
    yard.pass_door("a", at=10)
    assert units(yard.compared().outstanding) == ["epc:a"]


def test_a_whole_way_that_is_bound_late_in_one_drain_is_taken_in_order(yard: Yard) -> None:
    yard.announce("L", "a", "b")
    way = [("a", "out", 10), ("b", "out", 11), ("a", "in", 12)]
    yard.loading.note([yard.passage(unit, direction, "dock-1", at) for unit, direction, at in way])
    assert (yard.compared().seen, units(yard.compared().outstanding)) == (1, ["epc:a"])


def test_more_that_is_announced_opens_a_load_that_was_complete(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.pass_door("a")
    yard.review(at=10)
    yard.review(at=70)
    assert yard.state() == (LoadState.CLOSED, COMPLETE)
    yard.announce("L", "b")
    assert yard.state() == (LoadState.OPEN, None)
    assert units(yard.compared().outstanding) == ["epc:b"]


def test_a_departure_that_is_put_off_opens_a_load_whose_time_was_over(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.review(at=1600)
    assert yard.state() == (LoadState.CLOSED, TIMEOUT)
    yard.announce("L", "a", departs=3000)
    assert yard.state() == (LoadState.OPEN, None)


def test_what_is_on_the_truck_stays_on_it_when_a_load_without_a_name_departs_later(yard: Yard) -> None:
    yard.announce(None, "a", "b")
    yard.pass_door("a")
    yard.announce(None, "a", "b", departs=2000)
    yard.review()
    (load,) = yard.store.loads.by_departure(9)
    assert load.departure == START + 2000 * SECOND
    assert yard.store.loads.compare(load).seen == 1


def test_a_load_whose_shipments_are_deleted_is_forgotten_and_its_topic_is_to_be_cleared(yard: Yard) -> None:
    yard.announce("L", "a")
    yard.pass_door("a")
    yard.review()
    assert yard.told() == ["L"]
    yard.store.directory.delete("S-a")
    yard.review()
    assert yard.store.loads.find("L") is None
    assert yard.told() == ["L"]


def test_a_load_of_another_gateways_door_is_not_spoken_of_until_something_of_it_is_here(yard: Yard) -> None:
    yard.announce("L", "a", door="dock-9", departs=None)
    yard.announce("M", "b", door="dock-9")
    yard.announce("N", "c", door=None, departs=None)
    assert yard.review(at=1600) == []
    assert yard.told() == []
    yard.pass_door("c")
    yard.review()
    assert yard.told() == ["N"]


def test_a_load_of_long_ago_is_closed_without_a_word(yard: Yard) -> None:
    yard.announce("L", "a")
    assert yard.review(at=1600 + LATE_NEWS_US // SECOND) == []
    assert yard.state() == (LoadState.CLOSED, TIMEOUT)


def test_a_directory_that_arrives_all_at_once_is_reviewed_in_parts(yard: Yard) -> None:
    for number in range(REVIEWED_AT_ONCE + 1):
        yard.announce(f"L-{number}", f"u{number}")
    yard.review()
    assert len(yard.told()) == REVIEWED_AT_ONCE
    yard.review()
    assert len(yard.told()) == 1
