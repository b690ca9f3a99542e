"""Walks one TagReportData parameter by parameter and notes where its values lie (LLRP 1.0.1 section 16.2.7.3)."""

import struct
from typing import NamedTuple

from rfid_drivers.llrp.parameters import CUSTOM, IMPINJ, TLV_HEADER, ZEBRA, LlrpDecodeError

EPC_DATA = 241
TAG_REPORT_DATA = 240
_SHORT = struct.Struct("!H")
_CUSTOM_HEADER = struct.Struct("!HHII")

_TV: dict[int, tuple[int, str, str]] = {
    1: (2, "H", "antenna_id"),
    2: (8, "Q", "first_utc"),
    3: (8, "Q", "first_uptime"),
    4: (8, "Q", "last_utc"),
    5: (8, "Q", "last_uptime"),
    6: (1, "b", "rssi_dbm"),
    7: (2, "H", "channel"),
    8: (2, "H", "tag_seen_count"),
    9: (4, "", "ROSpecID"),
    10: (2, "", "InventoryParameterSpecID"),
    11: (2, "", "C1G2-CRC"),
    12: (2, "H", "pc"),
    13: (12, "12s", "epc"),
    14: (2, "", "SpecIndex"),
    15: (2, "", "ClientRequestOpSpecResult"),
    16: (4, "", "AccessSpecID"),
    17: (2, "", "OpSpecID"),
    18: (4, "", "C1G2SingulationDetails"),
    19: (2, "", "C1G2XPCW1"),
    20: (2, "", "C1G2XPCW2"),
}
"""TV parameters of a tag: type -> bytes, struct format where we use the value, name."""

_CUSTOM_VALUES = {
    (IMPINJ, 56): ("H", "phase"),
    (IMPINJ, 57): ("h", "rssi_centi_dbm"),
    (IMPINJ, 68): ("h", "doppler"),
    (ZEBRA, 709): ("h", "half_turn_phase"),
}
"""Two-byte values of vendors' custom parameters: vendor and subtype -> struct format, name."""
_IMPINJ_SERIALIZED_TID = 55

_LATEST_TOP_BYTE = 0x01
"""Times from 2^57 microseconds (year 6536) on are no times: nothing behind the driver could store them."""
_TIME_TOP_MASK = 0xFE


class Value(NamedTuple):
    """Where one value lies in the tag's bytes."""

    offset: int
    format: str


class TagWalk:
    """What one TagReportData (with its header) contains; built whole, then only read.

    Attributes:
        values: name of a value -> where it lies. Of a parameter that comes twice, the last counts.
        pinned: offset of every byte that decides where values lie: types, lengths, vendors.
        epc_bits: length of the EPC.
        rospec_id: of the ROSpec that reports it; None where the tag does not say.
        error: what ended the walk early, empty if nothing did. What came before it is good.
        typical: other tags may be expected to look the same.
    """

    def __init__(self, tag: bytes) -> None:
        self.tag = tag
        self.values: dict[str, Value] = {}
        self.pinned: list[tuple[int, int]] = [(offset, 0xFF) for offset in range(TLV_HEADER.size)]
        self.epc_bits = 0
        self.rospec_id: int | None = None
        self.error = ""
        self.typical = True
        try:
            self._walk()
        except LlrpDecodeError as error:
            self.error = str(error)
        if not self.error and not self.epc_bits:
            self.error = "a tag without an EPC"
        self.typical &= not self.error

    def _walk(self) -> None:
        position = TLV_HEADER.size
        while position < len(self.tag):
            parse = self._tv if self.tag[position] & 0x80 else self._tlv
            position += parse(position)

    def _tv(self, at: int) -> int:
        """Note a TV parameter; return its length (LLRP 1.0.1 section 16.2)."""
        kind = self.tag[at] & 0x7F
        if kind not in _TV:
            raise LlrpDecodeError(f"byte {at}: unknown TV parameter {kind}, so nobody knows where it ends")
        size, form, name = _TV[kind]
        if at + 1 + size > len(self.tag):
            raise LlrpDecodeError(f"byte {at}: {name} needs {size} bytes, {len(self.tag) - at - 1} are left")
        self._pin(at, 1)
        if form == "Q":
            self._time(name, at + 1)
        elif form:
            self.values[name] = Value(at + 1, form)
        if name == "epc":
            self.epc_bits = 96
        elif name == "ROSpecID":
            self.rospec_id = int.from_bytes(self.tag[at + 1 : at + 1 + size])
            self._pin(at + 1, size)
        return 1 + size

    def _time(self, name: str, at: int) -> None:
        if self.tag[at] > _LATEST_TOP_BYTE:
            self.typical = False
            return
        self.pinned.append((at, _TIME_TOP_MASK))
        self.values[name] = Value(at, "Q")

    def _tlv(self, at: int) -> int:
        """Note a TLV parameter; return its length."""
        left = len(self.tag) - at
        if left < TLV_HEADER.size:
            raise LlrpDecodeError(f"byte {at}: {left} bytes left over, expected a parameter")
        word, length = int.from_bytes(self.tag[at : at + 2]), int.from_bytes(self.tag[at + 2 : at + 4])
        kind = word & 0x3FF
        if not TLV_HEADER.size <= length <= left:
            raise LlrpDecodeError(f"byte {at}: parameter {kind} gives a length of {length}, expected 4 to {left}")
        self._pin(at, TLV_HEADER.size)
        if kind == EPC_DATA:
            self._epc_data(at + TLV_HEADER.size, length - TLV_HEADER.size)
        elif kind == CUSTOM:
            self._custom(at, length)
        return length

    def _epc_data(self, at: int, size: int) -> None:
        """EPCData: the length in bits, then as many bytes as that takes."""
        if size < _SHORT.size:
            raise LlrpDecodeError(f"byte {at}: EPCData without its bit length")
        (bits,) = _SHORT.unpack_from(self.tag, at)
        count = (bits + 7) // 8
        if count > size - _SHORT.size:
            raise LlrpDecodeError(f"byte {at}: EPCData of {bits} bits in {size - _SHORT.size} bytes")
        self._pin(at, _SHORT.size)
        self.values["epc"] = Value(at + _SHORT.size, f"{count}s")
        self.epc_bits = bits

    def _custom(self, at: int, length: int) -> None:
        """The extensions of a tag that we know; all others are skipped by their length."""
        if length < _CUSTOM_HEADER.size:
            raise LlrpDecodeError(f"byte {at}: custom parameter of {length} bytes, expected at least 12")
        _, _, vendor, subtype = _CUSTOM_HEADER.unpack_from(self.tag, at)
        self._pin(at, _CUSTOM_HEADER.size)
        size = length - _CUSTOM_HEADER.size
        if size < _SHORT.size:
            return
        value = at + _CUSTOM_HEADER.size
        if (vendor, subtype) in _CUSTOM_VALUES:
            form, name = _CUSTOM_VALUES[vendor, subtype]
            self.values[name] = Value(value, form)
        elif (vendor, subtype) == (IMPINJ, _IMPINJ_SERIALIZED_TID):
            (words,) = _SHORT.unpack_from(self.tag, value)
            if words * 2 > size - _SHORT.size:
                raise LlrpDecodeError(f"byte {value}: TID of {words} words in {size - _SHORT.size} bytes")
            self._pin(value, _SHORT.size)
            self.values["tid"] = Value(value + _SHORT.size, f"{words * 2}s")

    def _pin(self, at: int, size: int) -> None:
        self.pinned.extend((offset, 0xFF) for offset in range(at, at + size))
