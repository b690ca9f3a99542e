"""Names and identifiers to suggest to somebody who begins. Pure."""

import re

from rfid_gateway.epc.check_digit import check_digit

_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "a", "é": "e", "è": "e", "ç": "c", "ñ": "n"})
_LONGEST = 64
_GLN_DIGITS = 13
_STEPS = {
    "pack": "packing",
    "versand": "staging_outbound",
    "stag": "staging_outbound",
    "bereit": "staging_outbound",
    "pick": "picking",
    "kommission": "picking",
    "inspect": "inspecting",
    "pruef": "inspecting",
}
_DISPOSITIONS = {
    "departing": "in_transit",
    "shipping": "in_transit",
    "storing": "sellable_not_accessible",
}


def name_of(text: str) -> str:
    """Make a name of any text: small letters, digits and dashes; `Tor Süd 1` becomes `tor-sued-1`, may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().translate(_LETTERS)).strip("-")[:_LONGEST].strip("-")


def unused(stem: str, taken: set[str]) -> str:
    """Count on from `dock-1` until a name is not taken yet."""
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def locations_of(text: str, site: str) -> str:
    """The URI that the places of a site begin with; the name of a place is put behind it.

    Args:
        text: a GLN (13 digits), a URI of the site's own, or nothing.
        site: the site's name.

    Returns:
        For a GLN a GS1 Digital Link with the place as its extension (AI 414 and 254), which needs no knowledge of
        how long the company prefix is; without one a private URI (CBV 2.0, 8.4), good until the site has a GLN.

    Raises:
        ValueError: thirteen digits that are no GLN.
    """
    if not text:
        return f"urn:rfid-gateway:{site}:"
    if text.isascii() and text.isdecimal():
        if len(text) != _GLN_DIGITS:
            raise ValueError(f"{text!r} has {len(text)} digits; a GLN has 13")
        if (digit := check_digit(text[:-1])) != text[-1]:
            raise ValueError(f"{text!r} is no GLN: with these digits the last one would be {digit}")
        return f"https://id.gs1.org/414/{text}/254/"
    return text if text.endswith(("/", ":", ".", "=", "#")) else f"{text}/"


def site_location(locations: str) -> str:
    """The business location of the whole site; `locations` is what `locations_of` gave."""
    return locations.removesuffix("/254/") if locations.endswith("/254/") else f"{locations}site"


def biz_step_of(zone: str) -> str:
    """What arriving in a zone of this name probably is."""
    return next((step for part, step in _STEPS.items() if part in zone.lower()), "storing")


def disposition_of(biz_step: str) -> str:
    """The disposition that usually goes with a business step."""
    return _DISPOSITIONS.get(biz_step, "in_progress")
