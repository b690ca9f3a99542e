"""How long something took, counted into buckets: what a Prometheus histogram is made of. Pure."""

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations that were counted so far."""

    bounds_us: tuple[int, ...]
    """Upper bounds of the buckets, microseconds, ascending; one bucket more has no bound."""
    counts: tuple[int, ...]
    """Durations in each bucket alone; one more than there are bounds."""
    sum_us: int = 0


class Durations:
    """Counts durations; costs well below a microsecond. Owner: whoever made it; other threads call `distribution`."""

    def __init__(self, bounds_us: tuple[int, ...]) -> None:
        """Begin with nothing counted; bounds are microseconds, ascending."""
        self._bounds_us = bounds_us
        self._counts = [0] * (len(bounds_us) + 1)
        self._sum_us = 0

    def add(self, duration_us: int) -> None:
        """Count one duration, microseconds."""
        self._counts[bisect_left(self._bounds_us, duration_us)] += 1
        self._sum_us += duration_us

    def distribution(self) -> Distribution:
        """What was counted so far; looked at from another thread, the sum may be one duration behind the counts."""
        return Distribution(self._bounds_us, tuple(self._counts), self._sum_us)
