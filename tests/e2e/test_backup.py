"""Backup and restore as an administrator does them, with a gateway that runs and a real broker."""

import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_gateway.shipments.json_source import parse_payload
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.unit_states import UnitState
from tests.e2e.publishing import append
from tests.e2e.running import RunningGateway, command, running_gateway, site, wait_for_outbox
from tests.e2e.test_disk_and_damage import OWN, Hall
from tests.servers import Mosquitto, eventually, subscriber
from tests.small_disk import small_disk


@pytest.fixture
def hall(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hall]:
    state = tmp_path / "state"
    state.mkdir()
    with ExitStack() as parts:
        yield Hall(parts, tmp_path, mosquitto, state)


def more_events(hall: Hall, count: int) -> None:
    wanted = len(hall.events()) + count
    eventually(lambda: len(hall.events()) >= wanted, "events arrive", patience_s=60)


def done(*words: str | Path) -> dict[str, Any]:
    """What a command that must succeed says of itself."""
    result = command(*words, "--json")
    assert result.returncode == 0, result.stderr
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def refused(*words: str | Path) -> str:
    result = command(*words)
    assert (result.returncode, result.stdout) == (1, "")
    return result.stderr


def contents(events: list[dict[str, Any]]) -> dict[str, set[str]]:
    """What was said under each event id, but for whether it was said before."""
    found: dict[str, set[str]] = {}
    for event in events:
        found.setdefault(event["event_id"], set()).add(json.dumps({**event, "replayed": None}, sort_keys=True))
    return found


