import subprocess
from dataclasses import replace

import pytest

from rfid_gateway.durations import Durations, PublishingDurations
from rfid_gateway.metrics import families
from rfid_gateway.observation_counts import ObservationCounts
from rfid_gateway.observe.observations import Direction, Passage, Presence, PresenceChange
from rfid_gateway.snapshot import Snapshot, Stored
from rfid_gateway.web.monitoring import registry_of
from tests.monitoring import (
    DASHBOARD,
    ROOT,
    RULES,
    exported_names,
    exposed,
    exposed_as_openmetrics,
    names_in,
    parse,
    parse_openmetrics,
    program,
)
from tests.snapshots import AT, SNAPSHOT


def samples(snapshot: Snapshot) -> dict[str, float]:
    """Every sample by its name and labels, as the parser reads them back."""
    return {
        " ".join((sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items())))): sample.value
        for family in parse(exposed(snapshot).decode())
        for sample in family.samples
    }


def test_every_value_arrives_in_its_unit() -> None:
    found = samples(SNAPSHOT)
    gateway = {name.removeprefix("rfid_gateway_"): value for name, value in found.items() if name.startswith("rfid")}
    states = {name for name in gateway if name.startswith("reader_state ")}
    assert {name for name in states if gateway.pop(name)} == {
        "reader_state reader=dock-1 state=online",
        "reader_state reader=packing-1 state=offline",
    }
    assert len(states) == 10
    assert gateway == {
        "build_info gateway=gate-1 site=hamburg version=1.2.3": 1,
        "start_time_seconds": AT / 1e6 - 60,
        "healthy": 1,
        "ready": 1,
        "worker_heartbeat_age_seconds worker=pipeline": 0.01,
        "worker_heartbeat_age_seconds worker=publisher": 0.5,
        "reader_up reader=dock-1": 1,
        "reader_up reader=packing-1": 0,
        'reader_info firmware=5.14 model=Speedway "R420" reader=dock-1': 1,
        "reader_info firmware= model= reader=packing-1": 1,
        "reader_reads_total reader=dock-1": 1234,
        "reader_reads_total reader=packing-1": 0,
        "reader_reconnects_total reader=dock-1": 3,
        "reader_reconnects_total reader=packing-1": 0,
        "reader_last_read_timestamp_seconds reader=dock-1": AT / 1e6 - 2,
        "reader_clock_offset_seconds reader=dock-1": -1.5,
        "reader_temperature_celsius reader=dock-1": 47.5,
        "reader_antennas_connected reader=dock-1": 2,
        "merged_reads_total": 21,
        "passages_total direction=in door=door-1": 17,
        "passages_total direction=out door=door-1": 18,
        "passages_total direction=undecided door=door-1": 19,
        "presence_changes_total change=arrived zone=storage": 20,
        "unknown_observations_total": 14,
        "unbound_observations": 9,
        "unbound_given_up_total": 10,
        "observations_lost_total": 15,
        "loads_open": 12,
        "events_committed_total": 97,
        "events_published_total": 90,
        "events_refused_total": 5,
        "events_set_aside_total": 6,
        "events_as_object_total": 13,
        "set_aside_events": 11,
        "outbox_events": 7,
        "outbox_oldest_event_age_seconds": 8,
        "broker_connected": 1,
        "broker_connections_total": 4,
        "broker_new_sessions_total": 2,
        "commit_duration_seconds_bucket le=0.001": 3,
        "commit_duration_seconds_bucket le=0.005": 5,
        "commit_duration_seconds_bucket le=+Inf": 6,
        "commit_duration_seconds_count": 6,
        "commit_duration_seconds_sum": 0.0125,
        "publish_duration_seconds_bucket le=0.005": 4,
        "publish_duration_seconds_bucket le=+Inf": 5,
        "publish_duration_seconds_count": 5,
        "publish_duration_seconds_sum": 0.03,
        "database_usable": 1,
        "database_size_bytes": 1 << 20,
        "databases_set_aside": 1,
        "disk_free_bytes": 1 << 30,
        "disk_low": 0,
        "events_pruned_early_total": 16,
        "clock_wrong": 0,
        "clock_apart_seconds": 0.25,
    }


