"""Leaves parameters out of a tag report that are as in the tag before. Pure.

Source: LLRP 1.0.1 14.2.3: an optional parameter that is switched on and absent has its last reported value.
"""

from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.llrp.wire import tlv

_TV_FLAG = 0x80
_TLV_HEADER = 4
_ROSPEC_ID = 9
_ALWAYS = {11: 3, 12: 3, 13: 13}
"""Bytes of the TV parameters that belong to the tag itself: CRC, PC and EPC-96."""
_OPTIONAL = {1: 3, 2: 9, 3: 9, 4: 9, 5: 9, 6: 2, 7: 3, 8: 3, _ROSPEC_ID: 5, 10: 3, 14: 3, 16: 5}
"""Bytes of the TV parameters that may be left out, by type: antenna, times, RSSI, channel, count and specs."""
_LENGTHS = _ALWAYS | _OPTIONAL


class UnchangedFilter:
    """What the client was last told in this session. Owned by one simulated reader."""

    def __init__(self) -> None:
        self._told: dict[int, bytes] = {}

    def restart(self) -> None:
        """A new client has been told nothing."""
        self._told.clear()

    def shorten(self, tag: bytes) -> bytes:
        """Return a TagReportData parameter without what is as in the tag of the same ROSpec before."""
        parameters = _parameters(tag)
        rospec_id = next((raw for kind, raw in parameters if kind == _ROSPEC_ID), None)
        if rospec_id != self._told.get(_ROSPEC_ID):
            self._told.clear()
        kept = [raw for kind, raw in parameters if kind not in _OPTIONAL or self._told.get(kind) != raw]
        self._told.update((kind, raw) for kind, raw in parameters if kind in _OPTIONAL)
        return tlv(P.TAG_REPORT_DATA, *kept)


def _parameters(tag: bytes) -> list[tuple[int, bytes]]:
    """Cut a TagReportData parameter into its parameters; TLV parameters have type 128 and above."""
    found: list[tuple[int, bytes]] = []
    at = _TLV_HEADER
    while at < len(tag):
        is_tv = tag[at] & _TV_FLAG
        kind = tag[at] & 0x7F if is_tv else int.from_bytes(tag[at : at + 2], "big")
        length = _LENGTHS[kind] if is_tv else int.from_bytes(tag[at + 2 : at + 4], "big")
        found.append((kind, tag[at : at + length]))
        at += length
    return found
