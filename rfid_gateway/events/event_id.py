"""The event id: the CBV 2.0 event hash, `ni:///sha-256;<64 hex digits>?ver=CBV2.0` (CBV 2.0 8.9).

The same event has the same id whoever computes it, so that the order backend drops doubles by it. Works on events
as this gateway makes them and their close relatives (Object, Aggregation, Association and Transaction events with
bare-word values); no JSON-LD is expanded. What cannot be hashed by that is refused, never skipped.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from rfid_gateway.events.canonical import canonical_uri
from rfid_gateway.events.times import parse, utc_milliseconds

_CBV = "https://ref.gs1.org/cbv/"
_OUTSIDE = frozenset({"@context", "type", "eventID", "recordTime", "errorDeclaration"})
"""Never part of the hash: a retracted event keeps its id, and so does one recorded twice."""

_Rendering = Callable[[str, Any], str]


def event_id(epcis: Mapping[str, Any]) -> str:
    """The event hash of one EPCIS 2.0 event.

    Raises:
        ValueError: the event has a property that is not hashed here (an extension, sensor data, quantities), or a
            time that is not RFC 3339.
        KeyError: a required property is missing.
    """
    return f"ni:///sha-256;{sha256(pre_hash(epcis).encode()).hexdigest()}?ver=CBV2.0"


def pre_hash(epcis: Mapping[str, Any]) -> str:
    """The text that is hashed: properties in canonical order, each as name and canonical value."""
    unknown = epcis.keys() - _KNOWN
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not covered by the event hash; known are {sorted(_KNOWN)}")
    rendered = [
        render(name, epcis[name])
        for name, render in _CANONICAL_ORDER
        if name in epcis  # preserves the table's order
    ]
    return f"eventType={epcis['type']}{''.join(rendered)}"


def _text(name: str, value: str) -> str:
    return f"{name}={value}"


def _time(name: str, value: str) -> str:
    return f"{name}={utc_milliseconds(parse(value))}"


def _uri(name: str, value: str) -> str:
    return f"{name}={canonical_uri(value)}"


def _epcs(name: str, value: list[str]) -> str:
    return _listed(name, [f"epc={canonical_uri(epc)}" for epc in value])


def _place(name: str, value: Mapping[str, str]) -> str:
    if value.keys() != {"id"}:
        raise ValueError(f"{name}: not covered by the event hash; expected an id alone, found {sorted(value)}")
    return f"{name}id={canonical_uri(value['id'])}"


def _word(kind: str) -> _Rendering:
    return lambda name, value: f"{name}={_full(kind, value)}"


def _dispositions(name: str, value: Mapping[str, list[str]]) -> str:
    members = [
        f"{member}={word}"
        for member in ("set", "unset")
        for word in sorted(_full("Disp", word) for word in value.get(member, ()))
    ]
    return name + "".join(members) if members else ""


def _typed(kind: str, member: str) -> _Rendering:
    """Elements with a type; the type comes first, in whatever order the JSON has them."""

    def render(name: str, value: list[Mapping[str, str]]) -> str:
        return _listed(
            name,
            [
                (f"type={_full(kind, element['type'])}" if "type" in element else "")
                + f"{member}={canonical_uri(element[member])}"
                for element in value
            ],
        )

    return render


def _listed(name: str, elements: list[str]) -> str:
    return name + "".join(sorted(elements)) if elements else ""


def _full(kind: str, word: str) -> str:
    """CBV's URI of a bare word; a site's own value is a URI already."""
    return word if ":" in word else f"{_CBV}{kind}-{word}"


_CANONICAL_ORDER: tuple[tuple[str, _Rendering], ...] = (
    ("eventTime", _time),
    ("eventTimeZoneOffset", _text),
    ("parentID", _uri),
    ("epcList", _epcs),
    ("childEPCs", _epcs),
    ("action", _text),
    ("bizStep", _word("BizStep")),
    ("disposition", _word("Disp")),
    ("persistentDisposition", _dispositions),
    ("readPoint", _place),
    ("bizLocation", _place),
    ("bizTransactionList", _typed("BTT", "bizTransaction")),
    ("sourceList", _typed("SDT", "source")),
    ("destinationList", _typed("SDT", "destination")),
)
"""CBV 2.0 8.9.2, canonical property order, as far as it is covered."""

_KNOWN = _OUTSIDE | {name for name, _ in _CANONICAL_ORDER}