def test_trouble_turns_the_flags() -> None:
    work = replace(SNAPSHOT.work, store_trouble="broken", room=replace(SNAPSHOT.work.room, words="only 3 MB are free"))
    found = samples(replace(SNAPSHOT, work=work, alive=False, clock_wrong=True, stored=Stored()))
    flags = ("healthy", "ready", "database_usable", "disk_low", "clock_wrong", "outbox_oldest_event_age_seconds")
    assert [found[f"rfid_gateway_{name}"] for name in flags] == [0, 0, 0, 1, 1, 0]


def test_the_process_is_described_also_where_the_sandbox_hides_proc_stat() -> None:
    found = samples(SNAPSHOT)
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_start_time_seconds"] > 1_700_000_000
    assert found["process_open_fds"] >= 3


def test_names_are_unique_and_all_have_help() -> None:
    found = list(families(SNAPSHOT))
    assert len({family.name for family in found}) == len(found)
    assert [family.name for family in found if not family.documentation.endswith(".")] == []


def test_openmetrics_parses_it_too() -> None:
    text = exposed_as_openmetrics(SNAPSHOT).decode()
    assert {family.name for family in parse_openmetrics(text)} == {
        family.name for family in registry_of(lambda: SNAPSHOT).collect()
    }


def test_promtool_has_nothing_to_say_against_the_metrics() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=exposed(SNAPSHOT),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda file: file.name)
def test_every_metric_that_rules_and_dashboard_name_is_exported(file: object) -> None:
    assert isinstance(file, type(RULES))
    named = names_in(file.read_text())
    assert named
    assert named - exported_names() == set()


def test_the_guide_explains_every_metric_and_no_other() -> None:
    guide = names_in((ROOT / "docs/monitoring.md").read_text())
    parts = ("_bucket", "_sum", "_count")
    families_exported = {
        next((name.removesuffix(part) for part in parts if name.endswith(part)), name) for name in exported_names()
    }
    assert guide == families_exported


def test_durations_fall_into_the_bucket_up_to_whose_bound_they_reach() -> None:
    durations = Durations((10, 20))
    for duration in (0, 10, 11, 20, 21, 1000):
        durations.add(duration)
    found = durations.distribution()
    assert (found.counts, found.sum_us) == ((2, 2, 2), 1062)


def test_each_commit_is_counted_once_when_its_last_event_is_acknowledged() -> None:
    durations = PublishingDurations()
    durations.committed(3, 1_000)
    durations.committed(4, 2_000)
    for sequence, now in ((1, 3_000), (2, 3_000), (3, 5_000), (1, 6_000)):
        durations.acknowledged(sequence, now)
    assert (sum(durations.distribution().counts), durations.distribution().sum_us) == (1, 4_000)
    durations.acknowledged(9, 10_000)
    assert (sum(durations.distribution().counts), durations.distribution().sum_us) == (2, 12_000)


def test_observations_are_counted_by_place_from_the_start_at_nothing() -> None:
    counts = ObservationCounts(["storage"], ["door-1"])
    assert dict(counts.passages()) == dict.fromkeys((("door-1", way) for way in ("in", "out", "undecided")), 0)
    out = Passage("E1", "door-1", Direction.OUT, 0.9, 0, 1, {})
    gone = PresenceChange("E1", "gone", Presence.DEPARTED, 0)
    counts.count([out, out, gone, PresenceChange("E1", "storage", Presence.ARRIVED, 0)])
    assert counts.passages()["door-1", "out"] == 2
    assert counts.presence()["storage", "arrived"] == 1
    assert counts.presence()["gone", "departed"] == 1
