"""Values that a reader leaves out because they have not changed (LLRP 1.0.1 section 14.2.3 (ii)). Pure.

What a reader has reported once in a ROSpec is enabled there, and where it is absent later, the last value counts.
"""

from typing import Literal, NamedTuple

from rfid_drivers.llrp.layout import Layout
from rfid_gateway.reads import TagRead

_MOST_SPECS = 64
"""Readers hold a few ROSpecs; more numbers than this are noise."""
_TIMES = frozenset({"first_seen", "last_seen"})


class _Known(NamedTuple):
    """What the reads of one ROSpec had so far."""

    given: frozenset[str]
    clock: Literal["utc", "uptime"] | None
    last: TagRead


class CarryForward:
    """Completes the reads of one connection. Owner: its report decoder.

    A damaged tag neither takes nor gives values: what it lacks may be what was damaged.
    """

    def __init__(self) -> None:
        self._specs: dict[int, _Known] = {}
        self._spec = 0

    def complete(self, layout: Layout, reads: list[TagRead]) -> list[TagRead]:
        """Fill in what these reads, which all lie as `layout`, leave out; costs nothing where nothing is."""
        if not layout.typical:
            return reads
        if layout.rospec_id is not None:
            self._spec = layout.rospec_id
        known = self._specs.get(self._spec)
        if known is None:
            if len(self._specs) >= _MOST_SPECS:
                self._specs.clear()
            self._specs[self._spec] = _Known(layout.given, layout.clock, reads[-1])
            return reads
        # A time of the other clock would be decades off.
        given = known.given if layout.clock in (None, known.clock) else known.given - _TIMES
        lacking = given - layout.given
        last = reads[-1]
        if lacking:
            # What the reader said last counts later on, not what was put in its place for one tag.
            last = last._replace(**{field: getattr(known.last, field) for field in lacking})
            reads = _fill(reads, lacking, known.last)
        self._specs[self._spec] = _Known(given | layout.given, layout.clock or known.clock, last)
        return reads


def _fill(reads: list[TagRead], lacking: frozenset[str], last: TagRead) -> list[TagRead]:
    values = {field: getattr(last, field) for field in lacking}
    filled = [read._replace(**values) for read in reads]
    if not lacking & _TIMES:
        return filled
    # A carried time that would turn the two around is none of this tag.
    return [
        new if new.first_seen <= new.last_seen else new._replace(first_seen=old.first_seen, last_seen=old.last_seen)
        for new, old in zip(filled, reads, strict=True)
    ]
