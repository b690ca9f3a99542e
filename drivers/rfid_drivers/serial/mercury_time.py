"""Puts a mercury module's own times into the gateway's. Pure.

A module counts milliseconds since its last keep-alive, about once a second, and does not say when that was. What is
sound in this number is the spacing of reads within one such cycle: the line, the adapter's 16 ms and the operating
system delay reads by different amounts, the module's own count does not. So the beginning of a cycle is estimated as
the earliest that any of its reads allows (arrival minus count: a delay is never negative), and a read's time is that
beginning plus its count. It is never later than the arrival, nor earlier than the longest delay that is believed;
beyond that (the clock was set, a keep-alive was lost, the module counts on) the estimate begins anew.
"""

_LONGEST_DELAY_US = 250_000
"""Ours: more than an adapter and a busy computer hold a read back together."""


class CycleTime:
    """Times of the reads of one connection. Owned by its decoder."""

    def __init__(self) -> None:
        self._began: int | None = None
        """UTC, microseconds: the earliest beginning of this cycle that its reads allow."""
        self._counted = 0

    def cycle_ended(self) -> None:
        """Take note of a keep-alive: the module counts from 0 again."""
        self._began = None

    def place(self, count_ms: int, arrived: int) -> int:
        """Say when (UTC, microseconds) a tag was read that arrived at `arrived` with this count."""
        counted = count_ms * 1000
        if self._began is None or counted < self._counted:
            self._began = arrived - counted
        self._counted = counted
        self._began = min(self._began, arrived - counted)
        if arrived - (self._began + counted) > _LONGEST_DELAY_US:
            self._began = arrived - counted
        return self._began + counted
