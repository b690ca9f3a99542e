from dataclasses import replace

import pytest

from rfid_gateway.shipments.directory import Shipment
from rfid_gateway.shipments.loads import (
    COMMAND,
    COMPLETE,
    TIMEOUT,
    Kind,
    Load,
    LoadState,
    Member,
    Sighting,
    at_the_door,
    compare,
    state_after,
    taken_by,
)

EARLY, LATE = Load("early", "dock-1", 1000), Load("late", "dock-1", 2000)
OTHER_DOOR = Load("other", "dock-2", 1000)


def shipment(**entry: str) -> Shipment:
    return Shipment("S-1", **entry)  # type: ignore[arg-type]


def test_a_load_is_what_the_directory_names_or_one_door_at_one_time() -> None:
    assert shipment(load="T-7", planned_door="dock-1").load_id == "T-7"
    berlin = shipment(planned_door="dock-1", planned_departure="2026-11-23T18:30:00+01:00")
    utc = shipment(planned_door="dock-1", planned_departure="2026-11-23T17:30:00Z")
    assert berlin.load_id == utc.load_id == "dock-1@2026-11-23T17:30:00Z"
    assert berlin.departure == 1_795_455_000_000_000
    assert shipment(planned_door="dock-1").load_id is None
    assert shipment(planned_departure="2026-11-23T17:30:00Z").load_id is None


def test_the_next_to_depart_stands_at_the_door_and_an_overdue_one_until_it_is_closed() -> None:
    loads = [LATE, EARLY, OTHER_DOOR]
    assert at_the_door(loads, "dock-1", 500) == EARLY
    assert at_the_door(loads, "dock-1", 1500) == LATE
    assert at_the_door(loads, "dock-1", 2500) == LATE
    assert at_the_door([EARLY, replace(LATE, closed_at=600, closed_by=TIMEOUT)], "dock-1", 1500) == EARLY
    assert at_the_door([replace(EARLY, closed_at=400, closed_by=COMMAND), LATE], "dock-1", 500) == LATE
    assert at_the_door(loads, "dock-3", 500) is None


def test_a_load_that_is_complete_stands_at_its_door_until_it_departs() -> None:
    complete = replace(EARLY, closed_at=400, closed_by=COMPLETE)
    assert at_the_door([complete, LATE], "dock-1", 1000) == complete
    assert at_the_door([complete, LATE], "dock-1", 1001) == LATE


@pytest.mark.parametrize(
    ("own", "there", "at", "load_id", "kind"),
    [
        (EARLY, EARLY, 500, "early", Kind.SEEN),
        (LATE, LATE, 500, "late", Kind.SEEN),
        (LATE, None, 500, "late", Kind.SEEN),
        (EARLY, LATE, 1500, "early", Kind.SEEN),  # a truck that is late itself
        (LATE, EARLY, 500, "early", Kind.MISROUTED),
        (OTHER_DOOR, EARLY, 500, "early", Kind.MISROUTED),
        (OTHER_DOOR, None, 500, None, Kind.ELSEWHERE),
        (None, EARLY, 500, "early", Kind.OVER),
        (None, None, 500, None, Kind.ELSEWHERE),
        (replace(EARLY, closed_at=400, closed_by=COMMAND), LATE, 500, "late", Kind.MISROUTED),
        (replace(EARLY, closed_at=600, closed_by=COMMAND), LATE, 500, "early", Kind.SEEN),  # bound late
        (Load("anywhere", None, None), EARLY, 500, "anywhere", Kind.SEEN),
    ],
)
def test_where_a_unit_went_that_left_through_dock_1(
    own: Load | None, there: Load | None, at: int, load_id: str | None, kind: Kind
) -> None:
    assert taken_by(own, there, "dock-1", at) == (load_id, kind)


EXPECTED = [Member(unit, f"S-{unit}") for unit in "abcde"]
HERE = [
    Sighting("a", "S-a", "L", "out"),
    Sighting("b", "S-b", "L", "undecided"),
    Sighting("c", "S-c", "L", "in"),
    Sighting("x", "S-x", "M", "out"),
    Sighting("y", "S-y", None, "out"),
    Sighting("z", "S-z", "M", "in"),
]


def test_before_a_load_is_closed_nothing_is_missing() -> None:
    found = compare("L", EXPECTED, HERE, {"d"}, closed=False)
    assert (found.shipments, found.expected, found.seen, found.missing) == (5, 5, 1, ())
    assert found.outstanding == (Member("c", "S-c"), Member("e", "S-e"))
    assert found.undecided == (Member("b", "S-b"),)
    assert found.wrong_door == (Member("d", "S-d"),)
    assert found.misrouted == (Member("x", "S-x"),)
    assert found.over == (Member("y", "S-y"),)
    assert not found.complete


def test_after_it_what_was_not_seen_is_missing_and_what_is_undecided_stays_so() -> None:
    found = compare("L", EXPECTED, HERE, (), closed=True)
    assert (found.outstanding, [each.unit for each in found.missing]) == ((), ["c", "d", "e"])
    assert [each.unit for each in found.undecided] == ["b"]


def test_a_unit_that_is_on_its_load_after_all_is_seen_and_not_elsewhere() -> None:
    found = compare("L", EXPECTED[:1], HERE[:1], {"a"}, closed=False)
    assert (found.seen, found.wrong_door, found.complete) == (1, (), True)


def test_a_load_without_units_is_not_complete() -> None:
    assert not compare("L", [], [], (), closed=False).complete


def test_only_what_was_closed_as_complete_opens_again_when_it_no_longer_is() -> None:
    complete, lacking = (compare("L", EXPECTED[:count], HERE[:1], (), closed=False) for count in (1, 2))
    assert state_after(EARLY, complete) == LoadState.COMPLETE
    assert state_after(EARLY, lacking) == LoadState.OPEN
    for closed_by, state in ((COMPLETE, LoadState.OPEN), (TIMEOUT, LoadState.CLOSED), (COMMAND, LoadState.CLOSED)):
        assert state_after(replace(EARLY, closed_at=1, closed_by=closed_by), lacking) == state
        assert state_after(replace(EARLY, closed_at=1, closed_by=closed_by), complete) == LoadState.CLOSED
