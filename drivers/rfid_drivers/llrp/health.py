"""What is wrong with a reader that still reads, in words. Pure."""

TROUBLE_LASTS_US = 60_000_000
"""How long an incident (lost reports, an exception in the reader) shows after it was last told."""

_SHOWN_INCIDENTS = 5
"""The words may be the reader's own, different each time; nobody reads more than these."""


class Health:
    """Keeps the antennas that are gone and the incidents of late. Owner: the session. Times are monotonic."""

    def __init__(self) -> None:
        self._lost_antennas: set[int] = set()
        self._incidents: dict[str, int] = {}

    def antenna(self, antenna_id: int, *, connected: bool) -> None:
        """Note an AntennaEvent."""
        if connected:
            self._lost_antennas.discard(antenna_id)
        else:
            self._lost_antennas.add(antenna_id)

    def incident(self, words: str, now_us: int) -> None:
        """Note something that is over already, but that people should see."""
        self._incidents.pop(words, None)
        if len(self._incidents) >= _SHOWN_INCIDENTS:
            del self._incidents[next(iter(self._incidents))]
        self._incidents[words] = now_us + TROUBLE_LASTS_US

    def problems(self, now_us: int) -> tuple[str, ...]:
        """Tell what is wrong now, for people; empty when all is well."""
        if not self._lost_antennas and not self._incidents:
            return ()
        self._incidents = {words: until for words, until in self._incidents.items() if until > now_us}
        antennas = tuple(f"antenna {antenna} is disconnected" for antenna in sorted(self._lost_antennas))
        return antennas + tuple(self._incidents)
