"""Times of events as text."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.events.times import parse, rfc3339, time_zone_offset, utc_milliseconds

BERLIN = ZoneInfo("Europe/Berlin")
SUMMER_BEGINS = 1774746000_000_000  # 2026-03-29T01:00:00Z
WINTER_BEGINS = 1792890000_000_000  # 2026-10-25T01:00:00Z
YEAR_1 = -62135596800_000_000
YEAR_9999 = 253402300799_999_999


@pytest.mark.parametrize(
    ("utc_us", "offset", "text"),
    [
        (SUMMER_BEGINS - 1, "+01:00", "2026-03-29T01:59:59.999+01:00"),
        (SUMMER_BEGINS, "+02:00", "2026-03-29T03:00:00.000+02:00"),
        (WINTER_BEGINS - 1, "+02:00", "2026-10-25T02:59:59.999+02:00"),
        (WINTER_BEGINS, "+01:00", "2026-10-25T02:00:00.000+01:00"),
    ],
)
def test_daylight_saving_changes_the_offset_at_the_microsecond(utc_us: int, offset: str, text: str) -> None:
    assert time_zone_offset(utc_us, BERLIN) == offset
    assert rfc3339(utc_us, offset) == text


def test_local_time_that_occurs_twice_is_still_two_times() -> None:
    first = rfc3339(WINTER_BEGINS - 1_800_000_000, "+02:00")
    second = rfc3339(WINTER_BEGINS + 1_800_000_000, "+01:00")
    assert first[:23] == second[:23] == "2026-10-25T02:30:00.000"
    assert parse(second) - parse(first) == 3_600_000_000


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("UTC", "+00:00"),
        ("Asia/Kathmandu", "+05:45"),
        ("America/St_Johns", "-03:30"),
        ("Pacific/Kiritimati", "+14:00"),
        ("Pacific/Marquesas", "-09:30"),
    ],
)
def test_offset_is_written_with_sign_and_two_digits_each_and_never_as_z(zone: str, offset: str) -> None:
    assert time_zone_offset(1795427100_000_000, ZoneInfo(zone)) == offset


def test_offset_with_seconds_is_cut_to_minutes_towards_zero() -> None:
    assert time_zone_offset(0, ZoneInfo("Africa/Monrovia")) == "-00:44"  # -00:44:30 until 1972


def test_local_midnight_around_the_new_year_has_its_own_year() -> None:
    assert rfc3339(parse("2026-12-31T23:30:00Z"), "+01:00") == "2027-01-01T00:30:00.000+01:00"


def test_microseconds_are_cut_in_event_time_and_rounded_in_the_hash() -> None:
    assert rfc3339(1_999_999, "+00:00") == "1970-01-01T00:00:01.999+00:00"
    assert utc_milliseconds(1_999_999) == "1970-01-01T00:00:02.000Z"


@pytest.mark.parametrize("utc_us", [YEAR_1, YEAR_9999])
def test_first_and_last_moment_of_the_calendar_can_be_written(utc_us: int) -> None:
    assert parse(rfc3339(utc_us, "+00:00")) == utc_us // 1000 * 1000


@pytest.mark.parametrize(("utc_us", "offset"), [(YEAR_1, "-01:00"), (YEAR_9999, "+01:00"), (10**30, "+00:00")])
def test_time_outside_the_calendar_is_refused(utc_us: int, offset: str) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        rfc3339(utc_us, offset)


@pytest.mark.parametrize(
    ("utc_us", "zone"), [(YEAR_9999, "Europe/Berlin"), (YEAR_1, "America/New_York"), (10**30, "UTC")]
)
def test_offset_outside_the_calendar_is_refused(utc_us: int, zone: str) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        time_zone_offset(utc_us, ZoneInfo(zone))


@pytest.mark.parametrize("offset", ["Z", "+1:00", "01:00", "+01", "+24:00", "+01:60", "+01:00 ", ""])
def test_offset_in_any_other_form_is_refused(offset: str) -> None:
    with pytest.raises(ValueError, match="no time zone offset"):
        rfc3339(0, offset)


@pytest.mark.parametrize(
    ("text", "utc_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("1969-12-31T23:59:59.999999-00:00", -1),
        ("1970-01-01T00:00:00.0000019Z", 1),
    ],
)
def test_rfc_3339_is_read_to_the_microsecond(text: str, utc_us: int) -> None:
    assert parse(text) == utc_us


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T10:45:00",
        "2026-11-23 10:45:00Z",
        "2026-11-23T10:45Z",
        "2026-11-23T10:45:00,5Z",
        "2026-11-23T10:45:00.Z",
        "2026-11-23T10:45:00+0100",
        "20261123T104500Z",
        "2026-11-23T10:45:00Z\n",
        "٢٠٢٦-11-23T10:45:00Z",
        "",
    ],
)
def test_text_in_another_form_is_refused_and_the_form_is_shown(text: str) -> None:
    with pytest.raises(ValueError, match="expected a form like 2026-11-23T10:45:00"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T10:45:00Z",
        "2026-11-23T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "2026-11-23T10:45:00+24:00",
    ],
)
def test_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse(text)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati", "Africa/Monrovia"]),
)
def test_text_names_the_same_millisecond_in_every_zone(instant: datetime, zone: str) -> None:
    utc_us = round((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) * 1000
    text = rfc3339(utc_us, time_zone_offset(utc_us, ZoneInfo(zone)))
    assert parse(text) == utc_us
