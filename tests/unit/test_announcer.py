"""What is said over MQTT and switched at readers, from items and events made by hand."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from rfid_gateway.announcer import FRESH_US, REPEAT_US, Announcer
from rfid_gateway.clock import Clock as AnyClock
from rfid_gateway.config import parse
from rfid_gateway.driver import DriverOptions, Emit
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.observe.observations import Direction, Passage, Presence, PresenceChange
from rfid_gateway.outputs import Switch
from rfid_gateway.reads import ReaderAlert, ReaderState, ReaderStatus, TagRead, TagReport
from rfid_gateway.shipments.loads import Incomplete, Kind, Load, Member, Misplaced, Sighting, compare
from rfid_gateway.supervisor import ReaderSupervisor

CONFIG = """\
[gateway]
site = "hamburg"
id = "gate-1"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "dock-1"
driver = "lamps"
[[readers]]
id = "dock-2"
driver = "lamps"
[[doors]]
id = "door-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:x:door-1"
[[doors]]
id = "door-2"
inside = ["dock-2:1"]
outside = ["dock-2:2"]
read_point = "urn:x:door-2"
[[outputs]]
reader = "dock-1"
port = 1
on = ["ok"]
door = "door-1"
seconds = 2
[[outputs]]
reader = "dock-1"
port = 2
on = ["wrong_door", "undecided", "unknown_tag", "reader_down"]
door = "door-1"
[[outputs]]
reader = "dock-2"
port = 1
on = ["out"]
"""
SECOND = 1_000_000
START = 1_795_000_000 * SECOND
EPC = "314D7EA5A441C9C381000000"
OWN = "rfid/hamburg/gate-1"
GREEN, RED = ("dock-1", 1), ("dock-1", 2)


class LampReader:
    """A driver that reads nothing and remembers how its outputs were switched."""

    Options: ClassVar[type[DriverOptions]] = DriverOptions

    def __init__(self, reader_id: str, options: DriverOptions, clock: AnyClock) -> None:
        self.made_with = (reader_id, options, clock)
        self.switched: list[tuple[int, bool]] = []

    def run(self, emit: Emit) -> None:
        raise AssertionError(f"nobody runs this reader, nor calls {emit}")

    def close(self) -> None:
        pass

    def set_output(self, port: int, *, high: bool) -> None:
        self.switched.append((port, high))


@dataclass
class Clock:
    now: int = START

    def utc_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now - START


@dataclass
class Site:
    clock: Clock = field(default_factory=Clock)
    notices: list[Notice] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = parse(CONFIG, "test", {"lamps": LampReader})
        self.announcer = Announcer(self.config, self.clock, self.notices.append, self.switches.append)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(notice.payload) for notice in self.notices if notice.topic == f"{OWN}/alerts"]

    def lights(self) -> list[tuple[tuple[str, int], bool]]:
        taken, self.switches[:] = list(self.switches), []
        return [((switch.reader_id, switch.port), switch.high) for switch in taken]

    def wait(self, seconds: float) -> None:
        self.clock.now += round(seconds * SECOND)
        self.announcer.tick(0, "")

    def pass_door(self, verdict: str, *, door: str = "door-1", direction: str = "out", ago: int = 0) -> None:
        event = LocationEvent(
            event_time=self.clock.now - ago,
            time_zone_offset="+01:00",
            epc=EPC,
            epc_uri="urn:epc:id:sscc:4012345.0000000001",
            shipment_id="S-1",
            logistic_unit=None,
            orders=(),
            biz_step=None,
            disposition=None,
            read_point="urn:x:door-1",
            biz_location=None,
            direction=direction,
            confidence=0.9,
            verdict=verdict,
            door=door,
        )
        self.announcer.located([event])


@pytest.fixture
def site() -> Site:
    return Site()


def test_every_output_is_off_at_the_start(site: Site) -> None:
    site.announcer.begin()
    assert site.lights() == [(GREEN, False), (RED, False), (("dock-2", 1), False)]


def test_a_right_passage_is_green_for_its_time(site: Site) -> None:
    site.pass_door("ok", direction="in")
    assert site.lights() == [(GREEN, True)]
    site.wait(1.9)
    assert site.lights() == []
    site.wait(0.1)
    assert site.lights() == [(GREEN, False)]


def test_a_wrong_door_is_red_and_an_alert_at_once(site: Site) -> None:
    site.pass_door("wrong_door", direction="in")
    assert site.lights() == [(RED, True)]
    (alert,) = site.alerts
    assert (alert["kind"], alert["severity"], alert["door"], alert["shipment"], alert["count"]) == (
        "wrong_door",
        "warning",
        "door-1",
        "S-1",
        1,
    )
    assert alert["since"] == "2026-11-18T11:06:40.000+00:00"


def test_a_direction_switches_what_is_bound_to_it(site: Site) -> None:
    site.pass_door("returned", door="door-2", direction="in")
    assert site.lights() == []
    site.pass_door("ok", door="door-2", direction="out")
    assert site.lights() == [(("dock-2", 1), True)]


def test_what_happened_long_ago_switches_nothing(site: Site) -> None:
    site.pass_door("wrong_door", ago=FRESH_US + 1)
    assert site.lights() == []
    assert [alert["kind"] for alert in site.alerts] == ["wrong_door"]


def test_an_unknown_tag_at_a_door_is_red_and_in_a_zone_only_an_alert(site: Site) -> None:
    site.announcer.unknown([PresenceChange(EPC, "storage", Presence.ARRIVED, START)])
    assert site.lights() == []
    site.announcer.unknown([Passage(EPC, "door-1", Direction.OUT, 0.9, START, START, {})])
    assert site.lights() == [(RED, True)]
    assert [(alert["kind"], alert.get("zone"), alert.get("door")) for alert in site.alerts] == [
        ("unknown_tag", "storage", None),
        ("unknown_tag", None, "door-1"),
    ]


def test_a_reader_that_is_down_lights_its_own_doors_only(site: Site) -> None:
    site.announcer.arrived([ReaderStatus("dock-1", START, ReaderState.ONLINE)])
    site.wait(31)
    assert [alert["reader"] for alert in site.alerts] == ["dock-2"]
    assert site.lights() == []
    site.announcer.arrived([ReaderStatus("dock-1", site.clock.now, ReaderState.OFFLINE, "cable")])
    site.wait(31)
    assert [(alert["kind"], alert["reader"]) for alert in site.alerts] == [
        ("reader_down", "dock-2"),
        ("reader_down", "dock-1"),
    ]
    assert site.lights() == [(RED, True)]


def test_what_a_driver_says_of_itself_is_an_alert(site: Site) -> None:
    site.announcer.arrived([ReaderAlert("dock-1", START, "rival_client", "192.168.0.9 asked for the reader")])
    assert [alert["kind"] for alert in site.alerts] == ["rival_client"]


def test_merging_and_store_trouble_are_alerts(site: Site) -> None:
    site.announcer.tick(7, "disk full")
    assert [(alert["kind"], alert["count"]) for alert in site.alerts] == [("reads_merged", 7), ("store_trouble", 1)]


def test_alerts_of_different_things_do_not_replace_each_other_while_they_wait(site: Site) -> None:
    site.announcer.tick(7, "disk full")
    subjects = [notice.subject for notice in site.notices]
    assert len(set(subjects)) == len(subjects) == 2
    assert not any(notice.retain for notice in site.notices)


def test_a_readers_status_is_published_at_each_change_and_every_minute(site: Site) -> None:
    read = TagRead(EPC, 1, START, START)
    status = ReaderStatus("dock-1", START, ReaderState.ONLINE, "", "R420", "5.14", (1, 2), 41.0)
    site.announcer.arrived([status, *[TagReport("dock-1", START, 0, (read,) * 20, -2_500_000)] * 2])
    (notice,) = site.notices
    assert (notice.topic, notice.retain, notice.standing) == (f"{OWN}/readers/dock-1/status", True, True)
    site.wait(5)
    site.wait(REPEAT_US / SECOND - 5)
    latest = {n.topic: json.loads(n.payload) for n in site.notices if n.topic != f"{OWN}/alerts"}
    assert set(latest) == {f"{OWN}/readers/dock-1/status", f"{OWN}/readers/dock-2/status"}
    assert latest[f"{OWN}/readers/dock-1/status"] == {
        "state": "online",
        "since": "2026-11-18T11:06:40.000+00:00",
        "detail": "",
        "model": "R420",
        "firmware": "5.14",
        "antennas": [1, 2],
        "temperature": 41.0,
        "reads_per_second": 0.0,
        "reads": 40,
        "clock_offset_s": -2.5,
        "last_read_at": "2026-11-18T11:06:40.000+00:00",
        "last_error": "",
        "last_error_at": None,
        "reconnects": 0,
    }


def test_the_supervisor_passes_switches_on_to_its_driver(site: Site) -> None:
    made: list[LampReader] = []

    class Remembered(LampReader):
        def __init__(self, reader_id: str, options: DriverOptions, clock: AnyClock) -> None:
            super().__init__(reader_id, options, clock)
            made.append(self)

    config = parse(CONFIG, "test", {"lamps": Remembered})
    ReaderSupervisor(config.readers[0], lambda _: None, site.clock).set_output(2, high=True)
    assert [lamp.switched for lamp in made] == [[(2, True)]]


def test_a_unit_on_the_wrong_truck_is_said_at_once_and_what_a_closed_load_lacks_with_its_count(site: Site) -> None:
    site.announcer.misplaced([Misplaced(Kind.MISROUTED, "T-1", "T-2", "door-1", "S-1", EPC, site.clock.now)])
    site.announcer.misplaced([Misplaced(Kind.OVER, "T-1", None, "door-1", "S-2", EPC, site.clock.now)])
    misrouted, over = site.alerts
    assert [misrouted[name] for name in ("kind", "severity", "load", "shipment", "door", "epc")] == [
        "misrouted",
        "warning",
        "T-1",
        "S-1",
        "door-1",
        EPC,
    ]
    assert "belongs to load T-2" in misrouted["detail"]
    assert (over["kind"], "belongs to no load" in over["detail"]) == ("over", True)
    expected = [Member(f"(00){number:018}", "S-1") for number in range(9)]
    comparison = compare("T-1", expected, [Sighting(expected[0].unit, "S-1", "T-1", "out")], (), closed=True)
    site.announcer.incomplete([Incomplete(Load("T-1", "door-1", None), comparison)])
    missing = site.alerts[-1]
    assert [missing[name] for name in ("kind", "load", "door", "count")] == ["missing", "T-1", "door-1", 8]
    assert missing["detail"].startswith("load T-1 is closed without 8 of its 9 units: 000000000000000001, ")
    assert missing["detail"].endswith(" and 3 more")
