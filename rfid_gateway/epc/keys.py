"""Keys of the shipment directory out of what people and backends write, and Digital Links out of EPC URNs."""

import re
from urllib.parse import unquote, urlsplit

from rfid_gateway.epc.check_digit import check_digit
from rfid_gateway.epc.decode import decode
from rfid_gateway.epc.identifiers import FAMILIES, GS1_RESOLVER, Elements, element_string
from rfid_gateway.epc.key_syntax import validated

_FORMS = (
    "an SSCC of 18 digits, (00)..., (01)...(21)..., (8003)..., (8004)..., a GS1 Digital Link, an EPC URN, "
    "the EPC in hex, epc:HEX or tid:HEX"
)

_PREFIXED_DIGITS = {
    "sgtin": 13, "itip": 13, "upui": 13, "sscc": 17, "gsrn": 17, "gsrnp": 17, "gsin": 16,
    "sgln": 12, "grai": 12, "gdti": 12, "sgcn": 12, "pgln": 12,
}  # fmt: skip
"""Digits of company prefix and reference together; the other schemes have no fixed number (TDS 2.3 section 6.3)."""

_COMPONENTS = {"sscc": 2, "giai": 2, "gsrn": 2, "gsrnp": 2, "gsin": 2, "ginc": 2, "pgln": 2, "itip": 5}
"""Components of an EPC URN where they are not three."""

_URN = re.compile(r"urn:epc:(?:id:([a-z]+):|tag:([a-z]+)-[0-9a-z]+:[0-9]\.)(.+)")
_RAW = re.compile(r"urn:epc:raw:[0-9]+\.x([0-9A-F]+)")
_HEX_KEY = re.compile(r"(epc|tid):([0-9A-F]+)", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-F]{8,}", re.IGNORECASE)
_SYMBOLOGY = re.compile(r"^\][A-Za-z][0-9]")
"""What a barcode reader sends in front of the data to name the kind of barcode (ISO/IEC 15424)."""

_ATTRIBUTE = r"(?:\([0-9]{2,4}\)[^()]*)"
_DATE = r"(?:\((?:11|13|15|16|17|7006|7007)\)[0-9]{6})?"
_ELEMENT_STRINGS = (
    (re.compile(r"([0-9]{18})"), ("00",)),
    (re.compile(rf"\(00\)([^()]*){_ATTRIBUTE}*"), ("00",)),
    (re.compile(rf"\(01\)([^()]*){_ATTRIBUTE}*?\(21\)(.*?){_DATE}"), ("01", "21")),
    (re.compile(r"\(8003\)(.*)"), ("8003",)),
    (re.compile(r"\(8004\)(.*)"), ("8004",)),
    # Without brackets, as a barcode reader types it; GS, 1Dh, ends a value of variable length.
    (re.compile(r"00([0-9]{18})(?:\x1d.*)?"), ("00",)),
    (re.compile(r"01([0-9]{14})21([^\x1d]+)(?:\x1d.*)?"), ("01", "21")),
    (re.compile(r"8003([0-9]{14}[^\x1d]*)(?:\x1d.*)?"), ("8003",)),
    (re.compile(r"8004([^\x1d]+)(?:\x1d.*)?"), ("8004",)),
    (re.compile(r"([0-9]{8}|[0-9]{12,14})[ +/;,:.]+(.+)"), ("01", "21")),
)
"""Patterns, the first that matches counts, and the application identifiers of their groups."""

_SSCC_LENGTH = 18
_CLASS_LENGTHS = frozenset({8, 12, 13, 14})
"""Digits of a GTIN, which names a kind of article and no single unit."""


