"""Older databases: backed up, brought up to date, and again where that was interrupted."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rfid_gateway.store import backup, meta, schema
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.database import StoreFullError
from rfid_gateway.store.observation_state import StateRow
from rfid_gateway.store.schema import NewerSchemaError
from tests.e2e.running import command

EVENTS = 50


def older_database(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as the first released version made it, with data: its steps are never edited."""
    with monkeypatch.context() as first:
        first.setattr(schema, "STEPS", {"initial": schema.STEPS["initial"]})
        with open_store(path) as store, store.transaction():
            # In SQL, because today's code writes columns that came later.
            for number in range(1, EVENTS + 1):
                store.database.change(
                    """INSERT INTO events (sequence, event_id, event_time, epc, shipment_id, verdict, read_point, topic,
                                           payload)
                       VALUES (?, ?, 1, 'AA', 'S', 'ok', 'urn:x', 't', x'7B7D')""",
                    (number, f"ni:///{number}"),
                )
                store.database.change("INSERT INTO outbox (sequence) VALUES (?)", (number,))
            meta.add(store.database, "next_sequence", EVENTS)
            meta.add(store.database, "backlog", EVENTS)
            store.observation_state.save([StateRow("presence", "hall", "AA", "{}")])


def later(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(schema.STEPS, name, (f"CREATE TABLE {name} (key TEXT)",))


def backups(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.before-*"))


def test_the_first_versions_database_is_brought_up_to_date_after_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"
    older_database(path, monkeypatch)
    later(monkeypatch, "weights")
    first = list(schema.STEPS)[1]
    with open_store(path) as store:
        assert (store.outbox.backlog(), store.outbox.next_sequence()) == (EVENTS, EVENTS + 1)
        assert store.observation_state.load() == [StateRow("presence", "hall", "AA", "{}")]
        assert store._database.rows("SELECT * FROM weights") == []
    assert backups(tmp_path) == [f"gateway.db.before-{first}"]
    copy = sqlite3.connect(tmp_path / f"gateway.db.before-{first}")
    assert copy.execute("SELECT count(*) FROM events").fetchone() == (EVENTS,)
    assert copy.execute("SELECT name FROM sqlite_schema WHERE name = 'weights'").fetchone() is None
    (next_sequence,) = copy.execute("SELECT value FROM meta WHERE name = 'next_sequence'").fetchone()
    assert next_sequence == EVENTS + 1 + backup.GAP, "whoever goes back to it gives no sequence twice"
    copy.close()
    with open_store(path):
        assert len(backups(tmp_path)) == 1


def test_a_new_database_needs_no_backup_and_old_backups_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"
    open_store(path).close()
    assert backups(tmp_path) == []
    for number in range(4):
        later(monkeypatch, f"step_{number}")
        open_store(path).close()
        os.utime(tmp_path / f"gateway.db.before-step_{number}", (number, number))
    assert backups(tmp_path) == ["gateway.db.before-step_2", "gateway.db.before-step_3"]


def test_without_room_for_the_backup_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.db"
    older_database(path, monkeypatch)
    content = path.read_bytes()
    later(monkeypatch, "weights")
    monkeypatch.setattr(backup, "free_bytes", lambda _: 1000)
    with pytest.raises(StoreFullError, match="MB for a backup before its schema is changed"):
        open_store(path)
    assert path.read_bytes() == content
    assert backups(tmp_path) == []


MIGRATE = """
import sys
from pathlib import Path
from rfid_gateway.store import schema
from rfid_gateway.store.connection import open_store
schema.STEPS["weights"] = (
    "CREATE TABLE weights (key INTEGER PRIMARY KEY, much BLOB)",
    '''WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
       INSERT INTO weights SELECT i, randomblob(500) FROM n''',
)
print("begins", flush=True)
open_store(Path(sys.argv[1])).close()
"""


def test_a_change_that_is_killed_at_any_moment_is_repeated_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"
    older_database(path, monkeypatch)
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    killed = 0
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", MIGRATE, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed > 0
    subprocess.run([sys.executable, "-c", MIGRATE, path], check=True, stdout=subprocess.DEVNULL)
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM weights").fetchone() == (40_000,)
    assert database.execute("SELECT count(*) FROM events").fetchone() == (EVENTS,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    assert not list(tmp_path.glob("*.draft"))


def test_a_newer_schema_ends_the_gateway_with_1_and_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"
    with monkeypatch.context() as newer:
        later(newer, "weights")
        open_store(path).close()
    with pytest.raises(NewerSchemaError):
        open_store(path)
    content, changed = path.read_bytes(), path.stat().st_mtime_ns
    configuration = tmp_path / "gateway.toml"
    configuration.write_text(
        f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{tmp_path}"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
[[zones]]
id = "storage"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
"""
    )
    for name in ("run", "events"):
        done = command(name, "--config", configuration)
        assert done.returncode == 1, name
        assert "was written by a newer rfid-gateway (schema change 'weights')" in done.stderr
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, changed)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["gateway.db", "gateway.toml"]
