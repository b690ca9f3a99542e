"""The ground truth is heard whole, however late a simulated reader asks for it."""

from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting
from tests.faults.field import CROSSING_US, DOOR_READER, Crossing, Field, epc_of

BEGAN = 70_000_000
"""On our clock, when the reader's was 0."""


@dataclass
class Clock:
    now: int = BEGAN

    def monotonic_us(self) -> int:
        return self.now

    def utc_us(self) -> int:
        return self.now


def heard(lags_us: list[int]) -> list[Sighting]:
    """What a reader hears that asks for 100 ms after 100 ms, each so much too late."""
    clock = Clock()
    field = Field(clock)
    hear = field.radio(DOOR_READER)
    clock.now = BEGAN + 100_000
    assert hear(0, 100_000) == []
    field.put((), [Crossing(epc_of(1), BEGAN + 500_000)])
    sightings: list[Sighting] = []
    for number, lag in enumerate(lags_us, start=1):
        start, end = number * 100_000, (number + 1) * 100_000
        clock.now = BEGAN + end + lag
        sightings += hear(start, end)
    return sightings


def test_a_reader_that_lags_hears_the_same_passage_as_one_that_does_not() -> None:
    punctual = heard([0] * 25)
    assert len(punctual) == 2 * CROSSING_US // 20_000
    assert heard([0, 0, 0, 0, 0, 0, *[1_900_000 - 100_000 * number for number in range(19)]]) == punctual
    assert heard([number % 3 * 700_000 for number in range(25)]) == punctual
