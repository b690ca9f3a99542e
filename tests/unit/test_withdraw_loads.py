"""After a withdrawal the units and loads are as if the event had never been: compared with a database without it."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_gateway.binding import Binding
from rfid_gateway.config import parse
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.resolve import Bound
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.loads import COMMAND
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.withdraw import withdraw
from tests.detecting import FakeClock
from tests.unit.test_loading import CONFIG, SECOND, START, SilentReader

PALLET = "3154F4E4E4B2D05E01000000"
LABELS = ("E2003412DC03011812345678", "E2003412DC03011812345679")
"""Two tags of one unit."""
STRANGER = "3154F4E4E4B2D05E02000000"
TAGS = (PALLET, *LABELS, STRANGER)
DEPARTURES = {"dock-1": 60, "dock-2": 30}
UTC_ZONE = ZoneInfo("UTC")


class Step(NamedTuple):
    """What happens in one second: a passage, or a load is closed where `load` is not empty."""

    tag: str
    direction: str
    door: str
    load: str


@dataclass
class Dock:
    """A warehouse with two doors and three units."""

    store: Store

    def __post_init__(self) -> None:
        config = parse(CONFIG, "test", {"silent": SilentReader})
        self._binding = Binding(config, self.store, FakeClock())
        entries = {"S-1": ("L", "dock-1", (Unit(f"epc:{PALLET}"),)), "S-2": ("M", "dock-2", LABEL_UNITS)}
        self.store.directory.upsert(
            Shipment(name, units, planned_door=door, planned_departure=departure(door), load=load)
            for name, (load, door, units) in entries.items()
        )
        self.store.directory.upsert([Shipment("S-3", (Unit(f"epc:{STRANGER}"),))])

    def does(self, step: Step, second: int) -> int | None:
        """Returns the sequence of the event."""
        at = START + second * SECOND
        if step.load:
            self.store.loads.close(step.load, at, COMMAND)
            return None
        found = self.store.directory.find([f"epc:{step.tag}"])
        assert found is not None
        shipment, unit = found
        event = LocationEvent(
            event_time=at, time_zone_offset="+00:00", epc=step.tag, epc_uri=f"urn:epc:raw:96.x{step.tag}",
            shipment_id=shipment.shipment_id, logistic_unit=None, orders=(),
            biz_step={"in": "arriving", "out": "departing"}.get(step.direction), disposition=None,
            read_point=f"urn:x:{step.door}", biz_location=None, direction=step.direction, confidence=1.0,
            verdict="undecided" if step.direction == "undecided" else "ok", door=step.door,
        )  # fmt: skip
        with self.store.transaction():
            _, sequence, _ = self._binding.append([Bound(unit, event, load_id=shipment.load_id)])
        return sequence

    def known(self) -> tuple[object, object]:
        """The units' states and what they went out with."""
        states = [self.store.unit_states.unit_state(f"epc:{tag}") for tag in (PALLET, LABELS[0], STRANGER)]
        rows = self.store.database.rows("SELECT * FROM load_units ORDER BY load_id, unit")
        return [state and state._replace(sequence=None) for state in states], rows


LABEL_UNITS = tuple(Unit(f"epc:{label}", counts_as=f"epc:{LABELS[0]}") for label in LABELS)


def departure(door: str) -> str:
    return datetime.fromtimestamp(START / SECOND + DEPARTURES[door], UTC).isoformat()


def steps() -> st.SearchStrategy[Step]:
    passages = st.builds(
        Step,
        st.sampled_from(TAGS),
        st.sampled_from(["out", "out", "in", "undecided"]),
        st.sampled_from(["dock-1", "dock-2"]),
        st.just(""),
    )
    closings = st.builds(Step, st.just(""), st.just(""), st.just(""), st.sampled_from(["L", "M"]))
    return st.one_of(passages, passages, passages, passages, passages, closings)


@settings(max_examples=60, deadline=None)
@given(day=st.lists(steps(), min_size=1, max_size=12), chosen=st.integers(0, 11))
def test_units_and_loads_are_as_without_the_event(day: list[Step], chosen: int) -> None:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(TemporaryDirectory()))
        with_it = Dock(parts.enter_context(open_store(folder / "with.db")))
        without = Dock(parts.enter_context(open_store(folder / "without.db")))
        sequences = [with_it.does(step, second) for second, step in enumerate(day)]
        events = [sequence for sequence in sequences if sequence is not None]
        if not events:
            return
        sequence = events[chosen % len(events)]
        withdraw(with_it.store, str(sequence), "did_not_occur", (), START + 100 * SECOND, UTC_ZONE)
        for second, step in enumerate(day):
            if sequences[second] != sequence:
                without.does(step, second)
        assert with_it.known() == without.known()
