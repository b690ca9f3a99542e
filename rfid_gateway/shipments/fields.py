"""Fields of an entry as its sources write them, checked one by one. Every check raises ValueError in words."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from rfid_gateway.epc.keys import parse_unit_key

TEXT_FIELDS = (
    "customer_reference",
    "despatch_advice",
    "carrier",
    "destination",
    "planned_door",
    "planned_departure",
    "load",
)

_KEYS = {
    "sscc": ("", "(00)"),
    "sgtin": ("", "(01)"),
    "grai": ("(8003)", "(8003)"),
    "giai": ("(8004)", "(8004)"),
    "epc": ("epc:", ""),
    "tid": ("tid:", "tid:"),
    "unit": ("", ""),
}
"""Field, what belongs in front of a bare value so that it is not taken for something else, beginning of its key."""

KEY_FIELDS = tuple(_KEYS)

_SELF_EXPLAINING = re.compile(r"[(\]]|(urn|https?|epc|tid):", re.IGNORECASE)
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_TOPIC_CHARACTERS = frozenset("/+#")
_MOST_SHOWN = 40
"""Characters of a value in a message: it may be a whole file by mistake."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def text(value: object) -> str:
    """Return a string without blanks around it that can be stored and shown."""
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is no text; expected a string")  # noqa: TRY004 -- a fault of the data, not of the caller
    if match := _CONTROL.search(value.strip()):
        raise ValueError(f"{value!r} holds the control character {match[0]!r}; expected plain text")
    return value.strip()


def shipment_id(value: object) -> str:
    """Return a shipment id that can be a level of an MQTT topic (MQTT 5.0 section 4.7)."""
    name = text(value)
    if not name:
        raise ValueError("is empty; expected a shipment id")
    if strange := sorted(_TOPIC_CHARACTERS & set(name)):
        raise ValueError(
            f"{name!r} holds {' '.join(strange)}; a shipment id names an MQTT topic, so none of / + # fits"
        )
    return name


def unit_key(field: str, value: object) -> str:
    """Return the directory key of a unit that was written into one of KEY_FIELDS."""
    written = text(value)
    bare, beginning = _KEYS[field]
    if _SHORTENED.fullmatch(written) and field != "epc":
        raise ValueError(f"{written!r} is a number that a spreadsheet has shortened; format the column as text")
    key = parse_unit_key(written if _SELF_EXPLAINING.match(written) else bare + written)
    if not key.startswith(beginning):
        raise ValueError(f"{written!r} is no {field.upper()}; it reads as {key}, which belongs into 'unit'")
    return key


def planned_departure(value: str) -> str:
    """Return a time as it is written, if it is one with an offset (RFC 3339)."""
    expected = f"{value!r} is no time with an offset; expected one such as 2026-11-23T18:30:00+01:00"
    try:
        moment = datetime.fromisoformat(value)
        in_utc = moment.tzinfo is not None and moment.astimezone(UTC)
    except (ValueError, OverflowError):  # an offset may lead out of the years 1 to 9999
        raise ValueError(expected) from None
    if not in_utc or "T" not in value:
        raise ValueError(expected)
    return value


def text_field(field: str, value: object) -> str | None:
    """Return the value of one of TEXT_FIELDS; None if it is empty."""
    written = text(value)
    if not written:
        return None
    return planned_departure(written) if field == "planned_departure" else written


def orders(values: Iterable[object]) -> tuple[str, ...]:
    """Return order numbers without empty ones and doubles, in their order."""
    return tuple(dict.fromkeys(order for value in values if (order := text(value))))


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."
