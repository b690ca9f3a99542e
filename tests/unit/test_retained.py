"""What is handed to the publisher and when, with a real database and a publisher that is a list."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.retained import AGAIN_US, PAGE, PAUSE_US, REFUSED_US, TROUBLE_US, Retained
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.loads import COMMAND, LISTED
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.database import StoreFullError
from rfid_gateway.store.unit_states import UnitState

TOPICS = Topics("rfid", "hamburg", "gate-1")
START = 1_795_000_000_000_000


@dataclass
class Clock:
    now: int = START

    def utc_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now - START


@dataclass
class Site:
    path: Path
    clock: Clock = field(default_factory=Clock)
    notices: list[Notice] = field(default_factory=list)
    broker: PublisherState = field(default_factory=lambda: PublisherState(connected=True))

    def __post_init__(self) -> None:
        self.store = open_store(self.path)
        self.retained = Retained(self.store, TOPICS, self.clock, self.notices.append)

    def restart(self) -> None:
        self.store.close()
        self.notices.clear()
        self.__post_init__()

    def see(self, unit: str, shipment_id: str, state: str | None = "stored", **event: Any) -> None:
        values = {"biz_step": "storing", "direction": None, "read_point": "urn:x:store", "event_time": self.clock.now}
        with self.store.transaction():
            self.store.unit_states.set_unit_states(
                [UnitState(f"epc:{unit}", shipment_id, state=state, **(values | event))]
            )
            self.store.retained.mark("shipment", [shipment_id])

    def tick(self, after: int = PAUSE_US) -> list[Notice]:
        """Let time pass; what is handed over now."""
        self.clock.now += after
        self.notices.clear()
        self.retained.tick(self.broker)
        return list(self.notices)

    def payload(self, after: int = AGAIN_US) -> dict[str, Any]:
        (notice,) = self.tick(after)
        notice.answer(taken=True)
        payload: dict[str, Any] = json.loads(notice.payload)
        return payload


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "gateway.db")
    site.store.directory.upsert([Shipment("S-1", tuple(Unit(f"epc:{unit}") for unit in ("AA", "BB", "CC")))])
    yield site
    site.store.close()


def topics(notices: list[Notice]) -> list[str]:
    return [notice.topic.removeprefix(TOPICS.own) for notice in notices]


def test_a_status_is_retained_on_its_topic(site: Site) -> None:
    site.see("AA", "S-1")
    (notice,) = site.tick()
    assert (notice.topic, notice.retain, notice.standing) == (TOPICS.shipment_status("S-1"), True, False)


def test_a_status_says_how_far_the_shipment_is_and_its_latest_event(site: Site) -> None:
    site.see("AA", "S-1", "loaded", biz_step="loading", direction="out", door="dock-1", verdict="ok", sequence=7)
    site.see("BB", "S-1", "stored", event_time=site.clock.now - 1_000_000)
    payload = site.payload()
    assert payload["state"] == "partly_stored"
    assert payload["units"] == {"total": 3, "seen": 2, "states": {"stored": 1, "loaded": 1}}
    assert [payload[name] for name in ("biz_step", "door", "direction", "sequence")] == ["loading", "dock-1", "out", 7]
    assert payload["event_time"] == "2026-11-18T11:06:40.000+00:00"
    site.see("CC", "S-1", "loaded", biz_step="loading")
    site.see("BB", "S-1", "loaded", biz_step="loading")
    assert site.payload()["state"] == "loaded"


def test_an_older_event_that_comes_late_does_not_change_the_latest(site: Site) -> None:
    site.see("AA", "S-1", "loaded", biz_step="loading", sequence=1)
    site.see("BB", "S-1", "packed", biz_step="packing", sequence=2, event_time=site.clock.now - 5_000_000)
    site.see("AA", "S-1", "stored", biz_step="storing", sequence=3, event_time=site.clock.now - 5_000_000)
    payload = site.payload()
    assert (payload["sequence"], payload["biz_step"]) == (1, "loading")
    assert payload["units"]["states"] == {"packed": 1, "loaded": 1}


def test_forty_tags_of_one_shipment_are_one_publication_and_a_change_comes_a_second_later(site: Site) -> None:
    for _ in range(40):
        site.see("AA", "S-1")
    assert len(site.tick()) == 1
    site.see("BB", "S-1")
    assert site.tick() == [], "the first one is not acknowledged"
    site.restart()
    (notice,) = site.tick()
    notice.answer(taken=True)
    site.see("CC", "S-1")
    assert site.tick() == [], "it was said less than a second ago"
    assert len(site.tick(AGAIN_US)) == 1


def test_what_is_not_acknowledged_is_said_again_after_a_restart_and_what_is_not_is_not(site: Site) -> None:
    site.see("AA", "S-1")
    assert len(site.tick()) == 1
    site.restart()
    (notice,) = site.tick()
    notice.answer(taken=True)
    site.tick()
    site.restart()
    assert site.tick() == []


def test_a_change_between_publication_and_puback_is_published_too(site: Site) -> None:
    site.see("AA", "S-1")
    (first,) = site.tick()
    site.see("BB", "S-1")
    first.answer(taken=True)
    assert site.payload()["units"]["seen"] == 2
    assert site.tick(AGAIN_US) == []


def test_nothing_is_handed_over_while_the_broker_is_away(site: Site) -> None:
    site.broker = PublisherState(connected=False)
    site.see("AA", "S-1")
    assert site.tick() == []
    site.broker = PublisherState(connected=True)
    assert len(site.tick()) == 1


def test_a_few_at_a_time_and_all_in_their_turn(site: Site) -> None:
    names = [f"T-{number:03}" for number in range(3 * PAGE)]
    site.store.directory.upsert(Shipment(name, (Unit(f"epc:{name}"),)) for name in names)
    for name in names:
        site.see(name, name)
    said: list[str] = []
    for _ in range(4):
        notices = site.tick()
        assert len(notices) <= PAGE
        assert site.tick() == [], "the publisher has enough"
        site.see(names[0], names[0])
        said += topics(notices)
        for notice in notices:
            notice.answer(taken=True)
    assert said[: len(names)] == [f"/shipments/{name}/status" for name in names]


def test_a_topic_that_changes_all_the_time_does_not_hold_others_up(site: Site) -> None:
    names = [f"T-{number:03}" for number in range(2 * PAGE)]
    site.store.directory.upsert(Shipment(name, (Unit(f"epc:{name}"),)) for name in names)
    said: set[str] = set()
    for _ in range(3):
        for name in names:
            site.see(name, name)
        notices = site.tick(AGAIN_US)
        said.update(topics(notices))
        for notice in notices:
            notice.answer(taken=True)
    assert len(said) == len(names)


def test_a_deleted_shipment_is_cleared_with_an_empty_payload(site: Site) -> None:
    site.see("AA", "S-1")
    site.payload()
    site.store.directory.delete("S-1")
    (notice,) = site.tick(AGAIN_US)
    assert (notice.payload, notice.retain) == (b"", True)
    site.restart()
    (notice,) = site.tick()
    assert notice.payload == b"", "the broker has not acknowledged it"
    notice.answer(taken=True)
    assert site.tick() == []
    assert site.store.retained.count() == 0


def test_a_new_session_at_the_broker_says_everything_again(site: Site) -> None:
    site.see("AA", "S-1")
    site.payload()
    assert site.tick(AGAIN_US) == []
    site.broker = PublisherState(connected=True, new_sessions=1)
    assert len(site.tick(AGAIN_US)) == 1
    site.restart()
    site.broker = PublisherState(connected=True)
    assert len(site.tick()) == 1, "also after a kill in between"


def test_a_refusal_is_waited_out_and_tried_again(site: Site) -> None:
    site.see("AA", "S-1")
    (notice,) = site.tick()
    notice.answer(taken=False)
    assert site.tick() == []
    assert site.tick() == []
    assert len(site.tick(REFUSED_US)) == 1


def test_a_database_without_room_is_waited_for_and_no_acknowledgement_is_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.see("AA", "S-1")
    (notice,) = site.tick()
    notice.answer(taken=True)

    def full(*_: object) -> None:
        raise StoreFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(site.store.retained, "said", full)
        assert site.tick() == []
    assert site.store.retained.unsaid(("", ""), 9) != []
    assert site.tick(TROUBLE_US) == []
    assert site.store.retained.unsaid(("", ""), 9) == []


def test_an_identifier_that_no_topic_can_hold_stops_nothing(site: Site) -> None:
    name = "x" * 40_000
    site.store.directory.upsert([Shipment(name, (Unit("epc:DD"),))])
    site.see("DD", name)
    site.see("AA", "S-1")
    assert topics(site.tick()) == ["/shipments/S-1/status"]
    site.tick()
    assert [row.name for row in site.store.retained.unsaid(("", ""), 9)] == ["S-1"]


def test_a_load_is_told_with_complete_counts_and_lists_that_end_somewhere(site: Site) -> None:
    count = LISTED + 1
    site.store.directory.upsert(
        Shipment(f"L-{number}", (Unit(f"epc:L{number}"),), load="T/7", planned_door="dock-1") for number in range(count)
    )
    site.store.retained.mark("load", ["T/7"])
    (notice,) = site.tick()
    assert notice.topic == f"{TOPICS.own}/loads/T%2F7"
    payload = json.loads(notice.payload)
    assert (payload["load_id"], payload["state"], payload["door"]) == ("T/7", "open", "dock-1")
    assert (payload["expected"], payload["outstanding"], payload["missing"], payload["seen"]) == (count, count, 0, 0)
    assert (len(payload["units"]["outstanding"]), payload["truncated"]) == (LISTED, True)
    assert payload["units"]["outstanding"][0] == {"unit": "epc:L0", "shipment_id": "L-0"}
    notice.answer(taken=True)
    site.store.loads.close("T/7", site.clock.now, COMMAND)
    site.store.retained.mark("load", ["T/7"])
    payload = site.payload()
    assert (payload["outstanding"], payload["missing"], payload["closed_by"]) == (0, count, "command")
    site.store.loads.forget("T/7")
    site.store.retained.mark_known("load", "T/7")
    (notice,) = site.tick(AGAIN_US)
    assert notice.payload == b""
