"""EPC URN components to GS1 application identifiers, and how those are written (TDS 2.3 section 7).

A component may be escaped or not; only digits are rearranged here.
"""

from collections.abc import Callable
from urllib.parse import quote

from rfid_gateway.epc.check_digit import check_digit

GS1_RESOLVER = "id.gs1.org"

Elements = tuple[tuple[str, str], ...]
"""Application identifiers and their values, key first."""


def _checked(digits: str) -> str:
    return digits + check_digit(digits)


def _indicator_first(prefix: str, reference: str) -> str:
    """Return indicator or extension digit, company prefix, the rest of the reference and the check digit."""
    return _checked(reference[0] + prefix + reference[1:])


def without_empty_extension(elements: Elements) -> Elements:
    """Return the elements without extension 0 of a GLN, which says that it has none."""
    return tuple(element for element in elements if element != ("254", "0"))


def _location(prefix: str, reference: str, extension: str) -> Elements:
    gln = ("414", _checked(prefix + reference))
    return without_empty_extension((gln, ("254", extension)))


FAMILIES: dict[str, Callable[..., Elements]] = {
    "sgtin": lambda prefix, item, serial: (("01", _indicator_first(prefix, item)), ("21", serial)),
    "sscc": lambda prefix, reference: (("00", _indicator_first(prefix, reference)),),
    "sgln": _location,
    "grai": lambda prefix, kind, serial: (("8003", f"0{_checked(prefix + kind)}{serial}"),),
    "giai": lambda prefix, reference: (("8004", prefix + reference),),
    "gsrn": lambda prefix, reference: (("8018", _checked(prefix + reference)),),
    "gsrnp": lambda prefix, reference: (("8017", _checked(prefix + reference)),),
    "gdti": lambda prefix, kind, serial: (("253", _checked(prefix + kind) + serial),),
    "sgcn": lambda prefix, reference, serial: (("255", _checked(prefix + reference) + serial),),
    "itip": lambda prefix, item, piece, total, serial: (
        ("8006", _indicator_first(prefix, item) + piece + total),
        ("21", serial),
    ),
    "cpi": lambda prefix, reference, serial: (("8010", prefix + reference), ("8011", serial)),
    "gsin": lambda prefix, reference: (("402", _checked(prefix + reference)),),
    "ginc": lambda prefix, reference: (("401", prefix + reference),),
    "pgln": lambda prefix, reference: (("417", _checked(prefix + reference)),),
    "upui": lambda prefix, item, serial: (("01", _indicator_first(prefix, item)), ("235", serial)),
}
"""EPC URN scheme to what its components stand for. GID, USDOD and ADI are no GS1 keys and have none."""


def element_string(elements: Elements) -> str:
    """Return `(01)04012345123456(21)1`."""
    return "".join(f"({ai}){value}" for ai, value in elements)


def web_uri(elements: Elements, date: Elements = (), hostname: str = GS1_RESOLVER) -> str:
    """Return the GS1 Digital Link URI, with the date as its query."""
    path = "/".join(f"{ai}/{quote(value, safe='')}" for ai, value in elements)
    query = "".join(f"?{ai}={value}" for ai, value in date)
    return f"https://{hostname}/{path}{query}"
