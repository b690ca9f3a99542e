"""RO_ACCESS_REPORT into tag reads: the hot path of the driver (LLRP 1.0.1 section 16.1.30)."""

from typing import Literal, NamedTuple

from rfid_drivers.llrp.carry_forward import CarryForward
from rfid_drivers.llrp.layout import Layout
from rfid_drivers.llrp.parameters import TLV_HEADER
from rfid_drivers.llrp.tag_walk import TAG_REPORT_DATA, TagWalk
from rfid_gateway.reads import TagRead

_KEPT_LAYOUTS = 16


class DecodedReport(NamedTuple):
    """What one RO_ACCESS_REPORT contained."""

    tag_reads: tuple[TagRead, ...]
    """In the order of the report; times in the reader's clock."""
    clock: Literal["utc", "uptime"] | None
    """What the times count from: 1970, or the reader's start; None where the tags carry no times."""
    errors: tuple[str, ...] = ()
    """What did not follow LLRP; everything else of the report was kept."""


class ReportDecoder:
    """Decodes the reports of one connection, remembering how its tags lie and what they told. Owner: the session."""

    def __init__(self) -> None:
        self._layouts: dict[int, Layout] = {}
        self._carry = CarryForward()

    def decode(self, body: bytes, now: int) -> DecodedReport:
        """Decode the body of RO_ACCESS_REPORT; never raises, damage is told in `errors`.

        Args:
            body: the message without its header.
            now: what the reader's clock shows, microseconds: the time of tags that carry none.
        """
        layout = self._layouts.get(int.from_bytes(body[2:4]))
        if layout and layout.matches(body):
            return DecodedReport(tuple(self._carry.complete(layout, layout.reads(body, now))), layout.clock)
        return self._decode_one_by_one(body, now)

    def _decode_one_by_one(self, body: bytes, now: int) -> DecodedReport:
        reads: list[TagRead] = []
        errors: list[str] = []
        clock: Literal["utc", "uptime"] | None = None
        position, end = 0, len(body)
        while position < end:
            length = int.from_bytes(body[position + 2 : position + 4])
            if not TLV_HEADER.size <= length <= end - position:
                errors.append(f"byte {position}: length {length}, expected 4 to {end - position}; rest skipped")
                break
            if int.from_bytes(body[position : position + 2]) & 0x3FF == TAG_REPORT_DATA:
                tag = body[position : position + length]
                layout, error = self._layout_of(tag)
                if error:
                    errors.append(f"tag at byte {position}: {error}")
                if layout:
                    reads += self._carry.complete(layout, layout.reads(tag, now))
                    clock = layout.clock or clock
            position += length
        return DecodedReport(tuple(reads), clock, tuple(errors))

    def _layout_of(self, tag: bytes) -> tuple[Layout | None, str]:
        known = self._layouts.get(len(tag))
        if known and known.matches(tag):
            return known, ""
        walk = TagWalk(tag)
        if not walk.epc_bits:
            return None, walk.error
        layout = Layout(walk)
        if walk.typical:
            if len(self._layouts) >= _KEPT_LAYOUTS:
                self._layouts.clear()
            self._layouts[len(tag)] = layout
        return layout, walk.error
