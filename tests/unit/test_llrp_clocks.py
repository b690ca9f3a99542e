"""Event times within 50 ms of the truth, whatever the reader shows: the simulator's clock fed to the session."""

import struct

import pytest

from rfid_drivers.llrp.events import ReadsArrived
from rfid_simulators.llrp.clock import ReaderClock
from tests.llrp_messages import SECOND, UTC, Dialogue, epc96, message, notification, tag, tlv, tv

YEAR = 365 * 86_400 * SECOND
STEP = SECOND // 4
NETWORK = 3_000
"""Microseconds from the reader to us."""

CLOCKS = {
    "right": ReaderClock(UTC),
    "an hour ahead": ReaderClock(UTC, 3_600 * SECOND),
    "in the year 2000": ReaderClock(UTC, -23 * YEAR),
    "in the future": ReaderClock(UTC, 30 * YEAR),
    "200 ppm too fast": ReaderClock(UTC, drift_ppm=200),
    "200 ppm too slow": ReaderClock(UTC, drift_ppm=-200),
    "without UTC": ReaderClock(UTC, 77 * SECOND, has_utc=False),
    "without UTC, drifting": ReaderClock(UTC, 77 * SECOND, drift_ppm=200, has_utc=False),
}


def timestamp(clock: ReaderClock, at: int) -> bytes:
    return tv(4 if clock.has_utc else 5, "Q", clock.shows(at))


class Reading:
    """A dialogue with a reader of a given clock, and by how much each event time was wrong."""

    def __init__(self, clock: ReaderClock) -> None:
        self.dialogue = Dialogue()
        attempt = tlv(256, struct.pack("!H", 0))
        kind = 128 if clock.has_utc else 129
        self.dialogue.feed(notification(attempt, at=clock.shows(0), timestamp=kind))
        self.dialogue.wait(SECOND)

    def errors(self, clock: ReaderClock, steps: int) -> list[int]:
        """Read a tag every quarter of a second; the error of each event time."""
        found = []
        for _ in range(steps):
            self.dialogue.now += STEP
            truth = self.dialogue.now - NETWORK
            self.dialogue.feed(message(61, tag(epc96(), timestamp(clock, truth))))
            arrived = self.dialogue.events[-1]
            assert isinstance(arrived, ReadsArrived)
            found.append(arrived.tag_reads[0].last_seen - arrived.clock_offset - (UTC + truth))
        return found


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
def test_event_times_are_right_within_50_ms_for_ten_minutes(clock: ReaderClock) -> None:
    assert max(map(abs, Reading(clock).errors(clock, 2400))) < 50_000


@pytest.mark.parametrize("seconds", [-86_400, -10, -1, 1, 10, 86_400])
def test_a_clock_that_is_set_while_connected_is_followed_within_three_seconds(seconds: int) -> None:
    before, after = ReaderClock(UTC), ReaderClock(UTC, seconds * SECOND)
    reading = Reading(before)
    reading.errors(before, 200)
    reading.errors(after, 12)
    assert max(map(abs, reading.errors(after, 200))) < 50_000
