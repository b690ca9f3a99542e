"""Presence in zones: arrived, moved, departed."""

from rfid_gateway.observe.observations import Presence, PresenceChange
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import ZoneRules
from rfid_gateway.reads import TagRead, TagReport

SECOND = 1_000_000
UTC = 1_790_000_000_000_000
EPC = "3114F4E4E4B2D1E4A0000000"
A = ZoneRules("a", frozenset({("ra", 0)}))
B = ZoneRules("b", frozenset({("rb", 1)}))


def report(
    reader_id: str,
    at: float,
    rssi: float | None = -50.0,
    *,
    epc: str = EPC,
    offset: int = 0,
    seen: int = 1,
    antenna: int = 1,
) -> TagReport:
    now = int(at * SECOND)
    read = TagRead(epc, antenna, UTC + now + offset, UTC + now + offset, rssi, seen)
    return TagReport(reader_id, UTC + now, now, (read,), offset)


def arrived(zone: str, at: float) -> PresenceChange:
    return PresenceChange(EPC, zone, Presence.ARRIVED, UTC + int(at * SECOND))


def test_a_tag_arrives_with_the_first_of_enough_reads() -> None:
    observer = Observer([A], [])
    assert observer.report(report("ra", 1)) == []
    assert observer.report(report("ra", 2)) == [arrived("a", 1)]
    assert observer.report(report("ra", 3)) == []


def test_a_read_that_stands_for_several_counts_as_several() -> None:
    assert Observer([A], []).report(report("ra", 1, seen=2)) == [arrived("a", 1)]


def test_one_read_an_hour_never_adds_up_to_an_arrival() -> None:
    observer = Observer([A], [])
    assert [observer.report(report("ra", 3600 * hour)) for hour in range(1, 6)] == [[]] * 5


def test_weak_reads_do_not_count_and_reads_without_rssi_do() -> None:
    observer = Observer([ZoneRules("a", frozenset({("ra", 0)}), min_rssi=-60.0)], [])
    assert [observer.report(report("ra", at, -61.0)) for at in (1, 2, 3)] == [[]] * 3
    assert observer.report(report("ra", 4, None)) == []
    assert observer.report(report("ra", 5, None)) == [arrived("a", 4)]


def test_a_tag_moves_only_to_a_zone_that_is_stronger_by_the_hysteresis() -> None:
    observer = Observer([A, B], [])
    for at in (1.0, 1.1):
        observer.report(report("ra", at, -55.0))
    assert [observer.report(report("rb", at, -50.0)) for at in (1.2, 1.3, 1.4)] == [[]] * 3
    moved = observer.report(report("rb", 1.5, -40.0))
    assert moved == [PresenceChange(EPC, "b", Presence.MOVED, UTC + int(1.5 * SECOND), previous_zone="a")]


def test_a_weaker_zone_takes_over_once_the_stronger_one_is_silent() -> None:
    observer = Observer([A, B], [])
    for at in (1.0, 1.1):
        observer.report(report("ra", at, -40.0))
    changes = [change for at in range(2, 9) for change in observer.report(report("rb", at, -60.0))]
    assert [(change.change, change.zone) for change in changes if isinstance(change, PresenceChange)] == [
        (Presence.MOVED, "b")
    ]


def test_old_strength_is_forgotten() -> None:
    """The ring of the last 20 reads that others keep would hold the tag at home for ever."""
    observer = Observer([A, B], [])
    for tick in range(100):
        observer.report(report("ra", 1 + tick / 10, -40.0))
    changes = []
    for tick in range(150):
        changes += observer.report(report("ra", 11 + tick / 10, -65.0))
        changes += observer.report(report("rb", 11.05 + tick / 10, -55.0))
    assert [change.zone for change in changes if isinstance(change, PresenceChange)] == ["b"]


def test_a_tag_departs_after_the_quiet_time_with_the_time_of_its_last_read() -> None:
    observer = Observer([A], [])
    for at in (1, 2, 20):
        observer.report(report("ra", at))
    assert observer.expire(49 * SECOND) == []
    assert observer.expire(50 * SECOND) == [PresenceChange(EPC, "a", Presence.DEPARTED, UTC + 20 * SECOND)]
    assert observer.next_deadline() is None


def test_a_late_report_finds_its_tag_departed_even_if_nobody_called_expire() -> None:
    observer = Observer([A], [])
    for at in (1, 2):
        observer.report(report("ra", at))
    changes = observer.report(report("ra", 100)) + observer.report(report("ra", 101))
    assert [change.change for change in changes if isinstance(change, PresenceChange)] == [
        Presence.DEPARTED,
        Presence.ARRIVED,
    ]


def test_event_times_are_the_readers_corrected_by_its_offset() -> None:
    observer = Observer([A], [])
    year_2000 = -26 * 365 * 86_400 * SECOND
    observer.report(report("ra", 1, offset=year_2000))
    assert observer.report(report("ra", 2, offset=year_2000)) == [arrived("a", 1)]


def test_unknown_readers_and_antennas_are_nobodys_business() -> None:
    observer = Observer([B], [])
    assert observer.report(report("elsewhere", 1, seen=9)) == []
    assert observer.report(report("rb", 1, seen=9, antenna=7)) == []
    assert observer.next_deadline() is None


def test_the_number_of_tags_is_bounded_and_the_oldest_departs_for_a_new_one() -> None:
    observer = Observer([A], [], max_present=3)
    changes = []
    for number in range(5):
        changes += observer.report(report("ra", number, epc=f"{number:024X}", seen=2))
    departed = [change.epc for change in changes if getattr(change, "change", None) is Presence.DEPARTED]
    assert departed == [f"{0:024X}", f"{1:024X}"]


def test_a_tag_that_is_still_present_changes_nothing_in_the_database_for_a_while() -> None:
    observer = Observer([A], [])
    for at in (1.0, 1.1):
        observer.report(report("ra", at))
    assert [row[:3] for row in observer.changed()] == [("presence", "a", EPC)]
    for tick in range(20, 120):
        observer.report(report("ra", tick / 10))
    assert observer.changed() == []


def test_the_row_goes_with_the_tag() -> None:
    observer = Observer([A], [])
    observer.report(report("ra", 1, seen=2))
    assert observer.changed()[0].state is not None
    observer.expire(100 * SECOND)
    assert [tuple(row) for row in observer.changed()] == [("presence", "a", EPC, None)]


def test_a_tag_that_comes_and_goes_between_two_commits_leaves_no_row() -> None:
    observer = Observer([A], [])
    observer.report(report("ra", 1, seen=2))
    observer.expire(100 * SECOND)
    assert observer.changed() == []
