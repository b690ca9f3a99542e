"""Which alerts are said when; all times are arguments."""

import pytest

from rfid_gateway.alerts import AGAIN_US, STEADY_US, Alert, Alerts, Severity
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.observe.observations import Direction, Passage, Presence, PresenceChange
from rfid_gateway.reads import ReaderAlert, ReaderState, ReaderStatus

SECOND = 1_000_000
UTC = 1_795_000_000 * SECOND
EPC = "314D7EA5A441C9C381000000"


@pytest.fixture
def alerts() -> Alerts:
    """Of a gateway whose one reader has been online for long."""
    alerts = Alerts(["dock"], 30 * SECOND, -100 * SECOND, UTC - 100 * SECOND)
    status(alerts, ReaderState.ONLINE, -90 * SECOND)
    assert alerts.due(-70 * SECOND, UTC - 70 * SECOND) == []
    return alerts


def status(alerts: Alerts, state: ReaderState, now: int, detail: str = "") -> list[Alert]:
    return alerts.reader_status(ReaderStatus("dock", UTC + now, state, detail), now)


def kinds(said: list[Alert]) -> list[str]:
    return [alert.kind for alert in said]


def event(verdict: str, shipment: str = "S-1", door: str | None = "door-1") -> LocationEvent:
    return LocationEvent(
        event_time=UTC,
        time_zone_offset="+01:00",
        epc=EPC,
        epc_uri="urn:epc:id:sscc:4012345.0000000001",
        shipment_id=shipment,
        logistic_unit=None,
        orders=(),
        biz_step="departing",
        disposition=None,
        read_point="urn:x:y",
        biz_location=None,
        direction="out",
        confidence=0.99,
        verdict=verdict,
        door=door,
    )


def test_a_reader_that_is_away_for_too_long_is_an_alert_and_so_is_its_return(alerts: Alerts) -> None:
    assert status(alerts, ReaderState.OFFLINE, 0, "no route to host") == []
    assert alerts.due(30 * SECOND - 1, UTC) == []
    (down,) = alerts.due(30 * SECOND, UTC)
    assert (down.kind, down.severity, down.reader, down.since) == ("reader_down", Severity.ERROR, "dock", UTC)
    assert down.detail == "nothing has been read for 30 s: no route to host"
    assert alerts.due(40 * SECOND, UTC) == []
    status(alerts, ReaderState.ONLINE, 50 * SECOND)
    assert alerts.due(50 * SECOND + STEADY_US - 1, UTC) == []
    (back,) = alerts.due(50 * SECOND + STEADY_US, UTC + 60 * SECOND)
    assert (back.kind, back.severity, back.since) == ("reader_up", Severity.INFO, UTC + 50 * SECOND)
    assert back.detail == "reading again after 50 s"


def test_a_reader_that_is_back_in_time_is_no_alert(alerts: Alerts) -> None:
    status(alerts, ReaderState.OFFLINE, 0)
    status(alerts, ReaderState.CONNECTING, 5 * SECOND)
    status(alerts, ReaderState.ONLINE, 20 * SECOND)
    assert alerts.due(100 * SECOND, UTC) == []


def test_a_reader_that_never_comes_is_an_alert() -> None:
    fresh = Alerts(["dock"], 30 * SECOND, 0, UTC)
    (down,) = fresh.due(31 * SECOND, UTC)
    assert down.detail == "nothing has been read for 31 s: the reader does not answer"


def test_a_reader_that_comes_and_goes_is_one_outage(alerts: Alerts) -> None:
    said = []
    for second in range(0, 600, 6):
        status(alerts, ReaderState.OFFLINE, second * SECOND)
        said += alerts.due((second + 1) * SECOND, UTC)
        status(alerts, ReaderState.ONLINE, (second + 3) * SECOND)
        said += alerts.due((second + 5) * SECOND, UTC)
    assert kinds(said) == ["reader_down"]
    assert kinds(alerts.due(700 * SECOND, UTC)) == ["reader_up"]


def test_a_busy_and_a_degraded_reader_are_said_at_once(alerts: Alerts) -> None:
    (degraded,) = status(alerts, ReaderState.DEGRADED, 0, "antenna 2 is disconnected")
    (busy,) = status(alerts, ReaderState.BUSY, 1, "another client holds the reader")
    assert (degraded.kind, degraded.detail) == ("reader_degraded", "antenna 2 is disconnected")
    assert (busy.kind, busy.reader) == ("reader_busy", "dock")


