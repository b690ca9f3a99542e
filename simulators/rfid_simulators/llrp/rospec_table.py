"""The reader's ROSpecs and their states. Pure.

Source: LLRP 1.0.1 10.1 (operations on ROSpecs), 10.2.1 (states disabled, inactive, active).
"""

from collections.abc import Callable

from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.hearing import Hearing
from rfid_simulators.llrp.inventory import NEVER, Outlet, RoSpecRun, Sources
from rfid_simulators.llrp.rospec import AiSpec, ReportSpec, RoSpec, RoSpecState, StartTrigger
from rfid_simulators.llrp.status import RequestError, StatusCode, bad_field
from rfid_simulators.llrp.wire import ParameterType as P

ALL = 0
"""The ROSpecID that means every ROSpec, where that is allowed."""


class _Entry:
    """One ROSpec in the table, which owns it."""

    def __init__(self, spec: RoSpec) -> None:
        self.spec = spec
        self.state = RoSpecState.DISABLED
        self.next_start = NEVER


class RoSpecTable:
    """All ROSpecs of a reader; at most one is active. Owned by the reader.

    Args:
        capacity: how many ROSpecs fit.
        clock: the reader's clock.
        outlet: where running ROSpecs put reports and events.
        default_report: the reader's own ROReportSpec, asked for whenever a ROSpec without one starts.
        hearing: how the antennas are set, asked for whenever an AISpec starts.
    """

    def __init__(
        self,
        capacity: int,
        clock: ReaderClock,
        outlet: Outlet,
        default_report: Callable[[], ReportSpec],
        hearing: Callable[[AiSpec], Hearing],
    ) -> None:
        self._capacity = capacity
        self._clock = clock
        self._outlet = outlet
        self._default_report = default_report
        self._hearing = hearing
        self._entries: dict[int, _Entry] = {}
        self._active: tuple[_Entry, RoSpecRun] | None = None

    def encoded(self) -> bytes:
        """Return every ROSpec parameter with its present state, as GET_ROSPECS wants them."""
        return b"".join(entry.spec.encoded(entry.state) for entry in self._entries.values())

    def add(self, spec: RoSpec) -> None:
        """Take a new ROSpec in, disabled.

        Raises:
            RequestError: its number is taken, or the table is full.
        """
        if spec.rospec_id in self._entries:
            text = f"ROSpec {spec.rospec_id} exists already"
            raise RequestError(text, StatusCode.P_FIELD_ERROR, (P.ROSPEC,), 0, StatusCode.A_INVALID)
        if len(self._entries) == self._capacity:
            text = f"there are {self._capacity} ROSpecs already, and no more fit"
            raise RequestError(text, StatusCode.M_OVERFLOW_PARAMETER)
        self._entries[spec.rospec_id] = _Entry(spec)

    def delete(self, rospec_id: int, now: int) -> None:
        """Remove one ROSpec or all, ending it first where it is active."""
        for entry in self._chosen(rospec_id):
            self._halt(entry, RoSpecState.DISABLED)
            del self._entries[entry.spec.rospec_id]
        self._start_immediate(now)

    def enable(self, rospec_id: int, now: int) -> None:
        """Arm one ROSpec or all; one that starts immediately becomes active."""
        for entry in self._chosen(rospec_id):
            if entry.state is RoSpecState.DISABLED:
                entry.state = RoSpecState.INACTIVE
                entry.next_start = self._first_start(entry.spec, now)
        self._start_immediate(now)

    def disable(self, rospec_id: int, now: int) -> None:
        """Disarm one ROSpec or all, ending it first where it is active."""
        for entry in self._chosen(rospec_id):
            self._halt(entry, RoSpecState.DISABLED)
        self._start_immediate(now)

    def start(self, rospec_id: int, now: int) -> None:
        """Make one inactive ROSpec active; an active one stays as it is.

        Raises:
            RequestError: there is none of that number, it is disabled, or another one is active.
        """
        entry = self._named(rospec_id)
        if entry.state is RoSpecState.DISABLED:
            raise bad_field(f"ROSpec {rospec_id} is disabled, enable it first", 0)
        if self._active and self._active[0] is not entry:
            raise bad_field(f"ROSpec {self._active[0].spec.rospec_id} is active", 0)
        if not self._active:
            self._run(entry, now)

    def stop(self, rospec_id: int, _now: int) -> None:
        """Make one active ROSpec inactive, to be started by the client again; an inactive one stays as it is.

        Raises:
            RequestError: there is none of that number, or it is disabled (an R420 says M_FieldError then).
        """
        entry = self._named(rospec_id)
        if entry.state is RoSpecState.DISABLED:
            raise bad_field(f"ROSpec {rospec_id} is disabled", 0)
        self._halt(entry, RoSpecState.INACTIVE)

    def gpi(self, port: int, now: int, *, high: bool) -> None:
        """Let an input that changed start or stop ROSpecs."""
        if self._active:
            self._active[1].gpi(port, high=high, at=now)
            self._retire_ended()
        for entry in self._entries.values():
            trigger = entry.spec.start_gpi
            armed = entry.state is RoSpecState.INACTIVE and entry.spec.start is StartTrigger.GPI and not self._active
            if armed and trigger and (trigger.port, trigger.high) == (port, high):
                self._run(entry, now)

    def advance(self, now: int, sources: Sources, antennas: frozenset[int]) -> None:
        """Work out everything up to world time `now`."""
        while True:
            if self._active:
                self._active[1].advance(now, sources, antennas)
                if not self._retire_ended():
                    return
            elif not self._start_periodic(now):
                return

    def take(self) -> list[bytes]:
        """Return what the active ROSpec has heard since its last report, encoded."""
        return self._active[1].take() if self._active else []

    def _chosen(self, rospec_id: int) -> list[_Entry]:
        return list(self._entries.values()) if rospec_id == ALL else [self._named(rospec_id)]

    def _named(self, rospec_id: int) -> _Entry:
        entry = self._entries.get(rospec_id)
        if entry is None:
            raise bad_field(f"there is no ROSpec {rospec_id}", 0)
        return entry

    def _run(self, entry: _Entry, at: int) -> None:
        entry.state = RoSpecState.ACTIVE
        report = entry.spec.report or self._default_report()
        self._active = (entry, RoSpecRun(entry.spec, report, self._clock, self._outlet, self._hearing, at))

    def _halt(self, entry: _Entry, state: RoSpecState) -> None:
        if self._active and self._active[0] is entry:
            self._active[1].stop()
            self._active = None
        entry.state = state

    def _retire_ended(self) -> bool:
        """Whether the active ROSpec had ended and made room."""
        if self._active is None or not self._active[1].ended:
            return False
        entry, run = self._active
        entry.state, self._active = RoSpecState.INACTIVE, None
        self._start_immediate(run.cursor)
        return True

    def _start_immediate(self, at: int) -> None:
        waiting = (entry for entry in self._entries.values() if entry.state is RoSpecState.INACTIVE)
        first = next((entry for entry in waiting if entry.spec.start is StartTrigger.IMMEDIATE), None)
        if first and not self._active:
            self._run(first, at)

    def _first_start(self, spec: RoSpec, now: int) -> int:
        if spec.start is not StartTrigger.PERIODIC or spec.periodic is None:
            return NEVER
        origin = now if spec.periodic.utc is None else self._clock.when(spec.periodic.utc)
        return max(now, origin + spec.periodic.offset_us)

    def _start_periodic(self, now: int) -> bool:
        """Whether a periodic ROSpec was due and has started."""
        armed = [entry for entry in self._entries.values() if entry.state is RoSpecState.INACTIVE]
        due = min(armed, key=lambda entry: entry.next_start, default=None)
        if due is None or due.next_start > now:
            return False
        at, period = due.next_start, due.spec.periodic.period_us if due.spec.periodic else 0
        due.next_start = at + period if period else NEVER
        self._run(due, at)
        return True
