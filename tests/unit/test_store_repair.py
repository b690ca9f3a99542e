"""Damaged databases: set aside and never deleted, what can be read is taken over, no sequence is given twice."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreDamagedError, StoreError
from rfid_gateway.store.observation_state import StateRow
from rfid_gateway.store.outbox import OutboxEvent
from rfid_gateway.store.repair import names_aside, open_repaired, set_aside
from rfid_gateway.store.sequence_mark import AHEAD, SequenceMark, mark_of

AT = 1_795_000_000_000_000
NAME = "gateway.db.damaged-20261118T110640Z"
EVENTS = 600
PUBLISHED = 200
LEAF = 0x0D
"""First byte of a page with rows of a table (sqlite.org/fileformat2.html)."""


def event(number: int) -> OutboxEvent:
    return OutboxEvent(
        event_id=f"ni:///sha-256;{number * 0x9E3779B97F4A7C15 % (1 << 64):064x}?ver=CBV2.0",
        event_time=AT + number,
        epc=f"{number:024X}",
        shipment_id=f"S-{number}",
        biz_step="departing",
        direction="out",
        verdict="ok",
        read_point="urn:x:y",
        topic="t",
        encode=lambda sequence: b'{"sequence": %d, "filler": "%s"}' % (sequence, b"x" * 1000),
    )


def fill(store: Store) -> None:
    store.directory.upsert(Shipment(f"S-{n}", (Unit(f"epc:{n:024X}"),), (f"PO-{n}",)) for n in range(200))
    store.observation_state.save(StateRow("presence", "hall", f"{n:024X}", "{}") for n in range(200))
    store.outbox.append(event(number) for number in range(EVENTS))
    store.outbox.published(range(1, PUBLISHED + 1), AT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed database in which 400 of 600 events wait."""
    path = tmp_path / "gateway.db"
    with open_store(path) as store:
        fill(store)
    return path


def is_consistent(store: Store) -> None:
    waiting = store.outbox.unpublished(0, 10_000)
    assert store.outbox.backlog() == len(waiting)
    assert store._database.rows("PRAGMA integrity_check") == [("ok",)]
    assert store._database.rows("PRAGMA foreign_key_check") == []


def goes_on(store: Store) -> None:
    """The next event takes a sequence that was never given, and later ones follow without a gap."""
    (first,) = store.outbox.append([event(1_000_000)])
    (second,) = store.outbox.append([event(1_000_001)])
    assert first.sequence > EVENTS
    assert second.sequence == first.sequence + 1


