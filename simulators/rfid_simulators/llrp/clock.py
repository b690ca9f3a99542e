"""The simulated reader's own clock, which may be wrong as real ones are. Pure."""

from dataclasses import dataclass

from rfid_simulators.llrp.wire import ParameterType, tlv


@dataclass(slots=True)
class ReaderClock:
    """What the reader's clock shows at a moment of world time. Owned by the reader, which alone sets it.

    All times are integer microseconds; world time counts from when the world began.
    """

    world_began: int
    """True UTC at which the world began."""
    offset_us: int = 0
    """How much the reader's clock is ahead, but for the drift: minus 26 years for a reader in the year 2000."""
    drift_ppm: int = 0
    """How much too fast it goes."""
    has_utc: bool = True
    """A reader without UTC counts from its own start, which was `offset_us` before the world began."""

    def step(self, by_us: int) -> None:
        """Set the clock forward, or back by a negative number."""
        self.offset_us += by_us

    def set(self, shown: int, now: int) -> None:
        """Let the clock show a time of its own at world time `now`."""
        self.step(shown - self.shows(now))

    def shows(self, now: int) -> int:
        """Return the reader's time at world time `now`."""
        began = self.world_began if self.has_utc else 0
        return began + self.offset_us + now + now * self.drift_ppm // 1_000_000

    def when(self, shown: int) -> int:
        """Return the world time at which the reader's clock shows `shown`, within a microsecond."""
        began = self.world_began if self.has_utc else 0
        return (shown - began - self.offset_us) * 1_000_000 // (1_000_000 + self.drift_ppm)

    def timestamp(self, now: int) -> bytes:
        """Encode a UTCTimestamp or Uptime parameter (LLRP 1.0.1 7.1.3.1.1)."""
        return tlv(
            ParameterType.UTC_TIMESTAMP if self.has_utc else ParameterType.UPTIME, self.shows(now).to_bytes(8, "big")
        )
