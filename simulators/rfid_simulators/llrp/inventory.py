"""The run of an active ROSpec: from what the radio hears to tag reports and events. Pure.

Source: LLRP 1.0.1 10.2 (ROSpec and AISpec boundaries), 13.2.1 (report triggers).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rfid_simulators.llrp import events
from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.hearing import Hearing
from rfid_simulators.llrp.rospec import AiSpec, GpiTrigger, ReportSpec, ReportTrigger, RoSpec, StartTrigger
from rfid_simulators.llrp.tag_reports import Accumulator, TagEncoder
from rfid_simulators.world.sighting import Radio, Sighting

RecordedReports = Callable[[int, int], Sequence[bytes]]
"""`recorded(start, end)`: RO_ACCESS_REPORT bodies due in that stretch of world time (microseconds, end excluded)."""

NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Sources:
    """What a reader hears: a world's radio, a recording, or both."""

    radio: Radio = lambda _start, _end: ()
    recorded: RecordedReports = lambda _start, _end: ()


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where a run puts what it makes; the reader decides what is sent, kept or dropped."""

    tags: Callable[[list[bytes], int], None]
    """A report is due with these TagReportData parameters at that world time."""
    keep: Callable[[list[bytes], int], None]
    """These wait for GET_REPORT."""
    body: Callable[[bytes], None]
    """A whole recorded report is due."""
    event: Callable[[events.NotificationType, bytes, int], None]
    """Something happened at that world time."""


class RoSpecRun:
    """One ROSpec while it is active. Owned by the table of ROSpecs."""

    def __init__(
        self,
        spec: RoSpec,
        report: ReportSpec,
        clock: ReaderClock,
        outlet: Outlet,
        hearing: Callable[[AiSpec], Hearing],
        at: int,
    ) -> None:
        self.spec = spec
        self.ended = False
        self.cursor = at
        """World time up to which the run has been worked out."""
        self._report = report
        self._outlet = outlet
        self._hearing_of = hearing
        self._encoder = TagEncoder(report, clock, spec.rospec_id)
        self._heard = Accumulator()
        self._earlier: list[bytes] = []
        self._begin(at)

    def advance(self, until: int, sources: Sources, antennas: frozenset[int]) -> None:
        """Work out the run up to world time `until`, or to its end where that comes first."""
        while self.cursor < until and not self.ended:
            end = min(until, self._deadline())
            for sighting in sources.radio(self.cursor, end):
                if sighting.antenna_id in antennas:
                    self._hear(sighting)
            for body in sources.recorded(self.cursor, end):
                self._outlet.body(body)
            self.cursor = end
            self._pass_deadlines()

    def gpi(self, port: int, *, high: bool, at: int) -> None:
        """React to an input that changed at world time `at`."""
        if _matches(self.spec.stop_gpi, port, high=high):
            self._end_rospec(at)
        elif _matches(self._ai_spec.stop_gpi, port, high=high):
            self._end_aispec(at)

    def stop(self) -> None:
        """End the ROSpec because the client says so."""
        self._finish(self.cursor)
        self.ended = True

    def take(self) -> list[bytes]:
        """Return the tags since the last report, encoded."""
        index, inventory = self._ai_index + 1, self._ai_spec.inventory_parameter_spec_id
        tags = self._earlier + [self._encoder.encode(seen, index, inventory) for seen in self._heard.take()]
        self._earlier = []
        return tags

    def _begin(self, at: int) -> None:
        self._began = at
        self._outlet.event(
            events.NotificationType.ROSPEC, events.rospec_event(events.RoSpecEvent.START, self.spec.rospec_id), at
        )
        self._begin_aispec(0, at)

    def _begin_aispec(self, index: int, at: int) -> None:
        self._ai_index = index
        self._ai_spec = self.spec.ai_specs[index]
        self._hearing = self._hearing_of(self._ai_spec)
        self._ai_began = at
        self._observations = 0

    def _hear(self, sighting: Sighting) -> None:
        wanted = self._ai_spec.antennas
        if self.ended or (wanted and sighting.antenna_id not in wanted):
            return
        heard = self._hearing.hear(sighting)
        if heard is None:
            return
        self._heard.add(heard)
        self._observations += 1
        if self._report.trigger and len(self._heard) + len(self._earlier) == self._report.n:
            self._outlet.tags(self.take(), sighting.at)
        if self._observations == self._ai_spec.observations:
            self._end_aispec(sighting.at)

    def _deadline(self) -> int:
        rospec = self._began + self.spec.duration_us if self.spec.duration_us else NEVER
        aispec = self._ai_began + self._ai_spec.duration_us if self._ai_spec.duration_us else NEVER
        return min(rospec, aispec)

    def _pass_deadlines(self) -> None:
        if self.spec.duration_us and self.cursor >= self._began + self.spec.duration_us:
            self._end_rospec(self.cursor)
        elif self._ai_spec.duration_us and self.cursor >= self._ai_began + self._ai_spec.duration_us:
            self._end_aispec(self.cursor)

    def _end_aispec(self, at: int) -> None:
        if self._report.trigger == ReportTrigger.N_TAGS_OR_END_OF_AISPEC:
            self._flush(at)
        else:
            self._earlier = self.take()
        ended = events.end_of_aispec(self.spec.rospec_id, self._ai_index + 1)
        self._outlet.event(events.NotificationType.AISPEC, ended, at)
        if self._ai_index + 1 < len(self.spec.ai_specs):
            self._begin_aispec(self._ai_index + 1, at)
        else:
            self._end_rospec(at)

    def _end_rospec(self, at: int) -> None:
        """End by the ROSpec's own triggers: one that starts immediately goes on at once, losing no sighting."""
        self._finish(at)
        if self.spec.start is StartTrigger.IMMEDIATE:
            self._begin(at)
        else:
            self.ended = True

    def _finish(self, at: int) -> None:
        if self._report.trigger is ReportTrigger.NONE:
            self._outlet.keep(self.take(), at)
        else:
            self._flush(at)
        ended = events.rospec_event(events.RoSpecEvent.END, self.spec.rospec_id)
        self._outlet.event(events.NotificationType.ROSPEC, ended, at)

    def _flush(self, at: int) -> None:
        if tags := self.take():
            self._outlet.tags(tags, at)


def _matches(trigger: GpiTrigger | None, port: int, *, high: bool) -> bool:
    return trigger is not None and trigger.port == port and trigger.high == high
