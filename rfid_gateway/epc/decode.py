"""An EPC as a reader delivers it, to everything that GS1 TDS 2.3 lets one say about it."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from rfid_gateway.epc.bits import BitReader, CannotDecodeError
from rfid_gateway.epc.identifiers import FAMILIES, element_string, web_uri
from rfid_gateway.epc.plus import PLUS_SCHEMES, PlusScheme, read_plus
from rfid_gateway.epc.schemes import SCHEMES, Scheme, read_components
from rfid_gateway.epc.text import escape

_CACHED = 8_192
"""About 7 MB. Tags that are about are decoded with every observation; reads are not decoded at all."""
_HEX = re.compile("[0-9A-Fa-f]+")
_UNIT_FAMILIES = frozenset({"SSCC", "SGTIN", "DSGTIN", "GRAI", "GIAI"})
_UNUSED_HEADERS = {
    0x00: "header 00: the tag is not programmed",
    0xE2: "header E2: a TID or the chip maker's number, not an EPC",
}


@dataclass(frozen=True, slots=True)
class DecodedEpc:
    """What an EPC says. A field is None where it does not apply; when `error` is set, all but the raw URI are."""

    hex: str
    """As given, in upper case if it is hex."""
    scheme: str | None
    """`SGTIN-96`, `SSCC+`, ..."""
    filter: int | None
    epc_uri: str | None
    """EPC URN (`urn:epc:id:...`); `urn:epc:raw:...` for what cannot be decoded (TDS 2.3 15.2.1)."""
    tag_uri: str | None
    """`urn:epc:tag:...`."""
    element_string: str | None
    """`(00)340123450000000017`."""
    digital_link: str | None
    error: str | None
    """Why it could not be decoded, in words."""

    @property
    def uri(self) -> str:
        """What stands for the tag in an EPCIS epcList: EPC URN, else Digital Link, else raw URI."""
        if self.epc_uri is not None:
            return self.epc_uri
        if self.digital_link is not None:
            # A DSGTIN is the same object whatever its date (TDS 2.3 E.3).
            return self.digital_link.partition("?")[0]
        return _raw_uri(self.hex, None)

    @property
    def key(self) -> str:
        """The key of the shipment directory, see `rfid_gateway.shipments.directory`."""
        if self.element_string is None or _family(self.scheme) not in _UNIT_FAMILIES:
            return f"epc:{self.hex}"
        if _family(self.scheme) == "DSGTIN":
            return self.element_string.rpartition("(")[0]
        return self.element_string

    @property
    def sscc(self) -> str | None:
        """The 18 digits of a logistic unit's SSCC."""
        if self.element_string is None or _family(self.scheme) != "SSCC":
            return None
        return self.element_string.removeprefix("(00)")


def decode(epc_hex: str, *, afi: int | None = None) -> DecodedEpc:
    """Return what an EPC says. Never raises: what cannot be decoded has `error` and a raw URI.

    Bits behind the end of the EPC are ignored: readers deliver whole 16-bit words, and more.

    Args:
        epc_hex: the EPC alone, in hex: no CRC and no PC word. Behind its PC word, `3000`, nearly every EPC decodes
            to an SGTIN-96 that does not exist.
        afi: application family identifier, where the PC word's toggle bit (bit 17h) is 1. The tag's content is
            then no EPC.
    """
    return _decode(epc_hex, afi)


@lru_cache(maxsize=_CACHED)
def _decode(text: str, afi: int | None) -> DecodedEpc:
    if not _HEX.fullmatch(text):
        error = f"expected hex digits, got {text[:40]!r}" if text else "no EPC: the tag holds none"
        return _undecoded(text, None, error)
    epc_hex = text.upper()
    raw_uri = _raw_uri(epc_hex, afi)
    if afi is not None:
        return _undecoded(epc_hex, raw_uri, f"AFI {afi:02X}: the tag follows another standard and holds no EPC")
    if len(epc_hex) == 1:
        return _undecoded(epc_hex, raw_uri, "a header has two hex digits, only one is there")
    return _decode_by_header(epc_hex, raw_uri)


def _decode_by_header(epc_hex: str, raw_uri: str) -> DecodedEpc:
    header = int(epc_hex[:2], 16)
    scheme = SCHEMES.get(header) or PLUS_SCHEMES.get(header)
    if scheme is None:
        return _undecoded(epc_hex, raw_uri, _UNUSED_HEADERS.get(header, f"header {header:02X} is reserved"))
    reader = BitReader(int(epc_hex[2:] or "0", 16), 4 * (len(epc_hex) - 2))
    try:
        if isinstance(scheme, PlusScheme):
            return _decode_plus(epc_hex, scheme, reader)
        return _decode_urn(epc_hex, scheme, reader)
    except CannotDecodeError as error:
        return _undecoded(epc_hex, raw_uri, f"{scheme.name}: {error}")


def _decode_urn(epc_hex: str, scheme: Scheme, reader: BitReader) -> DecodedEpc:
    filter_value, components = read_components(scheme, reader)
    escaped = ".".join(map(escape, components))
    tagged = escaped if filter_value is None else f"{filter_value}.{escaped}"
    elements = FAMILIES[scheme.family](*components) if scheme.family in FAMILIES else None
    return DecodedEpc(
        hex=epc_hex,
        scheme=scheme.name,
        filter=filter_value,
        epc_uri=f"urn:epc:id:{scheme.family}:{escaped}",
        tag_uri=f"urn:epc:tag:{scheme.name.lower()}:{tagged}",
        element_string=element_string(elements) if elements else None,
        digital_link=web_uri(elements) if elements else None,
        error=None,
    )


def _decode_plus(epc_hex: str, scheme: PlusScheme, reader: BitReader) -> DecodedEpc:
    content = read_plus(scheme, reader)
    return DecodedEpc(
        hex=epc_hex,
        scheme=scheme.name,
        filter=content.filter,
        epc_uri=None,
        tag_uri=None,
        element_string=element_string(content.elements + content.date),
        digital_link=web_uri(content.elements, content.date, content.hostname),
        error=None,
    )


def _undecoded(text: str, raw_uri: str | None, error: str) -> DecodedEpc:
    return DecodedEpc(
        hex=text,
        scheme=None,
        filter=None,
        epc_uri=raw_uri,
        tag_uri=None,
        element_string=None,
        digital_link=None,
        error=error,
    )


def _family(scheme: str | None) -> str:
    return (scheme or "").rstrip("+").partition("-")[0]


def _raw_uri(text: str, afi: int | None) -> str:
    family = "" if afi is None else f"x{afi:02X}."
    # Text that is no hex comes from no reader; escaped, it makes at least a URI.
    return f"urn:epc:raw:{4 * len(text)}.{family}x{quote(text, safe='', errors='replace')}"