@pytest.mark.parametrize("seed", range(12))
def test_overwritten_pages_cost_what_was_on_them_and_no_more(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    original = path.read_bytes()
    content = bytearray(original)
    pages = len(content) // 4096
    broken = chance.sample(range(1, pages), chance.choice((1, 3, pages // 10)))
    for page in broken:
        content[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(content)
    aside = set_aside(path, AT, "test")
    assert aside.aside.name == NAME
    assert aside.aside.read_bytes() == content
    with open_store(path) as store:
        is_consistent(store)
        waiting = store.outbox.unpublished(0, 10_000)
        assert {row.sequence for row in waiting} <= set(range(PUBLISHED + 1, EVENTS + 1))
        print(f"seed {seed}: {len(broken)} of {pages} pages broken, {len(waiting)} of 400 events salvaged")
        # Three events are on a page; behind an inner page there may be hundreds.
        if len(broken) == 1 and original[broken[0] * 4096] == LEAF:
            assert len(waiting) >= 396
        for row in waiting:
            assert row.payload.startswith(b'{"sequence": %d,' % row.sequence)
        goes_on(store)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2 // 4096 * 4096], id="cut in half"),
        pytest.param(lambda content: content[:5000], id="cut within the second page"),
        pytest.param(lambda _: b"this is a letter, not a database\n" * 300, id="no database"),
        pytest.param(lambda content: b"\xff" * 4096 + content[4096:], id="first page overwritten"),
        pytest.param(lambda content: content[:4096] + b"\xff" * (len(content) - 4096), id="all but the first page"),
        pytest.param(lambda content: content[:100], id="the header alone"),
    ],
)
def test_whatever_is_left_of_the_file_it_is_set_aside_and_the_gateway_goes_on(path: Path, damage: object) -> None:
    assert callable(damage)
    left = damage(path.read_bytes())
    path.write_bytes(left)
    store, repaired = open_repaired(path, AT)
    with store:
        # A file that was cut may open well; then it is the one who reads the missing page that finds out.
        if repaired is None:
            with pytest.raises(StoreDamagedError):
                store.outbox.unpublished(0, 10_000)
            store.close()
            repaired = set_aside(path, AT, "found while running")
            store.reopen()
        assert repaired.aside.read_bytes() == left
        assert names_aside(path) == (NAME,)
        is_consistent(store)
        goes_on(store)


@pytest.mark.parametrize("content", [None, b""])
def test_a_database_that_is_gone_or_empty_is_made_anew_and_no_sequence_given_twice(
    path: Path, content: bytes | None
) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    store, repaired = open_repaired(path, AT)
    with store:
        assert repaired is None
        goes_on(store)


def test_an_old_copy_that_was_put_back_gives_no_sequence_twice(path: Path) -> None:
    SequenceMark(mark_of(path)).cover(5 * AHEAD)
    with open_store(path) as store:
        assert store.outbox.next_sequence() == 6 * AHEAD


def test_without_the_mark_and_with_nothing_to_be_read_the_sequence_is_beyond_all_that_could_have_been(
    path: Path,
) -> None:
    mark_of(path).unlink()
    path.write_bytes(b"\xff" * 10_000)
    store, _ = open_repaired(path, AT)
    with store:
        assert store.outbox.next_sequence() == AT // 1000
        goes_on(store)


def with_log(path: Path) -> bytes:
    """Leave the database as a killed process would: everything in the log. Returns the log."""
    path.unlink(missing_ok=True)
    original = path.with_name("original.db")
    with open_store(original) as store:
        # Few enough for no checkpoint to come.
        store.observation_state.save([StateRow("presence", "hall", "AA", "{}")])
        for number in range(20):
            store.outbox.append([event(number)])
        for part in ("", "-wal"):
            shutil.copy(f"{original}{part}", f"{path}{part}")
        shutil.copy(mark_of(original), mark_of(path))
    return path.with_name("gateway.db-wal").read_bytes()


def test_a_missing_shm_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with_log(path)
    store, repaired = open_repaired(path, AT)
    with store:
        assert repaired is None
        assert (store.outbox.backlog(), store.outbox.next_sequence()) == (20, 21)


def test_half_a_commit_at_the_logs_end_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    log = with_log(path)
    path.with_name("gateway.db-wal").write_bytes(log[: -4120 - 500])
    store, repaired = open_repaired(path, AT)
    with store:
        assert repaired is None
        assert store.outbox.backlog() == 19


@pytest.mark.parametrize("place", [8, 16, 40, 4_000, 30_000])
def test_a_damaged_log_is_noticed_and_no_sequence_given_twice(tmp_path: Path, place: int) -> None:
    path = tmp_path / "gateway.db"
    log = bytearray(with_log(path))
    log[place] ^= 0x55
    path.with_name("gateway.db-wal").write_bytes(log)
    store, repaired = open_repaired(path, AT)
    with store:
        assert repaired is not None
        assert "gateway.db-wal: is damaged" in repaired.reason
        (row,) = store.outbox.append([event(1_000_000)])
        assert row.sequence > 20


@pytest.mark.parametrize("renamed", [(), ("",), ("", "-wal")])
def test_a_set_aside_that_was_interrupted_is_finished_by_the_next_start(path: Path, renamed: tuple[str, ...]) -> None:
    """The salvaged file is complete and some of the old files have their new names already."""
    with open_store(path.with_name("salvaged.db")) as store:
        store.outbox.go_on_from(4711)
    path.with_name("salvaged.db").rename(path.with_name("gateway.db.salvaged"))
    path.with_name("gateway.db-wal").write_bytes(b"old log")
    for part in renamed:
        path.with_name(f"gateway.db{part}").rename(path.with_name(f"gateway.db.half{part}"))
    store, _ = open_repaired(path, AT)
    with store:
        assert store.outbox.next_sequence() == 4711
        assert not path.with_name("gateway.db.salvaged").exists()


def test_a_second_damage_in_the_same_second_gets_a_name_of_its_own(path: Path) -> None:
    for _ in range(2):
        path.write_bytes(b"\xff" * 10_000)
        store, _ = open_repaired(path, AT)
        store.close()
    assert names_aside(path) == (NAME, f"{NAME}.2")


def test_the_mark_runs_ahead_and_is_never_lowered(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sequence"
    mark = SequenceMark(file)
    assert mark.read() == 0
    mark.cover(5)
    assert mark.read() == 5 + AHEAD
    other = SequenceMark(file)
    other.cover(3 * AHEAD)
    mark.cover(AHEAD + 100)
    assert mark.read() == 4 * AHEAD


def test_half_a_write_of_the_mark_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sequence"
    mark = SequenceMark(file)
    mark.cover(1)
    mark.cover(2 * AHEAD)
    content = bytearray(file.read_bytes())
    content[70:80] = b"##########"
    file.write_bytes(content)
    assert SequenceMark(file).read() == 1 + AHEAD
    file.write_bytes(b"")
    assert SequenceMark(file).read() == 0


def test_events_are_not_committed_where_the_mark_cannot_be_written(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        mark_of(tmp_path / "gateway.db").mkdir()
        with pytest.raises(StoreError, match=r"gateway\.sequence: cannot be"):
            store.outbox.append([event(1)])
        assert store.outbox.backlog() == 0


def test_text_that_is_no_utf8_counts_as_damage(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("UPDATE events SET topic = CAST(x'ff' AS TEXT) WHERE sequence = 300")
    raw.commit()
    raw.close()
    with open_store(path) as store, pytest.raises(StoreDamagedError):
        store.outbox.unpublished(0, 10_000)
