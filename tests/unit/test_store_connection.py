import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rfid_gateway.store import schema
from rfid_gateway.store.connection import Store, open_existing_store, open_store
from rfid_gateway.store.database import (
    Database,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
)
from rfid_gateway.store.observation_state import StateRow
from rfid_gateway.store.schema import NewerSchemaError, OlderSchemaError

KEEP = StateRow("zone", "hall", "AA", "kept")


def states(path: Path) -> list[StateRow]:
    with open_store(path) as store:
        return store.observation_state.load()


def save(store: Store, *rows: StateRow) -> None:
    store.observation_state.save(rows)


def save_and_fail(store: Store, *rows: StateRow) -> None:
    with store.transaction():
        save(store, *rows)
        raise RuntimeError


def save_together(store: Store, *rows: StateRow) -> None:
    with store.transaction():
        for row in rows:
            save(store, row)


def test_a_new_store_is_durable_and_checks_references(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        database = store._database
        settings = {name: database.row(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")}
        assert settings == {"journal_mode": ("wal",), "synchronous": (2,), "foreign_keys": (1,)}
        assert database.row("PRAGMA busy_timeout") == (30_000,)
        assert database.row("PRAGMA journal_size_limit") == (4 << 20,)


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with open_store(path) as store:
        save(store, KEEP)
    assert states(path) == [KEEP]


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        with pytest.raises(RuntimeError):
            save_and_fail(store, KEEP)
        assert store.observation_state.load() == []


def test_an_inner_transaction_is_undone_alone_and_committed_with_the_outer(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with open_store(path) as store, store.transaction():
        save(store, KEEP)
        with pytest.raises(RuntimeError):
            save_and_fail(store, StateRow("zone", "hall", "BB", "undone"))
    assert states(path) == [KEEP]


DIE = """
import os, signal, sys
from pathlib import Path
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.observation_state import StateRow
from rfid_gateway.store.outbox import OutboxEvent
store = open_store(Path(sys.argv[1]))
event = OutboxEvent("ni:///x", 1, "AA", "S", None, None, "ok", "urn:x", "t", lambda sequence: b"%d" % sequence)
with store.transaction():
    store.outbox.append([event])
    store.observation_state.save([StateRow("zone", "hall", "AA", "kept")])
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "expected"), [("before", 0), ("after", 1)])
def test_a_process_killed_before_the_commit_leaves_nothing_and_after_it_everything(
    tmp_path: Path, when: str, expected: int
) -> None:
    path = tmp_path / "gateway.db"
    ended = subprocess.run([sys.executable, "-c", DIE, str(path), when], check=False)
    assert ended.returncode == -9
    with open_store(path) as store:
        assert len(store.history.events(10)) == expected
        assert len(store.observation_state.load()) == expected
        assert store.outbox.backlog() == expected
        assert store.outbox.next_sequence() == 1 + expected


def test_a_reader_on_another_connection_sees_the_state_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with open_store(path) as writer, open_store(path) as reader:
        with writer.transaction():
            save(writer, KEEP)
            assert reader.observation_state.load() == []
        assert reader.observation_state.load() == [KEEP]


def test_two_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    open_store(path).close()

    def write(name: str) -> None:
        with open_store(path) as store:
            for number in range(50):
                save(store, StateRow("zone", name, str(number), "x"))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(states(path)) == 100


def test_several_threads_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            open_store(path).close()
        except (StoreError, sqlite3.Error) as error:
            failures.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert states(path) == []


def test_a_connection_refuses_to_work_in_another_thread(tmp_path: Path) -> None:
    refused: list[str] = []

    def use(store: Store) -> None:
        try:
            store.outbox.backlog()
        except sqlite3.ProgrammingError as error:
            refused.append(str(error))

    with open_store(tmp_path / "gateway.db") as store:
        thread = threading.Thread(target=use, args=(store,))
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.db"
    with monkeypatch.context() as newer:
        newer.setitem(schema.STEPS, "add_weights", ("CREATE TABLE weights (key TEXT)",))
        open_store(path).close()
    with pytest.raises(NewerSchemaError, match=r"gateway\.db: was written by a newer rfid-gateway .*'add_weights'"):
        open_store(path)
    with pytest.raises(NewerSchemaError):
        open_existing_store(path)


def test_an_older_schema_is_brought_up_to_date_with_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.db"
    with open_store(path) as store:
        save(store, KEEP)
    monkeypatch.setitem(schema.STEPS, "add_weights", ("CREATE TABLE weights (key TEXT)",))
    with pytest.raises(OlderSchemaError, match="lacks the schema change 'add_weights'"):
        open_existing_store(path)
    with open_store(path) as store:
        assert store.observation_state.load() == [KEEP]
        assert store._database.rows("SELECT * FROM weights") == []


def test_a_schema_change_that_fails_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gateway.db"
    with open_store(path) as store:
        save(store, KEEP)
    with monkeypatch.context() as broken:
        broken.setitem(schema.STEPS, "broken", ("CREATE TABLE weights (key TEXT)", "CREATE NONSENSE"))
        with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
            open_store(path)
    assert states(path) == [KEEP]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"this is a letter, not a database\n" * 100)
    with pytest.raises(StoreDamagedError, match=r"gateway\.db: is not an SQLite database"):
        open_store(path)
    assert path.read_bytes().startswith(b"this is a letter")


def test_a_damaged_database_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    open_store(path).close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        open_store(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/gateway\.db: cannot be opened; its folder must be there"):
        open_store(tmp_path / "nowhere" / "gateway.db")


def test_an_existing_store_is_not_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with pytest.raises(StoreError, match="cannot be opened"):
        open_existing_store(path)
    assert not path.exists()


def test_a_database_locked_by_another_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with open_store(path) as holder, open_store(path) as waiter:
        waiter._database.change("PRAGMA busy_timeout = 1")
        with (
            holder.transaction(),
            pytest.raises(StoreBusyError, match="is locked by another process"),
            waiter.transaction(),
        ):
            pytest.fail("the lock was held")


def test_a_database_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        store._database.change("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match=r"is not writable; check the owner and permissions"):
            save(store, KEEP)


def test_a_full_disk_undoes_the_transaction_and_it_goes_on_once_there_is_room(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        database: Database = store._database
        database.rows("PRAGMA max_page_count = 1")  # SQLite raises it to what is in use
        big = [StateRow("zone", "hall", str(number), "x" * 3000) for number in range(100)]
        with pytest.raises(StoreFullError, match="the disk is full"):
            save_together(store, KEEP, *big)
        assert store.observation_state.load() == []
        database.rows("PRAGMA max_page_count = 100000")
        save(store, *big)
        assert len(store.observation_state.load()) == 100
