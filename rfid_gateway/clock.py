"""The clock, handed to whatever needs the time, so that nothing below asks for it by itself."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks in integer microseconds: UTC for what is recorded, monotonic for every timer."""

    def utc_us(self) -> int:
        """Microseconds since 1970-01-01 UTC; may jump when the PC's clock is set."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds since an arbitrary start; never jumps, never goes back."""
        ...


class SystemClock:
    """The PC's clocks."""

    def utc_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """Microseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns() // 1000