def parse_unit_key(text: str) -> str:
    """Return the directory key (see `rfid_gateway.shipments.directory`) that `text` stands for.

    Everything that names the same unit gives the same key, which is also `DecodedEpc.key` of its tag.

    Raises:
        ValueError: `text` names no unit; the message says what was expected and, for a wrong check digit, which
            digit would be right.
    """
    text = _SYMBOLOGY.sub("", text.strip())
    for pattern, identifiers in _ELEMENT_STRINGS:
        if match := pattern.fullmatch(text):
            return _checked_key(tuple(zip(identifiers, match.groups(), strict=True)))
    if match := _HEX_KEY.fullmatch(text):
        return f"tid:{match[2].upper()}" if match[1].lower() == "tid" else decode(match[2]).key
    if match := _RAW.fullmatch(text):
        return decode(match[1]).key
    if text.lower().startswith("urn:"):
        return _key_of_urn(text)
    if text.lower().startswith(("http://", "https://")):
        return _key_of_digital_link(text)
    return _key_of_hex(text)


def digital_link(epc_uri: str) -> str | None:
    """Return the canonical GS1 Digital Link of an EPC URN, or None for anything else.

    Values keep the escapes of the URN: that is the form that the CBV 2.0 event hash is made from.
    """
    if epc_uri.startswith("urn:epc:id:") and (elements := _elements_of_urn(epc_uri)):
        path = "/".join(f"{ai}/{value}" for ai, value in elements)
        return f"https://{GS1_RESOLVER}/{path}"
    return None


def _key_of_urn(text: str) -> str:
    elements = _elements_of_urn(text)
    if elements is None:
        raise ValueError(f"{text!r} is no EPC URN of a unit; expected urn:epc:id:sscc:, sgtin:, grai: or giai:")
    return _checked_key(tuple((ai, unquote(value)) for ai, value in elements))


def _elements_of_urn(text: str) -> Elements | None:
    match = _URN.fullmatch(text)
    if match is None or (family := match[1] or match[2]) not in FAMILIES:
        return None
    count = _COMPONENTS.get(family, 3)
    components = match[3].split(".", count - 1)
    if len(components) != count or not _has_prefix(family, *components[:2]) or not all(components[2:]):
        return None
    return FAMILIES[family](*components)


def _has_prefix(family: str, prefix: str, reference: str) -> bool:
    """Whether company prefix and reference have the digits that the scheme asks for."""
    if not re.fullmatch("[0-9]{6,12}", prefix):
        return False
    if family in _PREFIXED_DIGITS:
        return re.fullmatch("[0-9]*", reference) is not None and len(prefix + reference) == _PREFIXED_DIGITS[family]
    return reference != ""


def _key_of_digital_link(text: str) -> str:
    # Path segments come in pairs, and a resolver may have path segments of its own in front.
    segments = urlsplit(text).path.split("/")
    for start, identifier in enumerate(segments):
        if identifier in {"00", "01", "8003", "8004"}:
            values = dict(zip(segments[start::2], map(unquote, segments[start + 1 :: 2]), strict=False))
            wanted = ("01", "21") if identifier == "01" else (identifier,)
            return _checked_key(tuple((ai, values.get(ai, "")) for ai in wanted))
    raise ValueError(f"{text!r} is no GS1 Digital Link of a unit; expected /00/, /01/.../21/, /8003/ or /8004/ in it")


def _key_of_hex(text: str) -> str:
    digits = text.isascii() and text.isdecimal()
    if digits and len(text) in _CLASS_LENGTHS:
        raise ValueError(
            f"{text} reads as a GTIN, which names no single unit; expected its serial number behind it, as in "
            f"(01){text.zfill(14)}(21)SERIAL, or epc:{text} for the hex of a tag"
        )
    if digits and len(text) == _SSCC_LENGTH - 1:
        raise ValueError(f"{text} has 17 digits, an SSCC has 18; its check digit would be {check_digit(text)}")
    if not _HEX.fullmatch(text):
        raise ValueError(f"{text!r} names no unit; expected {_FORMS}")
    decoded = decode(text)
    if decoded.error is not None and len(text) % 2:
        raise ValueError(f"{text} has an odd number of hex digits, one may be lost ({decoded.error})")
    return decoded.key


def _checked_key(elements: Elements) -> str:
    checked = validated(elements)
    if checked is None:
        raise ValueError(f"{element_string(elements)} names no unit; expected {_FORMS}")
    return element_string(checked)
