"""Times of events: integer microseconds UTC to and from RFC 3339 text with a local offset.

EPCIS 2.0 wants the offset twice: in `eventTime` and, as `+01:00` and never `Z`, in `eventTimeZoneOffset`.
Three decimals exactly, because versions of the CBV event hash round finer times differently.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE_US = 60_000_000

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def time_zone_offset(utc_us: int, zone: ZoneInfo) -> str:
    """Offset of local time in `zone` at that time, as `+01:00`; whole minutes, seconds are cut off.

    Raises:
        ValueError: the time is outside the years 1 to 9999.
    """
    try:
        offset = _instant(utc_us).astimezone(zone).utcoffset()
    except OverflowError as error:
        raise ValueError(f"{utc_us} us is outside the years 1 to 9999 in {zone.key}") from error
    assert offset is not None
    minutes = int(offset / timedelta(minutes=1))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def rfc3339(utc_us: int, offset: str) -> str:
    """Local time with exactly three decimals, as `2026-11-23T10:45:00.123+01:00` (RFC 3339 5.6).

    Microseconds are cut off, not rounded: an event never lies in its future.

    Raises:
        ValueError: the local time is outside the years 1 to 9999, or the offset is not `+hh:mm`.
    """
    return _without_offset(utc_us + _offset_us(offset)) + offset


def utc_milliseconds(utc_us: int) -> str:
    """UTC with exactly three decimals and `Z`, as the event hash wants it; a half goes to the even digit.

    Raises:
        ValueError: the time is outside the years 1 to 9999.
    """
    return _without_offset(round(utc_us, -3)) + "Z"


def parse(text: str) -> int:
    """Microseconds UTC of an RFC 3339 time; digits beyond microseconds are cut off.

    Raises:
        ValueError: the text is not a date-time of RFC 3339 5.6 with an offset. Leap seconds are refused: UTC
            in microseconds has no place for them.
    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no RFC 3339 time; expected a form like 2026-11-23T10:45:00.000+01:00")
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}") from error


def _instant(utc_us: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=utc_us)
    except OverflowError as error:
        raise ValueError(f"{utc_us} us is outside the years 1 to 9999") from error


def _without_offset(microseconds: int) -> str:
    return _instant(microseconds).isoformat(timespec="milliseconds").removesuffix("+00:00")


@lru_cache(maxsize=256)
def _offset_us(offset: str) -> int:
    match = _OFFSET.fullmatch(offset)
    if match is None:
        raise ValueError(f"{offset!r} is no time zone offset; expected a form like +01:00")
    sign, hours, minutes = match.groups()
    return int(f"{sign}1") * (int(hours) * 60 + int(minutes)) * _MINUTE_US
