"""What was observed does not depend on restarts, nor on how reads were cut into reports."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_gateway.observe.observations import Observation, Passage, PresenceChange
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import ZoneRules
from rfid_gateway.reads import TagRead, TagReport
from rfid_simulators.world.scenarios import SCENES
from tests.observing import observe, observe_reports, reports, rules_for

REBOOTED = 3_000_000_000
"""µs by which the monotonic clock is another one after the restart."""


def outcome(observed: Iterable[Observation]) -> list[tuple[object, ...]]:
    """What happened, without evidence and without the order of timers."""
    rows: list[tuple[object, ...]] = []
    for each in observed:
        if isinstance(each, Passage):
            rows.append((each.epc, each.door, each.direction))
        else:
            rows.append((each.epc, each.zone, each.change, each.at, each.previous_zone))
    return sorted(rows, key=str)


def interrupted(scene: str, seed: int, share: float) -> list[Observation]:
    """Run a scene with a restart after `share` of its reports."""
    world = SCENES[scene](seed)
    arriving = list(reports(world))
    cut = int(share * (len(arriving) - 1)) + 1
    first, second = (Observer(*rules_for(world), save_presence_every=0) for _ in range(2))
    table: dict[tuple[str, str, str], str] = {}
    observed: list[Observation] = []
    for report in arriving[:cut]:
        observed += first.report(report)
        for kind, name, epc, state in first.changed():
            if state is None:
                del table[kind, name, epc]
            else:
                table[kind, name, epc] = state
    last = arriving[cut - 1]
    rows = [(*key, state) for key, state in table.items()]
    second.restore(rows, last.received_monotonic + REBOOTED, last.received_at)
    rest = [replace(each, received_monotonic=each.received_monotonic + REBOOTED) for each in arriving[cut:]]
    if not rest:
        return observed + second.expire(last.received_monotonic + REBOOTED + 60_000_000)
    return observed + observe_reports(second, rest)


@pytest.mark.parametrize("scene", ["clean-pass", "u-turn", "opposite-doors", "storage-arrival", "picked-up"])
@given(seed=st.integers(0, 30), share=st.floats(0, 1))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_restart_at_any_point_changes_nothing(scene: str, seed: int, share: float) -> None:
    assert outcome(interrupted(scene, seed, share)) == outcome(observe(SCENES[scene](seed)))


@pytest.mark.parametrize("scene", ["clean-pass", "u-turn", "two-doors", "pallet", "storage-arrival"])
@given(seed=st.integers(0, 30), slice_us=st.integers(5_000, 200_000))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_how_reads_are_cut_into_reports_changes_no_decision(scene: str, seed: int, slice_us: int) -> None:
    world = SCENES[scene](seed)
    assert outcome(observe(world, slice_us)) == outcome(observe(world))


@given(cuts=st.lists(st.integers(1, 7), min_size=1), seed=st.integers(0, 30))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_report_split_into_several_gives_exactly_the_same(cuts: list[int], seed: int) -> None:
    world = SCENES["pallet"](seed)
    pieces = []
    for number, report in enumerate(reports(world)):
        size = cuts[number % len(cuts)]
        reads = report.tag_reads
        pieces += [replace(report, tag_reads=reads[at : at + size]) for at in range(0, len(reads), size)]
    assert observe_reports(Observer(*rules_for(world)), pieces) == observe(world)


def test_present_tags_neither_arrive_again_nor_depart_because_of_the_down_time() -> None:
    rules = [ZoneRules("a", frozenset({("r", 0)}))]
    read = TagRead("AB" * 12, 1, 1_000, 1_000, -50.0, 2)
    first = Observer(rules, [])
    assert len(first.report(TagReport("r", 1_000, 1_000, (read,)))) == 1
    second = Observer(rules, [])
    hour = 3_600_000_000
    second.restore(first.changed(), hour, hour)
    assert second.expire(hour + 29_000_000) == []
    later = replace(TagReport("r", 0, 0, ()), received_monotonic=hour + 29_000_000, tag_reads=(read,))
    assert second.report(later) == []
    (departed,) = second.expire(hour + 90_000_000)
    assert isinstance(departed, PresenceChange)


def test_rows_of_zones_that_are_gone_from_the_configuration_are_deleted() -> None:
    first = Observer([ZoneRules("a", frozenset({("r", 0)}))], [])
    first.report(TagReport("r", 0, 0, (TagRead("AB" * 12, 1, 0, 0, -50.0, 2),)))
    second = Observer([], [])
    second.restore(first.changed(), 0, 0)
    assert [tuple(row) for row in second.changed()] == [("presence", "a", "AB" * 12, None)]


def test_a_row_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'weather'"):
        Observer([], []).restore([("weather", "a", "AB", "{}")], 0, 0)
