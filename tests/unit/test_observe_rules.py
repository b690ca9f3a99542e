"""Rules of zones and doors refuse what cannot work, in words."""

import pytest

from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules, ZoneRules

IN, OUT = frozenset({("dock", 1)}), frozenset({("dock", 2)})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"antennas": frozenset()}, "at least one antenna"),
        ({"antennas": frozenset({("dock", -1)})}, "count from 1"),
        ({"antennas": frozenset({("", 1)})}, "reader without an id"),
        ({"zone": ""}, "a zone needs a name"),
        ({"min_reads": 0}, "min_reads must be at least 1"),
        ({"window": 0}, "window must be positive"),
        ({"depart_after": 0}, "depart_after must be positive"),
        ({"hysteresis_db": -1.0}, "hysteresis_db must not be negative"),
    ],
)
def test_a_zone_that_cannot_work_is_refused_in_words(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ZoneRules(**({"zone": "storage", "antennas": IN} | settings))  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inside": frozenset()}, "inside needs at least one antenna"),
        ({"outside": IN}, "antenna 1 of reader 'dock' is on both sides"),
        ({"outside": frozenset({("dock", 0)})}, "on both sides"),
        ({"quiet": 0}, "quiet must be positive"),
        ({"cap": 1}, "cap .* must be longer than quiet"),
        ({"min_confidence": 0.3}, "min_confidence must be from 0.5"),
        ({"min_confidence": 1.0}, "below 1"),
        ({"min_reads": 0}, "min_reads"),
        ({"movement_db": 0.0}, "movement_db"),
        ({"door": ""}, "a door needs a name"),
    ],
)
def test_a_door_that_cannot_work_is_refused_in_words(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DoorRules(**({"door": "d", "inside": IN, "outside": OUT} | settings))  # type: ignore[arg-type]  # on purpose


def test_two_zones_with_one_antenna_are_refused_and_both_named() -> None:
    with pytest.raises(ValueError, match="antenna 1 of reader 'dock' is at zone 'a' and 'b'"):
        Observer([ZoneRules("a", IN), ZoneRules("b", IN)], [])


def test_a_whole_reader_in_one_zone_leaves_no_antenna_for_another() -> None:
    with pytest.raises(ValueError, match="zone 'a' and 'b'"):
        Observer([ZoneRules("a", frozenset({("dock", 0)})), ZoneRules("b", IN)], [])


def test_two_doors_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two doors are called 'd'"):
        Observer([], [DoorRules("d", IN, OUT), DoorRules("d", frozenset({("x", 1)}), frozenset({("x", 2)}))])


def test_a_door_and_a_zone_may_share_an_antenna() -> None:
    assert Observer([ZoneRules("dock", IN)], [DoorRules("d", IN, OUT)]).next_deadline() is None
