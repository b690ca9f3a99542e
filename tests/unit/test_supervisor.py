from collections.abc import Iterator
from threading import Event
from typing import ClassVar

import pytest

from rfid_gateway.clock import Clock, SystemClock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.driver import DriverOptions, Emit, ReaderError
from rfid_gateway.reads import ReaderState, ReaderStatus
from rfid_gateway.supervisor import BUSY, RETRY, ReaderSupervisor
from tests.servers import eventually


def test_the_delay_doubles_up_to_its_limit() -> None:
    delays = [RETRY.delay(failures, luck=1.0) for failures in range(1, 9)]
    assert delays == [1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000, 32_000_000, 60_000_000, 60_000_000]


def test_luck_spreads_the_delay_over_its_upper_half() -> None:
    assert RETRY.delay(1, luck=0.0) == 500_000
    assert RETRY.delay(1000, luck=0.5) == 45_000_000


def test_a_busy_reader_is_left_alone_for_longer() -> None:
    delays = [BUSY.delay(failures, luck=0.0) for failures in range(1, 6)]
    assert delays == [2_500_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000]
    assert all(BUSY.delay(failures, luck=0.5) > RETRY.delay(failures, luck=0.5) for failures in range(1, 6))


class Doorbell:
    """A driver that runs until it is closed and remembers who was made; it fails where the test says so."""

    Options: ClassVar[type[DriverOptions]] = DriverOptions
    made: ClassVar[list["Doorbell"]] = []
    fails: ClassVar[bool] = False

    def __init__(self, reader_id: str, options: DriverOptions, clock: Clock) -> None:
        self.made_with = (reader_id, options, clock)
        self.running = Event()
        self.closed = Event()
        type(self).made.append(self)

    def run(self, emit: Emit) -> None:
        emit(ReaderStatus("dock-1", 0, ReaderState.ONLINE))
        self.running.set()
        if self.fails:
            raise ReaderError("no")
        self.closed.wait()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture(params=[False, True], ids=["while it reads", "while it backs off"])
def supervised(request: pytest.FixtureRequest) -> Iterator[ReaderSupervisor]:
    Doorbell.made.clear()
    Doorbell.fails = request.param
    reader = ReaderConfig("dock-1", "bell", Doorbell, DriverOptions())
    supervisor = ReaderSupervisor(reader, lambda _: None, SystemClock())
    supervisor.start()
    yield supervisor
    supervisor.close()
    assert supervisor.join(60)


def test_a_restart_runs_a_new_driver_at_once_and_the_old_one_never_again(supervised: ReaderSupervisor) -> None:
    for number in range(20):
        assert Doorbell.made[number].running.wait(60)
        supervised.restart()
        eventually(lambda: len(Doorbell.made) > number + 1, "a new driver")  # noqa: B023 - called before the next round
        assert Doorbell.made[number].closed.is_set()
    assert Doorbell.made[-1].running.wait(60)


def test_a_reader_that_ends_while_it_is_restarted_ends(supervised: ReaderSupervisor) -> None:
    assert Doorbell.made[0].running.wait(60)
    supervised.restart()
    supervised.close()
    assert supervised.join(60)
