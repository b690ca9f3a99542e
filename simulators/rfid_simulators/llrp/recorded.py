"""A recording of tag reports as something that a simulated reader can hear. Pure but for `load_reports`."""

from collections.abc import Sequence
from pathlib import Path


class RecordedReports:
    """Plays RO_ACCESS_REPORT bodies, one every `interval_us` of world time, byte for byte.

    Args:
        bodies: message bodies without their 10-byte headers, in order.
        interval_us: microseconds from one to the next.
        loop: how often the whole recording is played; None plays it for ever.
    """

    def __init__(self, bodies: Sequence[bytes], interval_us: int, loop: int | None = None) -> None:
        if not bodies or interval_us <= 0:
            raise ValueError(f"{len(bodies)} reports every {interval_us} microseconds, expected 1 or more of each")
        self._bodies = bodies
        self._interval = interval_us
        self._count = None if loop is None else loop * len(bodies)

    def __call__(self, start: int, end: int) -> list[bytes]:
        """Return the bodies due from world time `start` to before `end`; the first is due at 0."""
        first, last = -(-start // self._interval), -(-end // self._interval)
        if self._count is not None:
            last = min(last, self._count)
        return [self._bodies[number % len(self._bodies)] for number in range(max(0, first), last)]


def load_reports(folder: Path) -> list[bytes]:
    """Read the recorded report bodies of a folder: every file `ROAccessReport*.bytes`, in order of name.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(folder.glob("ROAccessReport*.bytes"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no ROAccessReport*.bytes")
    return [file.read_bytes() for file in files]
