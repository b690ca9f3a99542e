"""The one form in which the event hash sees a GS1 key: the canonical GS1 Digital Link (CBV 2.0 8.9).

One unit has several URIs: an EPC URN for each length of the company prefix, and a Digital Link on any domain. All
of them become `https://id.gs1.org/...` here, at the finest level, without query. Other URIs stay as they are.
"""

import re
from functools import lru_cache

from rfid_gateway.epc.keys import digital_link

_HOST = "https://id.gs1.org/"

_FINEST_FIRST = {
    "00": (),
    "01": ("235", "21", "10"),
    "253": (),
    "255": (),
    "401": (),
    "402": (),
    "414": ("254",),
    "417": (),
    "8003": (),
    "8004": (),
    "8006": ("21", "10"),
    "8010": ("8011",),
    "8017": (),
    "8018": (),
}
"""Primary keys by application identifier, with the qualifiers that name something finer (GS1 Digital Link 1.1 4)."""

_SHORT_NAMES = {
    "sscc": "00",
    "gtin": "01",
    "gdti": "253",
    "gcn": "255",
    "ginc": "401",
    "gsin": "402",
    "gln": "414",
    "party": "417",
    "grai": "8003",
    "giai": "8004",
    "itip": "8006",
    "cpid": "8010",
    "gsrnp": "8017",
    "gsrn": "8018",
    "lot": "10",
    "ser": "21",
    "cpv": "22",
}
"""Alphabetic segments that GS1 Digital Link 1.1 allowed in place of application identifiers."""

_PERCENT = str.maketrans({character: f"%{ord(character):02X}" for character in "!()*+,:"})
"""Characters that an EPC URN may show and a Digital Link must escape (GS1 Digital Link 1.1 table 7-1)."""

_KEY_VALUE = re.compile(r"\d{4}", re.ASCII)
_WEB = re.compile(r"https?://[^/?#]+/([^?#]*)", re.ASCII)


@lru_cache(maxsize=4096)
def canonical_uri(uri: str) -> str:
    """The canonical Digital Link of a GS1 key, or the URI itself where it names none."""
    if uri.startswith("urn:epc:"):
        link = digital_link(uri)
        return uri if link is None else _HOST + link.removeprefix(_HOST).translate(_PERCENT)
    web = _WEB.match(uri)
    return uri if web is None else _canonical_link(web[1]) or uri


def _canonical_link(path: str) -> str | None:
    segments = path.rstrip("/").split("/")
    for start in range(len(segments) % 2, len(segments), 2):
        identifier = _SHORT_NAMES.get(segments[start], segments[start])
        value = segments[start + 1]
        if identifier in _FINEST_FIRST and _KEY_VALUE.match(value):
            names = (_SHORT_NAMES.get(name, name) for name in segments[start + 2 :: 2])
            return _link(identifier, value, dict(zip(names, segments[start + 3 :: 2], strict=True)))
    return None


def _link(identifier: str, value: str, qualifiers: dict[str, str]) -> str:
    key = value.zfill(14) if identifier == "01" else value
    for name in _FINEST_FIRST[identifier]:
        if name in qualifiers:
            return f"{_HOST}{identifier}/{key}/{name}/{qualifiers[name]}"
    return f"{_HOST}{identifier}/{key}"
