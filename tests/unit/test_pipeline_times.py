"""Times of events while clocks change: daylight saving, a clock that is set in the middle of a passage."""

import json
from pathlib import Path

import pytest

from rfid_gateway.config import parse
from rfid_gateway.events.times import parse as time_of
from rfid_gateway.gateway import Pipeline
from rfid_gateway.intake import DirectoryMessage
from rfid_gateway.reads import TagRead, TagReport
from rfid_gateway.steady_clock import SteadyClock
from rfid_gateway.store.connection import open_store
from tests.unit.test_pipeline import CONFIG, DRIVERS, EPC, SECOND, SSCC, Clock, Plant
from tests.unit.test_steady_clock import PcClock


def epcis(plant: Plant) -> list[dict[str, object]]:
    return [event["epcis"] for event in plant.events() if isinstance(event["epcis"], dict)]


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [("2026-10-25T03:00:00.000+02:00", "+02:00", "+01:00"), ("2026-03-29T02:00:00.000+01:00", "+01:00", "+02:00")],
)
def test_offsets_are_right_on_both_sides_of_the_change_to_and_from_daylight_saving(
    store_path: Path, change: str, before: str, after: str
) -> None:
    clock = Clock(time_of(change) - 45 * 60 * SECOND)
    with open_store(store_path) as store:
        plant = Plant(store_path, clock, store, Pipeline(parse(CONFIG, "test", DRIVERS), store, clock), [])
        plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
        true = []
        for _ in range(6):
            plant.pipeline.drain([plant.read(), plant.read()])
            true.append(clock.now)
            plant.wait(900)
        events = epcis(plant)
        assert [event["sequence"] for event in plant.events()] == [1, 2, 3, 4, 5, 6]
    assert [event["eventTimeZoneOffset"] for event in events] == [before] * 3 + [after] * 3
    assert [time_of(str(event["eventTime"])) for event in events] == true


@pytest.mark.parametrize("jump", [-3600 * SECOND, -2 * SECOND, 2 * SECOND, 3600 * SECOND])
def test_a_clock_that_is_set_in_the_middle_of_a_passage_turns_no_direction_round(store_path: Path, jump: int) -> None:
    """As the service does it: every time passes through the steady clock, which is steered between the drains."""
    pc = PcClock()
    clock = SteadyClock(pc, 0)
    with open_store(store_path) as store:
        pipeline = Pipeline(parse(CONFIG, "test", DRIVERS), store, clock)
        unit = json.dumps({"units": [{"sscc": SSCC}]}).encode()
        pipeline.drain([DirectoryMessage("S-1", unit, lambda: None)])
        for step in range(240):
            pc.pass_(SECOND // 10)
            pc.utc += jump if step == 20 else 0
            clock.steer(passages_open=pipeline.passages_open())
            reports = []
            for antenna, peak in ((1, 12), (2, 28)):
                rssi = -48.0 - abs(step - peak) * 0.9
                if rssi > -65:
                    at = clock.utc_us()
                    read = TagRead(EPC, antenna, at, at, rssi)
                    reports.append(TagReport("dock-1", at, clock.monotonic_us(), (read,)))
            pipeline.drain(reports)
        assert [event.direction for event in store.history.events(10)] == ["out"]
    assert abs(clock.apart) < 2 * SECOND
