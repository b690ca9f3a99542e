"""Builds LLRP parameters in the TLV encoding (LLRP 1.0.1 section 16.2). Pure."""

import struct

from rfid_drivers.llrp.parameters import CUSTOM, TLV_HEADER


def tlv(kind: int, *parts: bytes) -> bytes:
    """One parameter: its type, its length, and what it holds."""
    body = b"".join(parts)
    return TLV_HEADER.pack(kind, TLV_HEADER.size + len(body)) + body


def custom(vendor: int, subtype: int, *parts: bytes) -> bytes:
    """One Custom parameter of a vendor (IANA private enterprise number)."""
    return tlv(CUSTOM, struct.pack("!II", vendor, subtype), *parts)
