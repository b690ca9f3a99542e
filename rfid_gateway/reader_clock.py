"""What a reader's clock shows, estimated from the times that the reader sends. Pure.

A reader's time is always older than the moment it arrives: by the network, by the reader's buffer. So of all
differences seen lately the largest is nearest to the truth (the minimum-delay filter of NTP's clock filter, RFC 5905
section 10). The differences are taken against the monotonic clock, so that setting the PC's clock disturbs nothing.
"""

from collections import deque

WINDOW_US = 30_000_000
"""How long a difference counts. Readers' quartzes drift less than 10 ms in it. A reader whose clock was set forward
is believed at once."""

STEP_US = 100_000
"""A difference that is less than the best by more than this comes from a delay, or from a clock that was set back."""
STEADY_US = 200_000
"""A clock that was set back shows the same difference from then on; the old reads of a buffer that is being emptied
come nearer and nearer to the present."""
STEP_TOLD_AFTER_US = 2_000_000
"""How long the differences have to be steady until a clock counts as set back."""


class ReaderClock:
    """Estimates one reader's clock. Owner: the driver of that reader. All times are integer microseconds."""

    def __init__(self) -> None:
        # Largest difference first; behind it only those that may still become the largest (monotonic queue).
        self._samples: deque[tuple[int, int]] = deque()
        self._run: tuple[int, int, int] | None = None
        """Since the samples are behind the best: least and largest difference, and when that began."""

    def sample(self, reader_time: int, monotonic: int) -> None:
        """Note that a time of the reader's clock arrived at a moment of the gateway's monotonic clock."""
        samples = self._samples
        difference = reader_time - monotonic
        while samples and samples[-1][0] <= difference:
            samples.pop()
        samples.append((difference, monotonic))
        while samples[0][1] < monotonic - WINDOW_US:
            samples.popleft()
        self._look_for_a_step(difference, monotonic)

    def _look_for_a_step(self, difference: int, monotonic: int) -> None:
        """Forget the samples before the reader's clock was set back, if it was."""
        if difference >= self._samples[0][0] - STEP_US:
            self._run = None
            return
        least, largest, since = self._run or (difference, difference, monotonic)
        least, largest = min(least, difference), max(largest, difference)
        if largest - least > STEADY_US:
            least, largest, since = difference, difference, monotonic
        self._run = least, largest, since
        if monotonic - since >= STEP_TOLD_AFTER_US:
            while self._samples[0][0] > largest:
                self._samples.popleft()
            self._run = None

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
