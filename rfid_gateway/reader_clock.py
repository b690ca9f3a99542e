"""What a reader's clock shows, estimated from the times that the reader sends. Pure.

A reader's time is always older than the moment it arrives: by the network, by the reader's buffer. So of all
differences seen lately the largest is nearest to the truth (the minimum-delay filter of NTP's clock filter, RFC 5905
section 10). The differences are taken against the monotonic clock, so that setting the PC's clock disturbs nothing.
"""

from collections import deque

WINDOW_US = 30_000_000
"""How long a difference counts. After this time a reader whose clock was set back is believed; one that was set
forward is believed at once. Readers' quartzes drift less than 3 ms in it."""


class ReaderClock:
    """Estimates one reader's clock. Owner: the driver of that reader. All times are integer microseconds."""

    def __init__(self) -> None:
        # Largest difference first; behind it only those that may still become the largest (monotonic queue).
        self._samples: deque[tuple[int, int]] = deque()

    def sample(self, reader_time: int, monotonic: int) -> None:
        """Note that a time of the reader's clock arrived at a moment of the gateway's monotonic clock."""
        samples = self._samples
        difference = reader_time - monotonic
        while samples and samples[-1][0] <= difference:
            samples.pop()
        samples.append((difference, monotonic))
        while samples[0][1] < monotonic - WINDOW_US:
            samples.popleft()

    def offset(self, utc: int, monotonic: int) -> int:
        """Reader's clock minus the gateway's UTC, as `TagReport.clock_offset` wants it.

        Args:
            utc: the gateway's UTC now.
            monotonic: the gateway's monotonic clock at the same moment.

        Returns:
            0 before the first sample.
        """
        if not self._samples:
            return 0
        return self._samples[0][0] + monotonic - utc
