"""Putting a backup back: no sequence is given twice, nothing is lost that was there, and no half of it stays."""

import os
import pwd
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rfid_gateway.backup import restoring
from rfid_gateway.backup.archive import ArchiveError
from rfid_gateway.backup.making import Wanted, make
from rfid_gateway.backup.manifest import Kind
from rfid_gateway.backup.restoring import Owner, RefusedError, Restored, put_back, put_back_without_gap, staged
from rfid_gateway.cli.configuration import load
from rfid_gateway.state_file import write_state
from rfid_gateway.state_guard import InUseError, held, hold, refuse_running, release, state_lock
from rfid_gateway.store import restored, schema
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.observation_state import StateRow
from rfid_gateway.store.restored import GAP, next_sequence_after, settle, told
from rfid_gateway.store.retained import HELD
from rfid_gateway.store.schema import NewerSchemaError
from rfid_gateway.store.sequence_mark import AHEAD, SequenceMark, mark_of
from rfid_gateway.store.snapshot import Snapshot
from tests.e2e.publishing import append
from tests.small_disk import SmallDisk, disk
from tests.unit.test_store_migration import older_database

__all__ = ["disk"]

MADE_AT = 1_795_000_000_000_000
LATER = MADE_AT + 86_400_000_000
CONFIGURATION = """\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{folder}"
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


def ignore(_what: str, _done: int, _total: int) -> None:
    pass


class Place:
    """A PC with a state folder."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.database = self.state / "gateway.db"
        self.configuration = folder / "gateway.toml"
        self.configuration.write_text(CONFIGURATION.format(folder=self.state))

    def back_up(self, kind: Kind = "copy") -> Path:
        file = self.configuration.with_name(f"{kind}.tar.gz")
        make(load(self.configuration), self.configuration, file, Wanted(kind, with_named=False), MADE_AT, ignore)
        return file

    def restore(
        self, file: Path, action: Callable[..., Restored] = put_back, at: int = LATER, owner: Owner | None = None
    ) -> Restored:
        with state_lock(self.state), staged(file, self.state, ignore) as backup:
            return action(backup, self.database, owner, at)

    def next_sequence(self) -> int:
        with open_store(self.database) as store:
            return store.outbox.next_sequence()

    def names(self) -> set[str]:
        return {path.name for path in self.state.iterdir()}


@pytest.fixture
def old(tmp_path: Path) -> Place:
    place = Place(tmp_path / "old")
    append(place.database, 100)
    return place


@pytest.fixture
def new(tmp_path: Path) -> Place:
    return Place(tmp_path / "new")


def test_the_sequence_goes_on_behind_all_that_may_have_been_given_since(old: Place, new: Place) -> None:
    file = old.back_up()
    append(old.database, 500, first=101)
    done = new.restore(file)
    assert done.next_sequence == new.next_sequence() == LATER // 1000
    assert done.kept == ()
    append(new.database, 1, first=900)
    assert new.next_sequence() == LATER // 1000 + 1
    assert SequenceMark(mark_of(new.database)).read() > LATER // 1000


