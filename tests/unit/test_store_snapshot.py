"""A copy of the database is of one instant, whatever is written meanwhile, and is whole."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rfid_gateway.store import snapshot as under_test
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.database import StoreDamagedError, StoreError, StoreFullError
from rfid_gateway.store.schema import STEPS, NewerSchemaError
from rfid_gateway.store.snapshot import snapshot
from tests.e2e.publishing import append
from tests.small_disk import SmallDisk, disk

__all__ = ["disk"]

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.e2e.publishing import append
first = 1001
while True:
    append(Path(sys.argv[1]), 50, first, filling=500)
    first += 50
    print(first, flush=True)
"""
ROOT = str(Path(__file__).resolve().parents[2])


def ignore(_done: int, _total: int) -> None:
    pass


def test_a_copy_is_of_one_instant_while_another_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, copy = tmp_path / "gateway.db", tmp_path / "copy.db"
    append(path, 1000, filling=500)
    monkeypatch.setattr(under_test, "_PAGES_AT_ONCE", 20)
    steps: list[tuple[int, int]] = []
    with subprocess.Popen(
        [sys.executable, "-c", WRITER.format(root=ROOT), path], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()

        def progress(done: int, total: int) -> None:
            steps.append((done, total))
            # Something is committed between any two steps of the first ten.
            if len(steps) < 10:
                assert writer.stdout is not None
                writer.stdout.readline()

        taken = snapshot(path, copy, progress)
        writer.kill()
    assert [done for done, _ in steps] == sorted(done for done, _ in steps), "it never begins anew"
    assert len({total for _, total in steps}) == 1
    assert not list(tmp_path.glob("copy.db-*"))
    with open_store(path) as store:
        assert store.outbox.next_sequence() >= taken.next_sequence + 10 * 50 - 100
    with open_store(copy) as store:
        rows = store.outbox.unpublished(0, 1_000_000)
        assert [row.sequence for row in rows] == list(range(1, taken.next_sequence))
        assert taken.waiting == store.outbox.backlog() == len(rows)
        assert store.outbox.next_sequence() == taken.next_sequence
        assert store._database.rows("PRAGMA integrity_check") == [("ok",)]
    assert taken.changes == tuple(STEPS)


def test_a_damaged_database_gives_no_copy_that_looks_whole(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    append(path, 2000, filling=500)
    with path.open("r+b") as file:
        file.seek(4096 * 100)
        file.write(b"\xff" * 4096 * 3)
    with pytest.raises(StoreDamagedError, match="no backup was made"):
        snapshot(path, tmp_path / "copy.db", ignore)


def test_without_a_database_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gateway\.db: cannot be opened"):
        snapshot(tmp_path / "gateway.db", tmp_path / "copy.db", ignore)


def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    append(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('rfid-gateway', 'later', '')"
        )
    connection.close()
    with pytest.raises(NewerSchemaError):
        snapshot(path, tmp_path / "copy.db", ignore)


def test_no_room_for_the_copy_is_said_before_and_while_it_is_written(tmp_path: Path, disk: SmallDisk) -> None:
    path = tmp_path / "gateway.db"
    append(path, 2000, filling=1500)
    disk.fill(left=1 << 20)
    with pytest.raises(StoreFullError, match=rf"{disk.folder}: the copy needs"):
        snapshot(path, disk.folder / "copy.db", ignore)
    disk.make_room()
    full = iter([True])

    def fill_meanwhile(_done: int, _total: int) -> None:
        if next(full, False):
            disk.fill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_test, "_PAGES_AT_ONCE", 100)
        with pytest.raises(StoreFullError, match=rf"{disk.folder}: the copy cannot be written"):
            snapshot(path, disk.folder / "copy.db", fill_meanwhile)
