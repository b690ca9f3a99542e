"""The gateway's own UTC: the PC's, without its jumps.

A direction at a door follows from the order of reads within seconds, and a clock that is set in between would turn it
round. So UTC runs on the monotonic clock and is led to the PC's: by small corrections at a slower or faster pace, by
a step where no passage is open. Timers use the monotonic clock alone and notice nothing of either.
"""

from dataclasses import dataclass

from rfid_gateway.clock import Clock

SLEW_US = 10_000_000
"""Corrections up to this (a leap second, NTP after a long outage) are smeared; never does UTC go backwards then."""
SLEW_SHARE = 20
"""One part in so many: a leap second takes 20 s."""
PATIENCE_US = 30_000_000
"""How long a step waits for a moment without open passages: twice the default cap of a passage."""
EARLIEST_UTC_US = 1_735_689_600_000_000
"""2025-01-01: a PC whose clock shows less has lost its battery and not yet asked a time server."""


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The PC's clock was set, or is to be."""

    by: int
    """Microseconds; negative where it was set back."""
    at: int
    """UTC after the change, microseconds."""

    def words(self) -> str:
        """For people."""
        way = "forward" if self.by > 0 else "back"
        return f"the PC's clock was set {way} by {abs(self.by) / 1e6:.1f} s; the order of events is that of `sequence`"


class SteadyClock:
    """A `Clock` for all threads. Owner: the pipeline's thread, which alone calls `steer`; others only ask."""

    def __init__(self, pc: Clock, last_known_utc: int) -> None:
        """Begin with the PC's time, or with the last known one where the PC's cannot be right.

        Args:
            pc: the PC's clocks.
            last_known_utc: the time of the last sign of life of an earlier run, microseconds; 0 if there is none.
        """
        self._pc = pc
        utc, monotonic = pc.utc_us(), pc.monotonic_us()
        self.wrong = utc < EARLIEST_UTC_US
        """The PC's clock cannot be right; events carry the last known time, counted on."""
        # One attribute that is replaced whole: other threads never see half a change.
        self._base = (max(utc, last_known_utc) if self.wrong else utc) - monotonic
        self._steered_at = monotonic
        self._step_seen_at: int | None = None

    def utc_us(self) -> int:
        """UTC, microseconds: never jumps but by a step that `steer` has returned."""
        return self._base + self._pc.monotonic_us()

    def monotonic_us(self) -> int:
        """The PC's monotonic clock, microseconds."""
        return self._pc.monotonic_us()

    def steer(self, *, passages_open: bool) -> ClockChange | None:
        """Come nearer to the PC's UTC; to be called often. Returns a step that was made now, if any."""
        utc, now = self._pc.utc_us(), self._pc.monotonic_us()
        passed, self._steered_at = now - self._steered_at, now
        self.wrong = utc < EARLIEST_UTC_US
        apart = utc - (self._base + now)
        if self.wrong or apart == 0:
            self._step_seen_at = None
            return None
        if abs(apart) <= SLEW_US:
            self._step_seen_at = None
            most = passed // SLEW_SHARE
            self._base += max(-most, min(most, apart))
            return None
        if self._step_seen_at is None:
            self._step_seen_at = now
        if passages_open and now - self._step_seen_at < PATIENCE_US:
            return None
        self._step_seen_at = None
        self._base += apart
        return ClockChange(apart, utc)

    @property
    def apart(self) -> int:
        """How far the PC's clock is from the gateway's now, microseconds."""
        return self._pc.utc_us() - self.utc_us()
