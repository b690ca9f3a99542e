"""What is wrong with a reader that still reads, in words. Pure."""

from collections.abc import Iterable

from rfid_drivers.llrp.events import HealthChanged

TROUBLE_LASTS_US = 60_000_000
"""How long an incident (lost reports, an exception in the reader) shows after it was last told."""

_SHOWN_INCIDENTS = 5
"""The words may be the reader's own, different each time; nobody reads more than these."""


class Health:
    """Keeps the antennas, the temperature and the incidents of late. Owner: the session. Times are monotonic.

    Attributes:
        temperature: degrees Celsius, where the reader gives it.
    """

    def __init__(self) -> None:
        self.temperature: float | None = None
        self._antennas: set[int] | None = None
        self._lost_antennas: set[int] = set()
        self._incidents: dict[str, int] = {}

    def connected(self, antenna_id: int) -> None:
        """Note an antenna that is there."""
        self._lost_antennas.discard(antenna_id)
        if self._antennas is not None:
            self._antennas.add(antenna_id)

    def absent(self, antenna_id: int) -> None:
        """Note a port without an antenna, which is no trouble by itself."""
        if self._antennas is not None:
            self._antennas.discard(antenna_id)

    def lost(self, antenna_id: int) -> None:
        """Note an antenna that should be there and is not."""
        self._lost_antennas.add(antenna_id)

    def inspected(self, connected: Iterable[int]) -> None:
        """Note that the reader told of all its antennas, and that these are connected."""
        self._antennas = set(connected)
        self._lost_antennas -= self._antennas

    def incident(self, words: str, now_us: int) -> None:
        """Note something that is over already, but that people should see."""
        self._incidents.pop(words, None)
        if len(self._incidents) >= _SHOWN_INCIDENTS:
            del self._incidents[next(iter(self._incidents))]
        self._incidents[words] = now_us + TROUBLE_LASTS_US

    def report(self, now_us: int) -> HealthChanged:
        """Tell how the reader is now."""
        antennas = None if self._antennas is None else tuple(sorted(self._antennas))
        return HealthChanged(self.problems(now_us), antennas, self.temperature)

    def problems(self, now_us: int) -> tuple[str, ...]:
        """Tell what is wrong now, for people; empty when all is well."""
        if not self._lost_antennas and not self._incidents:
            return ()
        self._incidents = {words: until for words, until in self._incidents.items() if until > now_us}
        antennas = tuple(f"antenna {antenna} is disconnected" for antenna in sorted(self._lost_antennas))
        return antennas + tuple(self._incidents)
