"""Where tag reports wait while no client takes them. Pure.

Source: LLRP 1.0.1 12.2.6.4 (EventsAndReports), 13.1.4.4.4 and 13.1.4.4.5 (buffer level warning and overflow).
"""

WARN_PERCENT = 80
LARGEST_REPORT = 200
"""TagReportData parameters in one RO_ACCESS_REPORT when a full buffer is sent."""


class ReportBuffer:
    """Encoded TagReportData parameters in order, up to a limit. Owned by one simulated reader."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: list[bytes] = []
        self._warned = False
        self._overflowed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, tags: list[bytes]) -> int:
        """Keep what fits and return how many did not and are lost."""
        room = self._capacity - len(self._waiting)
        self._waiting += tags[:room]
        lost = max(0, len(tags) - room)
        self._overflowed = self._overflowed or lost > 0
        return lost

    def new_warning(self) -> int | None:
        """Return the percentage once after the buffer got nearly full, else None."""
        percent = len(self._waiting) * 100 // self._capacity
        if self._warned or percent < WARN_PERCENT:
            return None
        self._warned = True
        return percent

    @property
    def overflowed(self) -> bool:
        """Whether tags were lost since the buffer was last taken."""
        return self._overflowed

    def take(self) -> list[list[bytes]]:
        """Empty the buffer into pieces of a report's size."""
        waiting, self._waiting = self._waiting, []
        self._warned = self._overflowed = False
        return [waiting[at : at + LARGEST_REPORT] for at in range(0, len(waiting), LARGEST_REPORT)]
