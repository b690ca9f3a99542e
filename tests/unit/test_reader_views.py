from rfid_gateway.reader_views import ReaderViews
from rfid_gateway.reads import ReaderState, ReaderStatus, TagRead, TagReport

SECOND = 1_000_000
UTC = 1_795_000_000 * SECOND
READ = TagRead("AB" * 12, 1, UTC, UTC)


def views() -> ReaderViews:
    return ReaderViews(["dock"], UTC)


def report(now: int, reads: int = 1, offset: int = 0) -> TagReport:
    return TagReport("dock", UTC + now, now, (READ,) * reads, offset)


def test_a_reader_begins_by_connecting() -> None:
    view = views().view("dock", 0)
    assert (view.state, view.since, view.reads, view.last_read_at) == (ReaderState.CONNECTING, UTC, 0, None)


def test_what_a_status_does_not_say_stays_as_it_was() -> None:
    readers = views()
    readers.status(ReaderStatus("dock", UTC + 1, ReaderState.ONLINE, "", "R420", "5.14", (1, 2), 41.0))
    readers.status(ReaderStatus("dock", UTC + 2, ReaderState.DEGRADED, "antenna 2 is disconnected", antennas=(1,)))
    view = readers.view("dock", 0)
    assert (view.model, view.firmware, view.antennas, view.temperature) == ("R420", "5.14", (1,), 41.0)
    assert (view.state, view.since, view.detail) == (ReaderState.DEGRADED, UTC + 2, "antenna 2 is disconnected")


def test_the_same_state_again_keeps_its_beginning() -> None:
    readers = views()
    readers.status(ReaderStatus("dock", UTC + 1, ReaderState.ONLINE))
    readers.status(ReaderStatus("dock", UTC + 9, ReaderState.ONLINE, temperature=50.0))
    assert readers.view("dock", 0).since == UTC + 1


def test_the_last_error_stays_when_all_is_well_again_and_returns_are_counted() -> None:
    readers = views()
    readers.status(ReaderStatus("dock", UTC + 1, ReaderState.ONLINE))
    assert readers.view("dock", 0).reconnects == 0
    readers.status(ReaderStatus("dock", UTC + 2, ReaderState.OFFLINE, "no route to host"))
    readers.status(ReaderStatus("dock", UTC + 3, ReaderState.CONNECTING))
    readers.status(ReaderStatus("dock", UTC + 4, ReaderState.ONLINE))
    readers.status(ReaderStatus("dock", UTC + 5, ReaderState.DEGRADED, "hot"))
    readers.status(ReaderStatus("dock", UTC + 6, ReaderState.ONLINE))
    view = readers.view("dock", 0)
    assert (view.detail, view.last_error, view.last_error_at, view.reconnects) == ("", "hot", UTC + 5, 1)


def test_reads_are_counted_and_their_rate_is_that_of_the_last_ten_seconds() -> None:
    readers = views()
    for second in range(20):
        readers.report(report(second * SECOND, reads=30, offset=-7))
    view = readers.view("dock", 20 * SECOND)
    assert (view.reads, view.reads_per_second, view.clock_offset) == (600, 30.0, -7)
    assert view.last_read_at == UTC + 19 * SECOND
    assert readers.view("dock", 25 * SECOND).reads_per_second == 15.0
    assert readers.view("dock", 60 * SECOND).reads_per_second == 0.0


def test_online_counts_readers_without_a_complaint() -> None:
    readers = ReaderViews(["a", "b", "c"], UTC)
    readers.status(ReaderStatus("a", UTC, ReaderState.ONLINE))
    readers.status(ReaderStatus("b", UTC, ReaderState.DEGRADED, "hot"))
    assert (readers.online, len(readers)) == (1, 3)


def test_a_line_names_the_readers_that_are_not_online_and_why() -> None:
    readers = ReaderViews(["dock", "hall"], UTC)
    readers.status(ReaderStatus("dock", UTC, ReaderState.ONLINE))
    assert readers.line() == "1 of 2 readers online (hall connecting)"
    readers.status(ReaderStatus("hall", UTC, ReaderState.ONLINE))
    assert readers.line() == "2 of 2 readers online"
    readers.status(ReaderStatus("dock", UTC, ReaderState.BUSY, "another client"))
    readers.status(ReaderStatus("hall", UTC, ReaderState.DEGRADED, "antenna 1 is gone"))
    assert readers.line() == "0 of 2 readers online (dock busy, hall degraded)"


def test_a_line_names_five_readers_at_most() -> None:
    readers = ReaderViews([f"r{number}" for number in range(8)], UTC)
    assert readers.line().endswith("r3 connecting, r4 connecting, 3 more)")


def test_antennas_that_were_heard_are_known() -> None:
    readers = views()
    assert readers.view("dock", 0).heard_antennas == ()
    readers.report(report(0))
    readers.report(TagReport("dock", UTC, 0, (TagRead("AB" * 12, 4, UTC, UTC),)))
    assert readers.view("dock", 0).heard_antennas == (1, 4)