def test_what_a_driver_says_is_passed_on_with_its_count(alerts: Alerts) -> None:
    (said,) = alerts.reader_alert(ReaderAlert("dock", UTC, "report_buffer_overflow", "the reader lost reports", 12), 0)
    assert (said.kind, said.detail, said.count, said.reader) == (
        "report_buffer_overflow",
        "the reader lost reports",
        12,
        "dock",
    )


def test_repetitions_are_counted_and_said_together_once_a_minute(alerts: Alerts) -> None:
    again = ReaderAlert("dock", UTC + 5, "setting_refused", "power", 2)
    assert len(alerts.reader_alert(again, 0)) == 1
    for second in range(1, 50):
        assert alerts.reader_alert(again, second * SECOND) == []
    assert alerts.due(AGAIN_US - 1, UTC) == []
    (summary,) = alerts.due(AGAIN_US, UTC)
    assert (summary.count, summary.since) == (98, UTC + 5)
    assert alerts.due(2 * AGAIN_US, UTC) == []
    assert len(alerts.reader_alert(again, 2 * AGAIN_US + 1)) == 1


def test_a_wrong_door_is_said_for_each_shipment_at_once(alerts: Alerts) -> None:
    (first,) = alerts.event(event("wrong_door"), 0)
    assert alerts.event(event("wrong_door"), 1) == []
    (second,) = alerts.event(event("wrong_door", "S-2"), 2)
    assert (first.shipment, first.door, first.epc) == ("S-1", "door-1", EPC)
    assert second.shipment == "S-2"
    assert first.detail.startswith("shipment S-1 went out through door-1")


def test_an_undecided_passage_is_an_alert_and_a_right_one_is_not(alerts: Alerts) -> None:
    assert kinds(alerts.event(event("undecided"), 0)) == ["undecided"]
    assert alerts.event(event("ok"), 0) == []
    assert alerts.event(event("returned"), 0) == []


def test_unknown_tags_are_said_once_a_minute_for_each_place_with_an_example(alerts: Alerts) -> None:
    arrived = PresenceChange(EPC, "storage", Presence.ARRIVED, UTC)
    passed = Passage("AA", "door-1", Direction.OUT, 0.99, UTC, UTC + 1, {})
    (zone,) = alerts.unknown_tag(arrived, 0)
    (door,) = alerts.unknown_tag(passed, 0)
    assert (zone.zone, zone.door, zone.epc) == ("storage", None, EPC)
    assert (door.zone, door.door, door.epc, door.since) == (None, "door-1", "AA", UTC + 1)
    for number in range(99):
        assert alerts.unknown_tag(arrived, number) == []
    assert [alert.count for alert in alerts.due(AGAIN_US, UTC)] == [99]


def test_merged_reads_are_counted_from_the_last_time_on(alerts: Alerts) -> None:
    assert alerts.merged(0, 0, UTC) == []
    assert [alert.count for alert in alerts.merged(500, 1, UTC)] == [500]
    assert alerts.merged(500, 2, UTC) == []
    assert alerts.merged(700, 3, UTC) == []
    assert [alert.count for alert in alerts.due(AGAIN_US + 1, UTC)] == [200]


def test_trouble_with_the_store_is_said_when_it_begins_and_when_it_ends(alerts: Alerts) -> None:
    (trouble,) = alerts.store("disk full", 0, UTC)
    assert (trouble.kind, trouble.severity, trouble.detail) == ("store_trouble", Severity.ERROR, "disk full")
    assert alerts.store("disk full", 1, UTC) == []
    assert kinds(alerts.store("", 2, UTC)) == ["store_recovered"]
    assert alerts.store("", 3, UTC) == []


def test_events_set_aside_and_limits_of_the_broker_are_said_once(alerts: Alerts) -> None:
    assert alerts.event_set_aside(0, "", 0, UTC) == []
    (alert,) = alerts.event_set_aside(2, "event 7: too large", 1, UTC)
    assert (alert.kind, alert.severity, alert.count) == ("event_set_aside", "error", 2)
    assert "event 7: too large" in alert.detail
    assert alerts.event_set_aside(2, "event 7: too large", 2, UTC) == []
    assert [each.kind for each in alerts.broker_limited("keeps nothing", 3, UTC)] == ["broker_limited"]
    assert alerts.broker_limited("keeps nothing", 4, UTC) == []
    assert alerts.broker_limited("", 5, UTC) == []
