"""Running sums of one tag at one antenna of a door: all that a decision needs, in constant memory.

Time is seconds since the passage opened, RSSI is dBm, power is milliwatts. Raw reads are not kept.
"""

from collections.abc import Callable
from math import exp, log
from operator import attrgetter
from typing import Any

NO_RSSI_DBM = -60.0
"""Stands in where a reader gives no RSSI: every read then weighs the same."""

SMOOTHING = 0.35
"""Weight of a read in the smoothed RSSI: about three reads deep, so one fading null does not look like a fall."""

BEGINNING = 3
"""Reads whose plain mean starts the smoothed RSSI."""

NEPERS_PER_DB = log(10.0) / 10.0

_FIELDS = (
    "n",
    "rssi_n",
    "t",
    "r",
    "tr",
    "rr",
    "tt",
    "p",
    "tp",
    "peak",
    "peak_t",
    "first",
    "last",
    "level",
    "start",
    "top",
)
_all_fields: Callable[["Sums"], tuple[float, ...]] = attrgetter(*_FIELDS)


class Sums:
    """One tag at one antenna. Owner: the passage that it belongs to."""

    __slots__ = _FIELDS

    def __init__(self) -> None:
        self.n = self.rssi_n = 0
        self.t = self.r = self.tr = self.rr = self.tt = self.p = self.tp = 0.0
        self.peak = self.top = -1000.0
        self.peak_t = self.first = self.last = self.level = self.start = 0.0

    def add(self, t: float, rssi: float | None) -> None:
        """Count one read."""
        n = self.n = self.n + 1
        self.t += t
        self.tt += t * t
        if rssi is None:
            rssi = NO_RSSI_DBM
        elif n > BEGINNING:
            self.rssi_n += 1
            self.last = rssi
            level = self.level = self.level + SMOOTHING * (rssi - self.level)
            self.top = max(self.top, level)
        else:
            self._begin(rssi)
        power = exp(rssi * NEPERS_PER_DB)
        self.r += rssi
        self.tr += t * rssi
        self.rr += rssi * rssi
        self.p += power
        self.tp += t * power
        if rssi > self.peak:
            self.peak = rssi
            self.peak_t = t

    def _begin(self, rssi: float) -> None:
        """Start the smoothed RSSI with a plain mean."""
        self.rssi_n += 1
        if self.rssi_n == 1:
            self.first = rssi
        self.last = rssi
        self.level += (rssi - self.level) / self.rssi_n
        self.start = self.top = self.level

    def rise(self) -> float:
        """Decibels from the first reads to the top."""
        return self.top - self.start if self.rssi_n else 0.0

    def fall(self) -> float:
        """Decibels from the top to the last reads."""
        return self.top - self.level if self.rssi_n else 0.0

    def raw_movement(self) -> float:
        """Decibels between the strongest read and the weaker one of the first and the last, unsmoothed."""
        return self.peak - min(self.first, self.last) if self.rssi_n else 0.0

    def slope_z(self) -> float:
        """Slope of the RSSI over time in units of its own standard error; 0 where there is too little to fit."""
        n = self.n
        if n < 4:  # noqa: PLR2004 - a line through three points has next to no error left to judge by
            return 0.0
        time_square = self.tt - self.t * self.t / n
        rssi_square = self.rr - self.r * self.r / n
        product = self.tr - self.t * self.r / n
        if time_square <= 0:
            return 0.0
        slope = product / time_square
        residual = max(rssi_square - slope * product, 0.0)
        # The RSSI comes in steps of 0.5 to 1 dB: no fit is better than the rounding.
        error = (max(residual, 0.1 * n) / (n - 2) / time_square) ** 0.5
        return float(slope / error)

    def state(self) -> tuple[float, ...]:
        """All sums, for the database."""
        return _all_fields(self)

    @classmethod
    def restored(cls, state: list[Any]) -> "Sums":
        """Sums that go on from `state`."""
        sums = cls()
        for name, value in zip(_FIELDS, state, strict=True):
            setattr(sums, name, value)
        return sums
