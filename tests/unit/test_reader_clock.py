from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_gateway.reader_clock import WINDOW_US, ReaderClock

UTC = 1_700_000_000_000_000


def test_without_a_sample_the_offset_is_zero() -> None:
    assert ReaderClock().offset(UTC, 5) == 0


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15), st.lists(st.integers(0, 200_000), min_size=1, max_size=30))
def test_the_least_delayed_sample_decides(truth: int, delays: list[int]) -> None:
    clock = ReaderClock()
    for index, delay in enumerate(delays):
        monotonic = index * 10_000
        clock.sample(UTC + monotonic + truth - delay, monotonic)
    now = len(delays) * 10_000
    assert clock.offset(UTC + now, now) == truth - min(delays)


def test_a_reader_set_back_is_believed_when_the_window_has_passed() -> None:
    clock = ReaderClock()
    clock.sample(UTC, 0)
    clock.sample(UTC - 10**9 + 1_000, 1_000)
    assert clock.offset(UTC + 1_000, 1_000) == 0
    later = WINDOW_US + 1
    clock.sample(UTC - 10**9 + later, later)
    assert clock.offset(UTC + later, later) == -(10**9)


def test_a_reader_set_back_is_believed_within_a_few_seconds_where_it_reads() -> None:
    clock = ReaderClock()
    clock.sample(UTC, 0)
    for monotonic in range(1_000_000, 4_000_000, 250_000):
        clock.sample(UTC - 10**9 + monotonic - monotonic % 30_000, monotonic)
    assert abs(clock.offset(UTC + 4_000_000, 4_000_000) + 10**9) < 50_000


def test_old_reads_from_an_emptied_buffer_do_not_move_the_clock() -> None:
    clock = ReaderClock()
    clock.sample(UTC, 0)
    for monotonic in range(10_000, 5_000_000, 10_000):
        clock.sample(UTC - 3_600_000_000 + 100 * monotonic, monotonic)
    assert clock.offset(UTC + 5_000_000, 5_000_000) == 0


def test_a_reader_set_forward_is_believed_at_once() -> None:
    clock = ReaderClock()
    clock.sample(UTC, 0)
    clock.sample(UTC + 10**12 + 5, 5)
    assert clock.offset(UTC + 5, 5) == 10**12


def test_setting_the_gateways_clock_moves_the_offset_and_no_event_time() -> None:
    clock = ReaderClock()
    clock.sample(UTC + 500, 0)
    jump = 3_600_000_000
    assert clock.offset(UTC, 0) == 500
    assert clock.offset(UTC + jump + 10, 10) == 500 - jump


def test_uptime_of_a_reader_is_a_clock_like_any_other() -> None:
    clock = ReaderClock()
    clock.sample(7_000_000, 100)
    assert 8_000_000 - clock.offset(UTC + 1_000_000, 1_000_100) == UTC + 1_000_000


def test_an_old_sample_still_serves_while_nothing_newer_came() -> None:
    clock = ReaderClock()
    clock.sample(UTC + 42, 0)
    much_later = 100 * WINDOW_US
    assert clock.offset(UTC + much_later, much_later) == 42
