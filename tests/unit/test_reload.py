"""What each part makes of a configuration that follows on another one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rfid_gateway.alerts import Alerts
from rfid_gateway.config import Config, ConfigError, parse
from rfid_gateway.gateway import CHECKPOINT_US, RETRY_US, Pipeline
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.notices import Notices
from rfid_gateway.mqtt.outbox import Outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.security import fingerprint
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.outputs import Occasion, OutputRule, Outputs, Switch
from rfid_gateway.reader_views import ReaderViews
from rfid_gateway.reads import ReaderState, ReaderStatus
from rfid_gateway.reloading import Reloading
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.database import StoreFullError
from tests.unit.test_mqtt_outbound import filled, payloads
from tests.unit.test_pipeline import CONFIG, DRIVERS, EPC, SECOND, SSCC, Clock, Plant

ZONES, DOORS = CONFIG.index("[[zones]]"), CONFIG.index("[[doors]]")
LAST_READER = CONFIG.rindex("[[readers]]")
WITHOUT_ZONE = CONFIG[:ZONES] + CONFIG[DOORS:]
WITHOUT_DOOR = CONFIG[:DOORS] + CONFIG[LAST_READER:]


def read(text: str) -> Config:
    return parse(text, "test", DRIVERS)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    clock = Clock()
    store = open_store(tmp_path / "gateway.db")
    plant = Plant(tmp_path / "gateway.db", clock, store, Pipeline(read(CONFIG), store, clock), [])
    plant.pipeline.drain([plant.announce("S-1", units=[{"sscc": SSCC}])])
    yield plant
    plant.store.close()


def pass_half(plant: Plant, steps: range) -> None:
    for step in steps:
        plant.clock.now += SECOND // 10
        for antenna, peak in ((1, 12), (2, 28)):
            rssi = -48.0 - abs(step - peak) * 0.9
            if rssi > -65:
                plant.pipeline.drain([plant.read("dock-1", antenna, rssi)])


# Observation ---------------------------------------------------------------------------------------------------------


def test_presence_goes_on_under_other_rules_and_departs_later_once(plant: Plant) -> None:
    departing = CONFIG.replace("[zones.arrived]", '[zones.departed]\nbiz_step = "picking"\n[zones.arrived]')
    plant.pipeline.drain([plant.read(), plant.read()])
    plant.pipeline.follow(read(departing.replace("30.0", "20.0")), places=True)
    plant.pipeline.drain([plant.read(), plant.read()])
    assert [event["epcis"]["bizStep"] for event in plant.events()] == ["storing"]  # type: ignore[index]
    plant.wait(21)
    plant.pipeline.drain([])
    plant.wait(21)
    plant.pipeline.drain([])
    steps = {event["epcis"]["bizStep"] for event in plant.events()}  # type: ignore[index]
    assert (steps, len(plant.events())) == ({"storing", "picking"}, 2)


def test_what_was_in_mind_and_not_saved_yet_outlives_a_reload_and_a_power_cut_after_it(plant: Plant) -> None:
    plant.clock.now += CHECKPOINT_US
    plant.pipeline.drain([])
    pass_half(plant, range(20))
    plant.pipeline.follow(read(CONFIG.replace("[doors.out]", "[doors.out]\n")), places=True)
    plant.clock.now += CHECKPOINT_US
    plant.pipeline.drain([])
    plant.restart()
    pass_half(plant, range(20, 40))
    plant.wait(3)
    plant.pipeline.drain([])
    assert [event["direction"] for event in plant.events()] == ["out"]


def test_a_passage_in_the_middle_of_a_reload_is_decided_as_one(plant: Plant) -> None:
    pass_half(plant, range(20))
    plant.pipeline.follow(read(CONFIG.replace("[doors.out]", "[doors.out]\n").replace("30.0", "31.0")), places=True)
    pass_half(plant, range(20, 40))
    plant.wait(3)
    plant.pipeline.drain([])
    assert [event["direction"] for event in plant.events()] == ["out"]


def test_a_zone_or_door_that_is_gone_leaves_no_event_and_no_row(plant: Plant) -> None:
    plant.pipeline.drain([plant.read(), plant.read()])
    pass_half(plant, range(20))
    before = len(plant.events())
    plant.pipeline.follow(read(WITHOUT_ZONE), places=True)
    plant.pipeline.follow(read(WITHOUT_DOOR.replace("store-1", "store-2")), places=True)
    for _ in range(5):
        plant.clock.now += 40 * SECOND
        plant.pipeline.drain([])
    assert len(plant.events()) == before
    assert plant.store.observation_state.load() == []


def test_what_was_observed_at_a_place_that_is_gone_and_not_committed_yet_becomes_its_event(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreFullError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(plant.store.outbox, "append", full)
        plant.pipeline.drain([plant.read(), plant.read()])
        assert plant.pipeline.store_trouble
        plant.pipeline.follow(read(WITHOUT_ZONE), places=True)
    plant.clock.now += RETRY_US
    plant.pipeline.drain([])
    assert [event["epcis"]["bizStep"] for event in plant.events()] == ["storing"]  # type: ignore[index]


def test_a_tag_that_waits_for_its_entry_gets_its_event_of_a_place_that_is_gone(plant: Plant) -> None:
    plant.pipeline.drain([plant.announce("S-1")])
    plant.pipeline.drain([plant.read(), plant.read()])
    assert plant.store.unbound.count() == 1
    plant.pipeline.follow(read(WITHOUT_ZONE), places=True)
    plant.pipeline.drain([plant.announce("S-2", units=[{"epc": EPC}])])
    assert [event["shipment_id"] for event in plant.events()] == ["S-2"]


def test_without_other_rules_observation_is_left_alone(plant: Plant) -> None:
    plant.pipeline.drain([plant.read()])
    plant.pipeline.follow(read(CONFIG.replace('"storing"', '"packing"')), places=False)
    plant.pipeline.drain([plant.read()])
    assert [event["epcis"]["bizStep"] for event in plant.events()] == ["packing"]  # type: ignore[index]


def test_limits_of_the_disk_follow(plant: Plant) -> None:
    plant.pipeline.house.look()
    assert plant.pipeline.house.room.words == "ok"
    plant.pipeline.follow(read(CONFIG + "[disk]\nlow_mb = 999_999_999\n"), places=False)
    plant.pipeline.house.look()
    assert plant.pipeline.house.room.words.startswith("only ")


# Readers, lights, alerts and notices ---------------------------------------------------------------------------------


def test_views_keep_the_figures_of_readers_that_stay() -> None:
    views = ReaderViews(["dock", "shelf"], 0)
    views.status(ReaderStatus("dock", 5, ReaderState.ONLINE, ""))
    views.follow(["dock", "table"], 9)
    assert (len(views), views.online, "shelf" in views) == (2, 1, False)
    assert (views.view("dock", 0).since, views.view("table", 0).since) == (5, 9)


def test_outputs_that_no_rule_has_any_more_are_switched_off_and_new_ones_are_known() -> None:
    occasion = frozenset({Occasion.OK})
    horn, lamp = OutputRule("dock", 1, occasion, None, SECOND), OutputRule("dock", 2, occasion, None, 5 * SECOND)
    other = OutputRule("shelf", 1, occasion, None, SECOND)
    outputs = Outputs([horn, lamp])
    outputs.happened(occasion, frozenset(), 0)
    assert outputs.follow([lamp, other], frozenset()) == [Switch("dock", 1, high=False), Switch("shelf", 1, high=False)]
    assert outputs.expire(5 * SECOND) == [Switch("dock", 2, high=False)]
    assert outputs.follow([lamp, other], frozenset({"dock"})) == [Switch("dock", 2, high=False)]


def test_a_reader_that_is_gone_is_no_outage_and_a_new_one_has_its_time() -> None:
    alerts = Alerts(["dock"], 30 * SECOND, 0, 0)
    alerts.follow(["dock"], ["shelf"], 20 * SECOND, 25 * SECOND, 0)
    assert alerts.due(44 * SECOND, 0) == []
    assert [(alert.kind, alert.reader) for alert in alerts.due(45 * SECOND, 0)] == [("reader_down", "shelf")]


def test_a_status_that_is_cleared_is_not_said_again_after_a_reconnect() -> None:
    notices = Notices()
    notices.add(Notice("readers/dock/status", b"{}", retain=True, standing=True))
    notices.add(Notice("readers/dock/status", b"", retain=True))
    assert payloads(filled(notices)) == [b""]
    notices.settle(1)
    notices.lose()
    assert payloads(filled(notices)) == []


def test_what_waits_with_one_publisher_is_said_by_the_next_unless_somebody_promised_it() -> None:
    def nothing() -> AbstractContextManager[Outbox]:
        raise AssertionError("neither of them runs")

    topics, settings = Topics("rfid", "hamburg", "gate-1"), MqttSettings(host="broker")
    before, after = (Publisher(settings, topics, nothing, Clock()) for _ in range(2))
    before.post(Notice("alerts", b"old", retain=False, key="one"))
    before.post(Notice("alerts", b"two", retain=False, key="two"))
    before.post(Notice("shipments/S-1/status", b"{}", retain=True, answered=lambda _: None))
    after.post(Notice("alerts", b"new", retain=False, key="one"))
    after.take_over_from(before)
    assert sorted(notice.payload for notice in after.left_over()) == [b"new", b"two"]
    for each in (before, after):
        each._wakeup.close()


def test_a_fingerprint_tells_contents_apart_and_survives_files_that_cannot_be_read(tmp_path: Path) -> None:
    password = tmp_path / "password"
    settings = MqttSettings(host="broker", username="gateway", password_file=str(password))
    missing = fingerprint(settings)
    password.write_text("one")
    one = fingerprint(settings)
    password.write_text("two")
    assert len({missing, one, fingerprint(settings)}) == 3
    password.write_text("one")
    assert fingerprint(settings) == one


# The way from the file -----------------------------------------------------------------------------------------------


def test_a_bad_file_changes_nothing_and_every_mistake_is_kept_for_the_status() -> None:
    running = read(CONFIG)

    def bad(_: Config) -> Config:
        raise ConfigError(["gateway.toml:1: gateway: wrong", "gateway.toml:2: mqtt: wrong"])

    reloading = Reloading(running, (), Clock(), bad)
    assert reloading.read() is None
    assert reloading.report is not None
    assert reloading.report.mistakes == ("gateway.toml:1: gateway: wrong", "gateway.toml:2: mqtt: wrong")
    assert (reloading.running, reloading.under_way, reloading.take()) == (running, False, None)


def test_a_good_file_is_handed_over_once_and_runs_when_it_is_applied() -> None:
    following = read(CONFIG.replace('"storing"', '"packing"'))
    reloading = Reloading(read(CONFIG), (), Clock(), lambda _: following)
    reload = reloading.read()
    assert reload is not None
    reloading.hand_over(reload)
    assert (reloading.under_way, reloading.take(), reloading.take()) == (True, reload, None)
    assert reloading.running != following
    reloading.applied(reload)
    assert (reloading.running, reloading.under_way) == (following, True)
    reloading.settled()
    assert not reloading.under_way
    assert reloading.report is not None
    assert reloading.report.mistakes == ()
