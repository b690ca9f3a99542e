"""The gateway's UTC while the PC's clock is set, smeared or wrong; both clocks are made by hand."""

import itertools
from dataclasses import dataclass

import pytest

from rfid_gateway.steady_clock import EARLIEST_UTC_US, PATIENCE_US, SLEW_SHARE, SteadyClock

SECOND = 1_000_000
TICK = 50_000
START = 1_795_000_000 * SECOND


@dataclass
class PcClock:
    utc: int = START
    monotonic: int = 7 * SECOND

    def utc_us(self) -> int:
        return self.utc

    def monotonic_us(self) -> int:
        return self.monotonic

    def pass_(self, microseconds: int) -> None:
        self.utc += microseconds
        self.monotonic += microseconds


def steer(clock: SteadyClock, pc: PcClock, seconds: float, *, passages_open: bool = False) -> list[int]:
    """Let time pass; returns the clock's UTC at each tick."""
    times = []
    for _ in range(round(seconds * SECOND / TICK)):
        pc.pass_(TICK)
        clock.steer(passages_open=passages_open)
        times.append(clock.utc_us())
    return times


def test_a_clock_that_is_right_is_followed_exactly() -> None:
    pc = PcClock()
    clock = SteadyClock(pc, 0)
    assert steer(clock, pc, 10)[-1] == pc.utc
    assert (clock.wrong, clock.apart) == (False, 0)


@pytest.mark.parametrize("jump", [-SECOND, SECOND, -9 * SECOND, 9 * SECOND])
def test_a_small_correction_is_smeared_and_time_never_goes_backwards(jump: int) -> None:
    pc = PcClock()
    clock = SteadyClock(pc, 0)
    pc.utc += jump
    times = [clock.utc_us(), *steer(clock, pc, abs(jump) / SECOND * SLEW_SHARE / 2)]
    paces = {later - earlier for earlier, later in itertools.pairwise(times)}
    assert min(paces) >= TICK - TICK // SLEW_SHARE
    assert max(paces) <= TICK + TICK // SLEW_SHARE
    assert clock.apart != 0
    times = steer(clock, pc, abs(jump) / SECOND * SLEW_SHARE / 2 + 1)
    assert clock.apart == 0


@pytest.mark.parametrize("jump", [-3600 * SECOND, 3600 * SECOND])
def test_a_step_waits_until_no_passage_is_open(jump: int) -> None:
    pc = PcClock()
    clock = SteadyClock(pc, 0)
    pc.utc += jump
    steer(clock, pc, 5, passages_open=True)
    assert clock.apart == jump
    change = clock.steer(passages_open=False)
    assert change is not None
    assert (change.by, change.at, clock.apart) == (jump, pc.utc, 0)
    assert "3600.0 s; the order of events is that of `sequence`" in change.words()
    assert clock.steer(passages_open=False) is None


def test_a_step_does_not_wait_for_ever() -> None:
    pc = PcClock()
    clock = SteadyClock(pc, 0)
    pc.utc += 3600 * SECOND
    steer(clock, pc, PATIENCE_US / SECOND - 1, passages_open=True)
    assert clock.apart
    steer(clock, pc, 2, passages_open=True)
    assert clock.apart == 0


def test_a_pc_without_a_battery_goes_on_from_the_last_sign_of_life_until_its_clock_is_set() -> None:
    pc = PcClock(utc=12 * SECOND)
    clock = SteadyClock(pc, START)
    assert clock.wrong
    times = steer(clock, pc, 60)
    assert times[0] == START + TICK
    assert times[-1] == START + 60 * SECOND
    pc.utc = START + 4000 * SECOND
    change = clock.steer(passages_open=False)
    assert change is not None
    assert change.by > 0
    assert (clock.wrong, clock.utc_us()) == (False, pc.utc)


def test_a_last_sign_of_life_from_the_future_is_not_believed_where_the_clock_can_be_right() -> None:
    pc = PcClock()
    assert SteadyClock(pc, START + 10**15).utc_us() == START


def test_a_clock_that_is_set_to_1970_while_it_runs_is_not_followed() -> None:
    pc = PcClock()
    clock = SteadyClock(pc, 0)
    pc.utc = 0
    assert steer(clock, pc, 100)[-1] == START + 100 * SECOND
    assert clock.wrong
    assert pc.utc < EARLIEST_UTC_US
