"""URIs of directory keys: an EPC URN where the length of the company prefix is known, otherwise a GS1 Digital Link.

A key is written without its company prefix's length: `(00)340123450000000017` is three different URNs, of which one
is right. A Digital Link needs no length, so it is always right; the URN is what the unit's own tag is reported by.
"""

from collections.abc import Collection, Iterable
from urllib.parse import quote

from rfid_gateway.epc.decode import decode
from rfid_gateway.epc.identifiers import FAMILIES, GS1_RESOLVER
from rfid_gateway.epc.text import escape

_UNESCAPED = "';="
"""Left as they are, as the event hash has them: the URN and the Digital Link of a unit must give one hash."""


def company_prefix(epc_uri: str | None) -> str | None:
    """The GS1 company prefix that an EPC URN tells; None for a URN without one, and for anything else."""
    if epc_uri is None or not epc_uri.startswith("urn:epc:id:"):
        return None
    family, _, components = epc_uri.removeprefix("urn:epc:id:").partition(":")
    return components.partition(".")[0] if family in FAMILIES else None


def uri_of_key(key: str, company_prefixes: Collection[str]) -> str | None:
    """The URI of the unit that a directory key names, or None for a chip's own number (`tid:`), which has none.

    Args:
        key: see `rfid_gateway.shipments.directory`.
        company_prefixes: those that are known for certain. No company prefix begins with another one, so a key that
            begins with one of them is of that company.
    """
    if key.startswith("epc:"):
        return decode(key.removeprefix("epc:")).uri
    if key.startswith("(00)"):
        value = key[4:]
        return _uri("sscc", value[1:17], value[0], "", company_prefixes) or _link("00", value)
    if key.startswith("(01)"):
        gtin, serial = key[4:18], key[22:]
        urn = _uri("sgtin", gtin[1:13], gtin[0], f".{escape(serial)}", company_prefixes)
        return urn or _link("01", gtin, "21", serial)
    if key.startswith("(8003)"):
        value = key[6:]
        return _uri("grai", value[1:13], "", f".{escape(value[14:])}", company_prefixes) or _link("8003", value)
    if key.startswith("(8004)"):
        value = key[6:]
        return _giai(value, company_prefixes) or _link("8004", value)
    return None


def _uri(family: str, digits: str, first: str, last: str, company_prefixes: Iterable[str]) -> str | None:
    """The URN of a key of which the company prefix and the reference are 12 or 16 digits together."""
    for prefix in company_prefixes:
        if digits.startswith(prefix):
            return f"urn:epc:id:{family}:{prefix}.{first}{digits[len(prefix) :]}{last}"
    return None


def _giai(value: str, company_prefixes: Iterable[str]) -> str | None:
    for prefix in company_prefixes:
        if value.startswith(prefix) and len(value) > len(prefix):
            return f"urn:epc:id:giai:{prefix}.{escape(value[len(prefix) :])}"
    return None


def _link(*path: str) -> str:
    return f"https://{GS1_RESOLVER}/{'/'.join(quote(part, safe=_UNESCAPED) for part in path)}"