@pytest.mark.parametrize(
    ("backup", "known", "at", "expected"),
    [
        (101, 0, 0, 101 + GAP),
        (101, 0, LATER, LATER // 1000),
        (LATER // 1000 + 50, 0, LATER, LATER // 1000 + 50 + GAP),
        (101, 1 << 50, LATER, (1 << 50) + AHEAD),
    ],
)
def test_whatever_is_known_counts(backup: int, known: int, at: int, expected: int, tmp_path: Path) -> None:
    if known:
        SequenceMark(tmp_path / "gateway.sequence").cover(known)
    assert next_sequence_after(backup, tmp_path / "gateway.db", at) == expected


def test_what_was_there_is_kept_under_a_name_with_the_time(old: Place) -> None:
    file = old.back_up()
    append(old.database, 500, first=101)
    first = old.restore(file)
    second = old.restore(file)
    assert second.next_sequence > first.next_sequence
    stamp = "20261119T110640Z"
    assert {path.name for path in (*first.kept, *second.kept)} == {
        f"{name}.replaced-{stamp}{number}" for name in ("gateway.db", "gateway.sequence") for number in ("", ".2")
    }
    with open_store(first.kept[0]) as store:
        assert store.outbox.backlog() == 600
    assert old.next_sequence() == second.next_sequence


def test_a_log_that_is_there_stays_with_its_database(old: Place) -> None:
    file = old.back_up()
    with open_store(old.database) as store:
        pass
    # As after a kill: what was committed last stands in the log alone.
    connection = sqlite3.connect(old.database)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("UPDATE meta SET value = 7777 WHERE name = 'next_sequence'")
    connection.commit()
    log = (old.state / "gateway.db-wal").read_bytes()
    (old.state / "saved-wal").write_bytes(log)
    main = old.database.read_bytes()
    connection.close()
    old.database.write_bytes(main)
    (old.state / "saved-wal").rename(old.state / "gateway.db-wal")
    (kept, *_) = old.restore(file).kept
    assert not (old.state / "gateway.db-wal").exists()
    with open_store(kept) as store:
        assert store.outbox.next_sequence() == 7777


def test_a_final_backup_goes_on_exactly(old: Place, new: Place) -> None:
    file = old.back_up("final")
    done = new.restore(file, put_back_without_gap)
    assert done.next_sequence == new.next_sequence() == 101
    with open_store(new.database) as store:
        assert settle(store.database) is None
        assert not any(row.again for row in store.outbox.unpublished(0, 100))


def test_without_gap_is_refused_where_it_cannot_be(old: Place, new: Place) -> None:
    copy, final = old.back_up(), old.back_up("final")
    with pytest.raises(RefusedError, match="may have gone on"):
        new.restore(copy, put_back_without_gap)
    append(old.database, 1, first=101)
    with pytest.raises(RefusedError, match=r"has gone on beyond the backup \(sequence 101\)"):
        old.restore(final, put_back_without_gap)
    assert (old.next_sequence(), new.names()) == (102, set())
    # The database is gone and only the mark knows.
    SequenceMark(mark_of(new.database)).cover(50_000)
    with pytest.raises(RefusedError, match="has gone on"):
        new.restore(final, put_back_without_gap)


def test_a_clock_before_the_backup_is_refused(old: Place, new: Place) -> None:
    file = old.back_up()
    with pytest.raises(RefusedError, match="set it first"):
        new.restore(file, at=MADE_AT - 1)
    assert new.names() == set()


def test_what_has_to_be_put_right_is_put_right_once(old: Place, new: Place) -> None:
    with open_store(old.database) as store:
        store.outbox.published(range(1, 51), 1)
        kinds = ("presence", "passage", "beams", "background")
        store.observation_state.save(StateRow(kind, "dock", "AA", "{}") for kind in kinds)
        store.retained.mark("shipment", ["S-1", "S-2"])
        (row, _) = store.retained.unsaid(("", ""), 2)
        store.retained.said([row], [])
    new.restore(old.back_up())
    with open_store(new.database) as store:
        assert settle(store.database) == MADE_AT
        assert [row.again for row in store.outbox.unpublished(0, 1000)] == [True] * 50
        assert [row.kind for row in store.observation_state.load()] == ["background", "presence"]
        assert store.retained.unsaid(("", ""), 9) == []
        # Not when the broker has a new session, either; what is new is said, and what a person asks for.
        store.retained.say_all_again()
        assert store.retained.to_say_again(9) == []
        store.retained.mark("shipment", ["S-2"])
        assert [row.name for row in store.retained.unsaid(("", ""), 9)] == ["S-2"]
        assert settle(store.database) == MADE_AT
        assert [row.name for row in store.retained.unsaid(("", ""), 9)] == ["S-2"]
        assert store.database.rows("SELECT name FROM retained WHERE said_in = ?", (HELD,)) == [("S-1",)]
        store.retained.release_and_say_all_again()
        assert [row.name for row in store.retained.to_say_again(9)] == ["S-1"]
        told(store.database)
        assert settle(store.database) is None


def test_an_older_schema_is_migrated_at_the_next_start_and_put_right_then(
    tmp_path: Path, new: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path / "older")
    older_database(place.database, monkeypatch)
    with monkeypatch.context() as first:
        first.setattr(schema, "STEPS", {"initial": schema.STEPS["initial"]})
        file = place.back_up()
    done = new.restore(file)
    with open_store(new.database) as store:
        assert settle(store.database) == MADE_AT
        assert all(row.again for row in store.outbox.unpublished(0, 1000))
        assert store.outbox.next_sequence() == done.next_sequence


def test_a_newer_schema_is_refused_before_anything_is_unpacked(
    old: Place, new: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setitem(schema.STEPS, "weights", ("CREATE TABLE weights (key TEXT)",))
        with open_store(old.database):
            pass
        file = old.back_up()
    with pytest.raises(NewerSchemaError, match=r"copy\.tar\.gz: was written by a newer rfid-gateway"):
        new.restore(file)
    assert new.names() == set()


def test_a_damaged_backup_leaves_everything_as_it_is(old: Place) -> None:
    file = old.back_up()
    content = file.read_bytes()
    before = {path.name: path.read_bytes() for path in old.state.iterdir()}
    for damaged in (content[:-20], content[: len(content) // 2], content[:-3000] + bytes(2000) + content[-1000:]):
        file.write_bytes(damaged)
        with pytest.raises(ArchiveError):
            old.restore(file)
        assert {path.name: path.read_bytes() for path in old.state.iterdir()} == before


def test_a_database_that_is_none_is_refused(old: Place, new: Place) -> None:
    old_make = old.back_up()
    with pytest.MonkeyPatch.context() as patch:
        # Someone packs a file with right checksums that is no gateway's database.
        patch.setattr("rfid_gateway.backup.making.snapshot", _foreign_snapshot)
        file = old.back_up()
    assert file == old_make
    with pytest.raises(Exception, match=r"gateway\.db: is no database of a gateway"):
        new.restore(file)
    assert new.names() == set()


def _foreign_snapshot(_database: Path, copy: Path, _progress: object) -> Snapshot:
    with sqlite3.connect(copy) as connection:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    return Snapshot(1, 0, ("initial",))


@pytest.mark.parametrize("renames", range(4))
def test_one_that_is_cut_off_lets_no_gateway_start_and_is_done_again(
    old: Place, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    file = old.back_up()
    append(old.database, 5, first=101)
    rename, left = Path.rename, iter(range(renames))

    def break_off(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", break_off)
    with pytest.raises(OSError, match="Input/output"):
        old.restore(file)
    monkeypatch.undo()
    assert "call rfid-gateway restore again" in str(held(old.state))
    done = old.restore(file)
    assert held(old.state) is None
    assert old.next_sequence() == done.next_sequence
    assert not list(old.state.glob(".restore-*"))
    kept = [path for path in old.state.glob("gateway.db.replaced-*") if path.suffix not in ("-wal", "-shm")]
    backlogs = []
    for path in kept:
        with open_store(path) as store:
            backlogs.append(store.outbox.backlog())
    assert 105 in backlogs, "what was there is still there"


def test_what_a_killed_restore_has_left_is_cleared_away(old: Place) -> None:
    (old.state / ".restore-abc").mkdir()
    (old.state / ".restore-abc" / "gateway.db").write_bytes(b"x")
    old.restore(old.back_up())
    assert not list(old.state.glob(".restore-*"))


def test_files_get_the_owner_of_the_state(old: Place, new: Place) -> None:
    if os.geteuid() != 0:
        pytest.skip("files can be given away by root alone")
    nobody = pwd.getpwnam("nobody")
    new.restore(old.back_up(), owner=Owner(nobody.pw_uid, nobody.pw_gid))
    found = [path.stat() for path in new.state.iterdir()]
    assert {(each.st_uid, each.st_gid, each.st_mode & 0o777) for each in found} == {
        (nobody.pw_uid, nobody.pw_gid, 0o600)
    }
    assert new.names() == {"gateway.db", "gateway.sequence"}


def test_no_room_is_said_before_anything_is_touched(old: Place, disk: SmallDisk) -> None:
    file = old.back_up()
    new = Place(disk.folder / "pc")
    disk.fill(left=1 << 20)
    with pytest.raises(RefusedError, match="MB and the disk has 1 MB free"):
        new.restore(file)
    assert new.names() == set()
    # It becomes full while the backup is unpacked.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restoring, "free_bytes", lambda _: 1 << 40)
        disk.make_room()
        disk.fill(left=8192)
        with pytest.raises(OSError, match="No space left"):
            new.restore(file)
    assert new.names() == set()


def test_a_folder_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(InUseError, match="a gateway runs on this state folder")
    with state_lock(tmp_path), refused, state_lock(tmp_path):
        pass
    with state_lock(tmp_path):
        pass


def test_a_gateway_that_does_not_lock_is_known_by_its_sign_of_life(tmp_path: Path) -> None:
    refuse_running(tmp_path, LATER)
    write_state(tmp_path, {"at": LATER - 1_000_000, "stopped": False})
    with pytest.raises(InUseError, match="sign of life"):
        refuse_running(tmp_path, LATER)
    refuse_running(tmp_path, LATER + 60_000_000)
    write_state(tmp_path, {"at": LATER - 1_000_000, "stopped": True})
    refuse_running(tmp_path, LATER)


def test_a_held_folder_says_why(tmp_path: Path) -> None:
    assert held(tmp_path) is None
    hold(tmp_path, "it has moved")
    assert held(tmp_path) == "it has moved"
    release(tmp_path)
    assert held(tmp_path) is None


def test_open_loads_are_counted(old: Place) -> None:
    with open_store(old.database) as store:
        for name, closed in (("T-1", None), ("T-2", 5), ("T-3", None)):
            store.database.change("INSERT INTO loads (load_id, closed_at) VALUES (?, ?)", (name, closed))
    assert restored.open_loads(old.database) == 2
    assert replace(old.restore(old.back_up()), kept=(), next_sequence=0) == Restored(0, (), 2)
