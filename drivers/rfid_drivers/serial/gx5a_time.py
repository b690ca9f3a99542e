"""When a GX reader heard a tag, on the gateway's clock. Pure.

The reader's clock counts microseconds but is set by nobody: it may stand in 1970. So its spacing is used and not its
date. The shortest way that a report took so far gives the offset between the two clocks.
"""

_LONGEST_WAY_US = 1_000_000
"""Ours: a read that would be older than this at its arrival means that the reader's clock was set, or runs slow."""


class ReaderClock:
    """Offset of one reader's clock. Owned by the decoder of a connection."""

    def __init__(self) -> None:
        self._offset: int | None = None
        """Gateway's UTC minus the reader's time, microseconds."""

    def seen_at(self, reader_time: int, arrived_at: int) -> int:
        """Give the gateway's UTC of a read (microseconds): never after its arrival and at most 1 s before."""
        offset = arrived_at - reader_time
        if self._offset is None or not 0 <= offset - self._offset <= _LONGEST_WAY_US:
            self._offset = offset
        return reader_time + self._offset
