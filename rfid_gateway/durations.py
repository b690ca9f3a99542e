"""How long something took, counted into buckets: what a Prometheus histogram is made of. Pure."""

from bisect import bisect_left
from collections import deque
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


_PUBLISHING_BOUNDS_US = (
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    10_000_000,
    60_000_000,
    3_600_000_000,
)
_COMMITS_MAX = 10_000


class PublishingDurations:
    """From a commit of events to the broker's acknowledgement of the last of them, one duration for each commit.

    Two threads share it without a lock, because each end of a deque is one operation: the pipeline's calls `committed`,
    the publisher's `acknowledged`. While the broker is away for long, the oldest commits are not counted.
    """

    def __init__(self) -> None:
        self._commits: deque[tuple[int, int]] = deque(maxlen=_COMMITS_MAX)
        """Sequence of the last event, and when it was committed."""
        self._durations = Durations(_PUBLISHING_BOUNDS_US)

    def committed(self, sequence: int, now: int) -> None:
        """Events up to this sequence are committed; `now` is monotonic, microseconds."""
        self._commits.append((sequence, now))

    def acknowledged(self, sequence: int, now: int) -> None:
        """The broker acknowledged an event; for every event, so this costs next to nothing."""
        commits = self._commits
        while commits and commits[0][0] <= sequence:
            _, at = commits.popleft()
            self._durations.add(now - at)

    def distribution(self) -> Distribution:
        """What was counted so far; from any thread."""
        return self._durations.distribution()
