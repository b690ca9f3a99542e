"""Withdrawing committed events."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.payload import compose
from rfid_gateway.events.withdrawal import Declaration, Reason, withdrawal
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.loads import LoadUnit
from rfid_gateway.store.outbox import OutboxEvent
from rfid_gateway.store.unit_states import UnitState
from rfid_gateway.withdraw import WithdrawalError, withdraw

BERLIN = ZoneInfo("Europe/Berlin")
NOW = 1795428000_000_000
KEY = "(00)340123450000000017"
ARRIVED = LocationEvent(
    event_time=1795427100_123_456,
    time_zone_offset="+01:00",
    epc="3154F4E4E4B2D05E01000000",
    epc_uri="urn:epc:id:sscc:4012345.3000000001",
    shipment_id="S-1",
    logistic_unit="340123450000000017",
    orders=("PO-901",),
    biz_step="arriving",
    disposition="in_progress",
    read_point="urn:epc:id:sgln:4012345.00010.door-7",
    biz_location=None,
    direction="in",
    confidence=0.98,
    verdict="ok",
)
LEFT = replace(ARRIVED, event_time=ARRIVED.event_time + 1_000_000, biz_step="departing", direction="out")


def commit(store: Store, event: LocationEvent) -> str:
    """Commit an event and the unit's state as the pipeline does; returns its id."""
    composed = compose(event)
    store.outbox.append(
        [
            OutboxEvent(
                composed.event_id,
                event.event_time,
                event.epc,
                event.shipment_id,
                event.biz_step,
                event.direction,
                event.verdict,
                event.read_point,
                f"events/{event.biz_step}",
                composed.payload,
                event.logistic_unit,
            )
        ]
    )
    state = UnitState(KEY, event.shipment_id, event.biz_step, event.direction, event.read_point, event.event_time)
    store.unit_states.set_unit_states([state])
    return composed.event_id


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A unit that came in (event 1) and went out (event 2)."""
    with open_store(tmp_path / "gateway.db") as opened:
        commit(opened, ARRIVED)
        commit(opened, LEFT)
        yield opened


def payload(store: Store, sequence: int) -> dict[str, Any]:
    event = store.history.event(str(sequence))
    assert event is not None
    decoded: dict[str, Any] = json.loads(event.payload)
    return decoded


def test_withdrawal_is_the_same_event_with_a_declaration_on_the_same_topic(store: Store) -> None:
    withdrawn = withdraw(store, "2", "did_not_occur", (), NOW, BERLIN)
    assert (withdrawn.event.sequence, withdrawn.sequence) == (2, 3)
    original, said = payload(store, 2), payload(store, 3)
    declaration = said["epcis"].pop("errorDeclaration")
    assert declaration == {"declarationTime": "2026-11-23T11:00:00.000+01:00", "reason": "did_not_occur"}
    event_id = original["event_id"]
    assert said == original | {"event_id": f"{event_id}#withdrawn", "sequence": 3, "withdraws": event_id}
    topics = [row.topic for row in store.outbox.unpublished(0, 9)]
    assert topics == ["events/arriving", "events/departing", "events/departing"]
    assert store.outbox.backlog() == 3


def test_event_is_found_by_its_id_and_seen_to_be_withdrawn(store: Store) -> None:
    event_id = payload(store, 1)["event_id"]
    withdraw(store, event_id, "incorrect_data", (), NOW, BERLIN)
    assert [event.withdrawn_by for event in store.history.events(9)] == [3, None, None]
    assert [event.sequence for event in store.history.trace("S-1").events] == [1, 3, 2]


def test_second_withdrawal_is_refused_and_makes_no_event(store: Store) -> None:
    withdraw(store, "2", "did_not_occur", (), NOW, BERLIN)
    reasons: tuple[Reason, ...] = ("did_not_occur", "incorrect_data")
    for reason in reasons:
        with pytest.raises(WithdrawalError, match="event 2 was withdrawn already, by event 3"):
            withdraw(store, "2", reason, (), NOW + 1, BERLIN)
    with pytest.raises(WithdrawalError, match="is itself a withdrawal"):
        withdraw(store, "3", "did_not_occur", (), NOW, BERLIN)
    assert store.outbox.next_sequence() == 4


def test_corrective_events_are_named_by_id_or_sequence_and_each_once(store: Store) -> None:
    foreign = "urn:uuid:6f0f6f0e-2c0b-4a36-9c44-2f6f6a5b0a02"
    first = payload(store, 1)["event_id"]
    withdraw(store, "2", "incorrect_data", ("1", foreign, first), NOW, BERLIN)
    assert payload(store, 3)["epcis"]["errorDeclaration"]["correctiveEventIDs"] == [first, foreign]


@pytest.mark.parametrize(
    ("name", "reason", "corrective", "message"),
    [
        ("9", "did_not_occur", (), "there is no event '9' here"),
        ("9" * 40, "did_not_occur", (), "there is no event"),
        ("ni:///sha-256;0?ver=CBV2.0", "did_not_occur", (), "there is no event 'ni:///"),
        ("2", "did_not_occur", ("1",), "an event that did not occur has no corrective events"),
        ("2", "incorrect_data", ("2",), "cannot be its own correction"),
        ("2", "incorrect_data", ("8",), "there is no event '8' here"),
        ("2", "incorrect_data", ("the other one",), "corrective event 'the other one': expected an event id"),
    ],
)
def test_what_cannot_be_withdrawn_is_said_and_changes_nothing(
    store: Store, name: str, reason: Reason, corrective: tuple[str, ...], message: str
) -> None:
    with pytest.raises(WithdrawalError, match=message):
        withdraw(store, name, reason, corrective, NOW, BERLIN)
    assert store.outbox.next_sequence() == 3
    state = store.unit_states.unit_state(KEY)
    assert state is not None
    assert state.direction == "out"


def test_unit_is_where_it_was_before_the_withdrawn_event(store: Store) -> None:
    withdraw(store, "2", "did_not_occur", (), NOW, BERLIN)
    state = store.unit_states.unit_state(KEY)
    assert state is not None
    assert state[:6] == (KEY, "S-1", "arriving", "in", ARRIVED.read_point, ARRIVED.event_time)
    assert (state.state, state.verdict, state.sequence) == ("arrived", "ok", 1)
    assert state.disposition == payload(store, 1)["epcis"].get("disposition")
    withdraw(store, "1", "did_not_occur", (), NOW, BERLIN)
    assert store.unit_states.unit_state(KEY) is None


def test_status_of_the_shipment_is_said_anew_and_the_load_lacks_the_unit_again(store: Store) -> None:
    store.directory.upsert([Shipment("S-1", (Unit(KEY),), load="T-1")])
    store.loads.passed(LoadUnit("T-1", KEY, "S-1", "out", LEFT.event_time))
    load = store.loads.find("T-1")
    assert load is not None
    assert store.loads.compare(load).seen == 1
    store.loads.reviewed(load)
    version = {row.name: row.version for row in store.retained.unsaid(("", ""), 9)}.get("S-1", 0)
    withdraw(store, "2", "did_not_occur", (), NOW, BERLIN)
    assert {row.name: row.version for row in store.retained.unsaid(("", ""), 9)}["S-1"] > version
    (stale,) = store.loads.to_review(9)
    assert (stale.load_id, store.loads.compare(stale).seen) == ("T-1", 0)


def test_unit_that_has_moved_on_stays_where_it_is(store: Store) -> None:
    withdraw(store, "1", "did_not_occur", (), NOW, BERLIN)
    state = store.unit_states.unit_state(KEY)
    assert state is not None
    assert state.direction == "out"
    withdraw(store, "2", "did_not_occur", (), NOW, BERLIN)
    assert store.unit_states.unit_state(KEY) is None


def test_declaration_is_outside_the_hash_so_the_event_keeps_its_id() -> None:
    composed = compose(LEFT)
    for declaration in (
        Declaration("did_not_occur", NOW, "+01:00"),
        Declaration("incorrect_data", NOW + 5, "+02:00", ("urn:x:1",)),
    ):
        said = withdrawal(composed.payload(2), declaration)
        assert said.event_id == f"{composed.event_id}#withdrawn"
        assert json.loads(said.payload(3))["epcis"]["eventID"] == composed.event_id
