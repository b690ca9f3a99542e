"""The one form in which the event hash sees a GS1 key: the canonical GS1 Digital Link (CBV 2.0 8.9).

One unit has several URIs: an EPC URN for each length of the company prefix, and a Digital Link on any domain. All
of them become `https://id.gs1.org/...` here, at the finest level, without query. Other URIs stay as they are.
"""

import re
from functools import lru_cache

from rfid_gateway.epc.keys import digital_link

_HOST = "https://id.gs1.org/"

_KEYS: dict[str, tuple[re.Pattern[str], tuple[str, ...]]] = {
    identifier: (re.compile(pattern, re.ASCII), tuple(finest_first))
    for identifier, pattern, *finest_first in (
        ("00", r"\d{18}"),
        ("01", r"\d{8}|\d{12,14}", "235", "21", "10"),
        ("253", r"\d{13}.*"),
        ("255", r"\d{13,25}"),
        ("401", r"\d{4}.+"),
        ("402", r"\d{17}"),
        ("414", r"\d{13}", "254"),
        ("417", r"\d{13}"),
        ("8003", r"\d{14}.*"),
        ("8004", r"\d{4}.+"),
        ("8006", r"\d{18}", "21", "10"),
        ("8010", r"\d{4}.+", "8011"),
        ("8017", r"\d{18}"),
        ("8018", r"\d{18}"),
    )
}
"""Primary keys: application identifier, form, and qualifiers that name something finer (GS1 Digital Link 1.1 4)."""

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

_NO_KEY = (re.compile(r"(?!)"), ())
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
        names = [_SHORT_NAMES.get(name, name) for name in segments[start::2]]
        values = segments[start + 1 :: 2]
        form, finest_first = _KEYS.get(names[0], _NO_KEY)
        if form.fullmatch(values[0]):
            return _link(names[0], values[0], finest_first, dict(zip(names[1:], values[1:], strict=True)))
    return None


def _link(identifier: str, value: str, finest_first: tuple[str, ...], qualifiers: dict[str, str]) -> str:
    key = value.zfill(14) if identifier == "01" else value
    finest = next((f"/{name}/{qualifiers[name]}" for name in finest_first if name in qualifiers), "")
    return f"{_HOST}{identifier}/{key}{finest}"
