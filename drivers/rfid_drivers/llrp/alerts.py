"""How often people are told of the same trouble. Pure."""

from dataclasses import dataclass

QUIET_US = 10_000_000
"""A reader in trouble may tell it a thousand times a second; one alert of a kind in this time is enough."""


@dataclass(frozen=True, slots=True)
class CountedAlert:
    """An alert that is due."""

    kind: str
    detail: str
    count: int


class AlertCounter:
    """Counts alerts by kind and spaces them out. Owner: the driver, over all its connections; times are monotonic.

    The kinds are the driver's own words, so what is kept is bounded.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._details: dict[str, str] = {}
        self._quiet_until: dict[str, int] = {}

    def note(self, kind: str, detail: str) -> None:
        """Count one; `due` hands it out."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._details[kind] = detail

    def due(self, now_us: int) -> list[CountedAlert]:
        """Take what people should be told now: the latest detail of a kind, and how many there were so far."""
        if not self._details:
            return []
        kinds = [kind for kind in self._details if now_us >= self._quiet_until.get(kind, now_us)]
        self._quiet_until |= dict.fromkeys(kinds, now_us + QUIET_US)
        return [CountedAlert(kind, self._details.pop(kind), self._counts[kind]) for kind in kinds]
