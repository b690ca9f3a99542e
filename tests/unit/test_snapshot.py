from dataclasses import replace

from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.reader_views import ReaderView
from rfid_gateway.reads import ReaderState
from rfid_gateway.snapshot import TRIED_US, Snapshot, Stored, Work
from rfid_gateway.systemd import WATCHDOG_US
from rfid_gateway.web.monitoring import health, readiness
from tests.snapshots import AT, NOW, SNAPSHOT


def with_reader(view: ReaderView) -> Snapshot:
    return replace(SNAPSHOT, readers={"dock-1": view})


def test_a_gateway_whose_workers_move_is_healthy_and_ready() -> None:
    assert SNAPSHOT.healthy
    assert SNAPSHOT.not_ready == []
    assert health(SNAPSHOT) == {
        "status": "ok",
        "hangs": [],
        "ended": False,
        "last_moved_s": {"pipeline": 0.01, "publisher": 0.5},
    }


def test_the_watchdogs_rule_says_which_worker_hangs() -> None:
    limit = WATCHDOG_US * 3 // 4
    at_the_limit = replace(SNAPSHOT, heartbeats={"pipeline": NOW - limit, "publisher": NOW})
    assert at_the_limit.healthy
    beyond = replace(SNAPSHOT, heartbeats={"pipeline": NOW - limit - 1, "publisher": NOW})
    assert not beyond.healthy
    assert health(beyond)["hangs"] == ["pipeline"]
    assert beyond.not_ready == ["pipeline hangs"]


def test_a_worker_that_has_ended_is_not_healthy() -> None:
    ended = replace(SNAPSHOT, alive=False)
    assert (ended.healthy, health(ended)["status"], health(ended)["ended"]) == (False, "failed", True)


def test_a_start_that_takes_long_is_healthy_and_not_ready() -> None:
    starting = replace(SNAPSHOT, heartbeats={"pipeline": 0, "publisher": NOW})
    assert starting.healthy
    assert starting.not_ready == ["pipeline has not started yet"]
    assert health(starting)["last_moved_s"] == {"pipeline": None, "publisher": 0.0}


def test_a_broker_or_reader_that_is_away_keeps_nobody_from_being_ready_but_is_said() -> None:
    away = replace(
        SNAPSHOT,
        publisher=PublisherState(detail="10.0.0.1:1883: no route"),
        stored=Stored(backlog=12),
        readers={"dock-1": ReaderView(ReaderState.OFFLINE, AT, "no answer")},
    )
    assert away.not_ready == []
    said = readiness(away)
    assert said["status"] == "ready"
    assert said["broker"] == "not connected: 10.0.0.1:1883: no route"
    assert said["waiting_events"] == 12
    assert said["readers"] == {"dock-1": "offline"}


def test_a_reader_counts_as_tried_once_anything_came_of_it_or_after_a_while() -> None:
    connecting = ReaderView(ReaderState.CONNECTING, AT - TRIED_US + 1)
    assert with_reader(connecting).not_ready == ["reader dock-1 has not been tried yet"]
    assert with_reader(replace(connecting, since=AT - TRIED_US)).not_ready == []
    assert with_reader(replace(connecting, last_error_at=AT)).not_ready == []
    assert with_reader(replace(connecting, reads=1)).not_ready == []
    assert with_reader(replace(connecting, reconnects=1)).not_ready == []


def test_a_database_that_cannot_be_used_and_a_stop_make_it_unready() -> None:
    troubled = replace(SNAPSHOT, work=Work(store_trouble="the disk is full"), stopping=True)
    assert troubled.healthy
    assert troubled.not_ready == ["the gateway is being stopped", "the database cannot be used: the disk is full"]
    assert readiness(troubled)["database"] == "the disk is full"
