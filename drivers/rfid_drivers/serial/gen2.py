"""What a Gen2 tag sends when it is inventoried: PC, XPC words, EPC and CRC, as some readers pass it on. Pure.

Sources: EPC UHF Gen2 air interface 2.1, 6.3.2.1.2.2 (PC word) and 6.3.2.1.2.5 (XPC words); the CRC is that of
ISO/IEC 13239, checked against tags captured from M6e Nano, M100 and R200 modules.

    PC 2   XPC_W1 2 where bit 0200 of PC is set   XPC_W2 2 where bit 8000 of XPC_W1 is set   EPC   CRC 2
"""

import binascii
from typing import NamedTuple

_XPC = 0x0200
_XPC_W2 = 0x8000
_WORD = 2
_LEAST = 2 * _WORD
"""Bytes of a tag without an EPC: PC and CRC."""

EPC_LONGEST = 62
"""Bytes: 31 words is the most that a PC can announce."""


class Backscatter(NamedTuple):
    """One tag's reply."""

    pc: int
    epc: bytes
    crc_fits: bool
    """Whether the tag's CRC is right, over what was sent (PacketCRC) or over PC and EPC alone (StoredCRC)."""


def split_backscatter(reply: bytes) -> Backscatter | None:
    """Part a tag's reply; None unless it has an EPC of 1 to 31 whole words."""
    pc = int.from_bytes(reply[:_WORD], "big")
    start = _WORD
    if pc & _XPC:
        start += 2 * _WORD if int.from_bytes(reply[_WORD : 2 * _WORD], "big") & _XPC_W2 else _WORD
    epc = reply[start:-_WORD]
    if len(reply) < _LEAST or not epc or len(epc) % _WORD or len(epc) > EPC_LONGEST:
        return None
    crc = int.from_bytes(reply[-_WORD:], "big")
    fits = tag_crc(reply[:-_WORD]) == crc or (start > _WORD and tag_crc(reply[:_WORD] + epc) == crc)
    return Backscatter(pc, epc, fits)


def tag_crc(data: bytes) -> int:
    """Compute a tag's CRC-16: polynomial 1021, initial FFFF, inverted."""
    return binascii.crc_hqx(data, 0xFFFF) ^ 0xFFFF