@pytest.mark.timeout(240)
def test_an_older_backup_loses_nothing_that_is_in_it_and_gives_no_sequence_twice(
    hall: Hall, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    configuration, file = hall.gateway.configuration, tmp_path / "backup.tar.gz"
    mosquitto.stop()
    # More than the window, whose rows count as sent before after any restart.
    eventually(lambda: hall.status()["backlog"] > 60, "events wait")
    # While it reads and writes, and the broker is away.
    made = done("backup", file, "--config", configuration)
    assert (made["kind"], made["waiting"] > 60) == ("copy", True)
    mosquitto.start()
    more_events(hall, 150)
    hall.gateway.stop()
    before = hall.events()
    # The disk dies.
    shutil.rmtree(hall.state)
    restored = done("restore", file, "--config", configuration)
    hall.gateway.start()
    more_events(hall, 150)
    hall.stop_conveyor()
    wait_for_outbox(hall.gateway)
    eventually(lambda: "database_restored" in hall.alerts(), "an alert says so")
    stored = {event["event_id"] for event in hall.gateway.ask("events", "--limit", "100000")}
    eventually(lambda: stored <= {event["event_id"] for event in hall.events()}, "all events have arrived")

    received = hall.events()
    # No id with two contents, no sequence for two events.
    assert all(len(each) == 1 for each in contents(received).values())
    ids = {event["sequence"]: event["event_id"] for event in received}
    assert len(ids) == len({event["event_id"] for event in received})
    assert {(event["sequence"], event["event_id"]) for event in received} == set(ids.items())
    # What waited in the backup had been published since: it came again, as replayed.
    again = received[len(before) : len(before) + made["waiting"]]
    assert {event["event_id"] for event in again} <= {event["event_id"] for event in before}
    assert all(event["replayed"] for event in again)
    assert [event["sequence"] for event in again] == sorted(event["sequence"] for event in again)
    # What is new goes on behind everything, in order.
    new = sorted(ids.keys() - {event["sequence"] for event in before})
    assert new == list(range(restored["next_sequence"], restored["next_sequence"] + len(new)))
    assert new[0] > max(event["sequence"] for event in before)
    firsts = list(ids)
    assert firsts == sorted(firsts)


@pytest.mark.timeout(240)
def test_a_move_to_another_pc_has_no_gap(hall: Hall, mosquitto: Mosquitto, tmp_path: Path) -> None:
    configuration, file = hall.gateway.configuration, tmp_path / "final.tar.gz"
    more_events(hall, 100)
    assert "a gateway runs on this state folder" in refused("backup", file, "--final", "--config", configuration)
    mosquitto.stop()
    eventually(lambda: hall.status()["backlog"] > 20, "events wait")
    hall.gateway.stop()
    made = done("backup", file, "--final", "--config", configuration)
    assert (made["kind"], made["waiting"] > 20) == ("final", True)
    # The old PC does not start by mistake.
    started = command("run", "--config", configuration)
    assert (started.returncode, "this state was moved away" in started.stderr) == (2, True)
    # The other PC: a package, no configuration yet, the same places.
    hall.state.rename(tmp_path / "old-pc")
    moved = tmp_path / "etc" / "gateway.toml"
    said = command("restore", file, "--without-gap", "--config", moved)
    assert said.returncode == 0, said.stderr
    assert f"goes on with {made['next_sequence']}, without a gap" in said.stdout
    assert moved.read_text() == configuration.read_text()
    mosquitto.start()
    with running_gateway(moved) as gateway:
        eventually(lambda: gateway.online("hall"), "the reader is online")
        more_events(hall, 100)
        hall.stop_conveyor()
        wait_for_outbox(gateway)
        stored = gateway.ask("events", "--limit", "100000")
    eventually(lambda: len({event["event_id"] for event in hall.events()}) == len(stored), "all events have arrived")
    received = hall.events()
    assert all(len(each) == 1 for each in contents(received).values())
    firsts = list(dict.fromkeys(event["sequence"] for event in received))
    assert firsts == list(range(1, len(stored) + 1)), "in order, without a gap"
    assert "database_restored" not in hall.alerts()


def status_of(mosquitto: Mosquitto) -> dict[str, Any]:
    topic = f"{OWN}/shipments/S-1/status"
    with subscriber(mosquitto, topic) as shop:
        eventually(lambda: bool(shop.received), "a status is retained")
        status: dict[str, Any] = json.loads(shop.received[-1][1])
    return status


def connected(gateway: RunningGateway) -> bool:
    try:
        return "connected to" in gateway.ask("status")[0]["broker"]
    except AssertionError:
        return False


def see(database: Path, step: str, state: str, sequence: int) -> None:
    """Commit that the shipment's unit was seen, as the pipeline does."""
    with open_store(database) as store, store.transaction():
        at = SystemClock().utc_us()
        seen = UnitState("epc:AA", "S-1", step, None, "urn:x:y", at, state, sequence=sequence)
        store.unit_states.set_unit_states([seen])
        store.retained.mark("shipment", ["S-1"])


def all_said(database: Path) -> bool:
    with open_store(database) as store:
        return not store.retained.unsaid(("", ""), 1) and not store.retained.to_say_again(1)


def told(database: Path) -> bool:
    with open_store(database) as store:
        return store.database.row("SELECT 1 FROM meta WHERE name = 'restored'") is None


def test_a_newer_retained_status_is_not_overwritten_before_somebody_wants_it(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    configuration, file = site(tmp_path, mosquitto), tmp_path / "backup.tar.gz"
    database = tmp_path / "state" / "gateway.db"
    entry = json.dumps({"units": [{"epc": "AA"}], "orders": ["PO-1"], "load": "T-1"}).encode()
    with running_gateway(configuration) as gateway, subscriber(mosquitto, f"{OWN}/alerts") as people:
        eventually(lambda: connected(gateway), "connected")
        people.publish("rfid/hamburg/directory/shipments/S-1", entry, retain=True)
        expected = parse_payload("S-1", entry, "t")

        def is_known() -> bool:
            with open_store(database) as store:
                return store.directory.show("S-1") == expected

        eventually(is_known, "the entry is there")
        # Not yet said when the backup is made, and said long since when it is restored.
        mosquitto.freeze()
        see(database, "storing", "stored", 1)
        assert done("backup", file, "--config", configuration)["kind"] == "copy"
        assert not all_said(database)
        mosquitto.thaw()
        eventually(lambda: all_said(database), "everything is said")
        see(database, "departing", "departed", 2)
        eventually(lambda: all_said(database), "everything is said")
        gateway.stop()
        assert status_of(mosquitto)["state"] == "departed"
        done("restore", file, "--config", configuration)
        gateway.start()
        eventually(lambda: told(database), "the broker was asked for the directory", patience_s=60)
        eventually(lambda: b"database_restored" in b"".join(people.payloads(OWN)), "people know")
        with open_store(database) as store:
            version = store.directory.version()
        people.publish("rfid/hamburg/directory/shipments/S-2", entry.replace(b"AA", b"BB"), retain=True)

        def has_come() -> bool:
            with open_store(database) as store:
                return store.directory.version() > version

        eventually(has_come, "the directory comes")
        eventually(lambda: all_said(database), "everything is said")
        assert status_of(mosquitto)["state"] == "departed"
        assert command("republish", "--config", configuration).returncode == 0
        eventually(lambda: all_said(database), "everything is said")
        assert status_of(mosquitto)["state"] == "stored"


# Without traffic ----------------------------------------------------------------------------------------------------


@pytest.fixture
def configuration(tmp_path: Path, mosquitto: Mosquitto) -> Path:
    """Of a gateway that does not run and has 100 events waiting."""
    password = tmp_path / "mqtt-password"
    password.write_text("secret\n")
    file = site(tmp_path, mosquitto, str(password))
    append_to = tmp_path / "state"
    append_to.mkdir()
    append(append_to / "gateway.db", 100)
    return file


def state_of(configuration: Path) -> dict[str, bytes]:
    folder = configuration.parent / "state"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("gateway.")}


def test_restore_is_refused_while_the_gateway_runs(configuration: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    done("backup", file, "--config", configuration)
    with running_gateway(configuration) as gateway:
        eventually((tmp_path / "state" / "status.json").exists, "it runs")
        assert "a gateway runs on this state folder; stop it first" in refused(
            "restore", file, "--config", configuration
        )
        second = command("run", "--config", configuration)
        assert (second.returncode, "a gateway runs on this state folder" in second.stderr) == (1, True)
        gateway.stop()
    done("restore", file, "--config", configuration)


def test_a_backup_of_another_gateway_is_refused_unless_forced(configuration: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    done("backup", file, "--config", configuration)
    configuration.write_text(configuration.read_text().replace('"gate-1"', '"gate-2"'))
    before = state_of(configuration)
    words = refused("restore", file, "--config", configuration)
    assert "the backup is of hamburg/gate-1" in words
    assert "is of hamburg/gate-2" in words
    assert state_of(configuration) == before
    assert done("restore", file, "--force", "--config", configuration)["gateway"] == "gate-1"
    assert 'id = "gate-2"' in configuration.read_text()


def test_damaged_and_foreign_files_are_refused_and_nothing_is_touched(configuration: Path, tmp_path: Path) -> None:
    file, foreign = tmp_path / "backup.tar.gz", tmp_path / "foreign.tar.gz"
    done("backup", file, "--config", configuration)
    before = state_of(configuration)
    whole = file.read_bytes()
    # What zeros within it break first, its packing or only a checksum, depends on what they replace.
    zeros = whole[:-2000] + bytes(1000) + whole[-1000:]
    for content, words in ((whole[:-100], "is damaged or was cut off"), (zeros, "is damaged")):
        file.write_bytes(content)
        for check in ((), ("--check",)):
            assert words in refused("restore", file, *check, "--config", configuration)
    file.write_bytes(whole)
    with tarfile.open(file) as tar, tarfile.open(foreign, "w:gz") as other:
        for info in tar:
            member = tar.extractfile(info)
            assert member is not None
            other.addfile(info, member)
            evil = tarfile.TarInfo("../../evil")
            evil.size = 1
            other.addfile(evil, io.BytesIO(b"x"))
    assert "'../../evil' does not belong into it" in refused("restore", foreign, "--config", configuration)
    assert state_of(configuration) == before
    assert not list(tmp_path.rglob("evil"))
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"gateway.db", "gateway.sequence"}


def test_secrets_are_in_it_only_when_asked_for_and_come_back_for_the_owner_alone(
    configuration: Path, tmp_path: Path
) -> None:
    password = tmp_path / "mqtt-password"
    without, with_it = tmp_path / "without.tar.gz", tmp_path / "with.tar.gz"
    assert str(password) in command("backup", without, "--config", configuration).stdout
    done("backup", with_it, "--with-secrets", "--config", configuration)
    for file, expected in ((without, False), (with_it, True)):
        assert file.stat().st_mode & 0o777 == 0o600
        with tarfile.open(file) as tar:
            assert ("files/0" in tar.getnames()) == expected
    password.write_text("another\n")
    own = configuration.read_text()
    configuration.write_text(f"# changed\n{own}")
    done("restore", with_it, "--config", configuration)
    assert (password.read_text(), configuration.read_text()) == ("another\n", f"# changed\n{own}")
    wrote = done("restore", with_it, "--with-configuration", "--config", configuration)["wrote"]
    assert wrote == [str(configuration), str(password)]
    assert (password.read_text(), configuration.read_text()) == ("secret\n", own)
    assert password.stat().st_mode & 0o007 == 0
    kept = [path.read_text() for path in tmp_path.glob("mqtt-password.*")]
    assert kept == ["another\n"]
    password.unlink()
    said = command("restore", without, "--with-configuration", "--config", configuration).stdout
    assert f"missing   {password}" in said


def test_a_folder_keeps_the_newest(configuration: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    other = folder / "rfid-gateway-hamburg-gate-10-20200101T000000Z.tar.gz"
    for name in (other.name, "notes.txt", "rfid-gateway-hamburg-gate-1-mine.tar.gz"):
        (folder / name).write_text("mine")
    for day in range(1, 6):
        (folder / f"rfid-gateway-hamburg-gate-1-2020010{day}T000000Z.tar.gz").write_text("old")
    made = done("backup", folder, "--keep", "3", "--config", configuration)
    assert [Path(path).name[-23:-15] for path in made["deleted"]] == ["20200101", "20200102", "20200103"]
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 6
    assert {other.name, "notes.txt", Path(made["file"]).name} <= set(left)
    assert done("restore", made["file"], "--check")["backup_next_sequence"] == 101


def test_no_room_leaves_no_half_of_a_backup(configuration: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        disk.fill(left=40_000)
        words = refused("backup", disk.folder / "backup.tar.gz", "--config", configuration)
        assert str(disk.folder) in words
        assert [path.name for path in disk.folder.iterdir()] == ["filler"]


def test_a_database_of_a_newer_version_is_refused(configuration: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    with sqlite3.connect(tmp_path / "state" / "gateway.db") as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('rfid-gateway', 'later', '')"
        )
    connection.close()
    assert "newer rfid-gateway" in refused("backup", file, "--config", configuration)
    assert not file.exists()


def test_restored_by_root_the_state_belongs_to_whom_it_belonged(configuration: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("files can be given away by root alone")
    file, state = tmp_path / "backup.tar.gz", tmp_path / "state"
    done("backup", file, "--config", configuration)
    shutil.chown(state, "nobody", "nogroup")
    done("restore", file, "--config", configuration)
    owner = state.stat()
    for name in ("gateway.db", "gateway.sequence"):
        found = (state / name).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (owner.st_uid, owner.st_gid, 0o600)
