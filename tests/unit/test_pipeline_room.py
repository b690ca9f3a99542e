"""The pipeline without room: on a file system that is really full, with a quota, and with nothing to write to."""

import json
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rfid_gateway import gateway
from rfid_gateway.config import parse
from rfid_gateway.gateway import RETRY_US, Pipeline
from rfid_gateway.intake import DirectoryMessage
from rfid_gateway.reads import TagRead, TagReport
from rfid_gateway.store.ballast import LEAST_BYTES, Ballast
from rfid_gateway.store.connection import open_existing_store, open_store
from rfid_gateway.store.database import StoreError
from tests.small_disk import SmallDisk, disk
from tests.unit.test_pipeline import CONFIG, DRIVERS, SECOND, Clock

__all__ = ["disk"]

DAY = 86_400 * SECOND
UNITS = 30_000


def epc(number: int) -> str:
    return f"E200{number:020X}"


class Site:
    """A pipeline, and a tag that arrives whenever it is told to."""

    def __init__(self, path: Path, extra: str = "") -> None:
        self.clock = Clock()
        self.path = path
        self.config = parse(CONFIG + extra, "test", DRIVERS)
        self.store = open_store(path)
        self.pipeline = Pipeline(self.config, self.store, self.clock)
        self.pipeline.house.look()
        self.arrived = 0

    def announce(self) -> None:
        units = [{"epc": epc(number)} for number in range(UNITS)]
        self.pipeline.drain([DirectoryMessage("S-1", json.dumps({"units": units}).encode(), lambda: None)])

    def arrive(self, count: int) -> None:
        """So many tags arrive, a hundred at a time, 20 ms apart."""
        for first in range(self.arrived, self.arrived + count, 100):
            self.clock.now += 20_000
            reads = [
                TagRead(epc(number), 1, self.clock.now, self.clock.now, -50.0, 5)
                for number in range(first, min(first + 100, self.arrived + count))
            ]
            at = self.clock.monotonic_us()
            self.pipeline.drain([TagReport("storage-1", self.clock.now, at, tuple(reads + reads))])
        self.arrived += count

    def tick(self, seconds: int = 3) -> None:
        for _ in range(seconds):
            self.clock.now += RETRY_US
            self.pipeline.drain([])
            try:
                self.pipeline.house.look()
                self.pipeline.house.prune()
            except StoreError as error:
                self.pipeline.keep_for_later(error)

    def restart(self) -> None:
        """As after a kill: what was not committed is gone."""
        self.store.close()
        self.store = open_store(self.path)
        self.pipeline = Pipeline(self.config, self.store, self.clock)

    def publish_all(self) -> None:
        """As the publisher does, through a connection of its own."""
        with open_existing_store(self.path) as store:
            while rows := store.outbox.unpublished(0, 200):
                store.outbox.published([row.sequence for row in rows], self.clock.now)

    def stored(self) -> list[str]:
        events = self.store.history.events(100_000)
        assert [event.sequence for event in events] == list(
            range(events[0].sequence, events[0].sequence + len(events))
        ), "sequences are whole"
        return [event.epc for event in events]

    def close(self) -> None:
        self.store.close()


@contextmanager
def site(path: Path, extra: str = "") -> Iterator[Site]:
    made = Site(path, extra)
    try:
        yield made
    finally:
        made.close()


def test_on_a_full_disk_reads_go_on_and_nothing_is_lost_once_there_is_room(disk: SmallDisk) -> None:
    with site(disk.folder / "gateway.db", "[disk]\nballast_mb = 9\nlow_mb = 4\n") as full:
        full.announce()
        full.arrive(500)
        full.tick()
        assert full.pipeline.store_trouble == ""
        assert full.pipeline.house.room.words == "ok"
        assert (disk.folder / "ballast").stat().st_blocks * 512 >= 9 << 20

        disk.fill()
        for _ in range(30):
            full.arrive(200)
            full.tick()
        assert "the disk is full" in full.pipeline.store_trouble
        assert "the disk is full" in full.pipeline.house.room.words
        assert not (disk.folder / "ballast").exists()
        assert full.pipeline.reads == 2 * full.arrived
        waiting = full.store.outbox.backlog()
        assert waiting < full.arrived

        # The broker is there: what it acknowledged leaves the outbox although the disk is full.
        full.publish_all()
        assert full.store.outbox.backlog() == 0
        # And what has been published makes room for what waits in memory.
        full.tick(60)
        assert full.store.outbox.backlog() > 0
        assert full.pipeline.house.pruned_early > 0

        disk.make_room()
        full.tick(100)
        assert full.pipeline.store_trouble == ""
        assert full.pipeline.house.room.words == "ok"
        assert (disk.folder / "ballast").exists()
        assert full.pipeline.observations_lost == 0
        full.publish_all()
        kept = full.stored()
        assert kept == [epc(number) for number in range(full.arrived - len(kept), full.arrived)]
        assert full.store.outbox.next_sequence() == full.arrived + 1


def test_a_database_that_may_not_outgrow_its_quota_gives_up_published_events_only(tmp_path: Path) -> None:
    with site(tmp_path / "gateway.db", "[disk]\nmax_database_mb = 7\nballast_mb = 0\nlow_mb = 0\n") as quota:
        quota.announce()
        for _ in range(20):
            quota.arrive(200)
            quota.publish_all()
            quota.tick()
        size, _ = quota.store.size()
        assert size <= 7 << 20
        assert quota.pipeline.house.pruned_early > 0
        assert quota.pipeline.observations_lost == 0
        # Now the broker is away: nothing that waits is ever given up.
        for _ in range(30):
            quota.arrive(200)
            quota.tick()
        assert "cannot grow" in quota.pipeline.store_trouble
        assert "of the 7.0 MB that it may have" in quota.pipeline.house.room.words
        waiting = [row.sequence for row in quota.store.outbox.unpublished(0, 100_000)]
        assert waiting == list(range(waiting[0], waiting[0] + len(waiting)))
        for _ in range(120):
            quota.publish_all()
            quota.tick(1)
        assert quota.pipeline.store_trouble == ""
        assert quota.stored()[-1] == epc(quota.arrived - 1)
        assert quota.store.outbox.next_sequence() == quota.arrived + 1


def test_beyond_the_bound_the_oldest_observations_go_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "HELD_MAX", 300)
    with site(tmp_path / "gateway.db") as bounded:
        bounded.announce()
        bounded.arrive(100)
        bounded.store.limit_size(0)
        monkeypatch.setattr(bounded.pipeline.house._room, "full", lambda _: None)
        bounded.arrive(1000)
        bounded.tick()
        lost = bounded.pipeline.observations_lost
        assert lost > 0
        monkeypatch.undo()
        bounded.pipeline.house._room.apply(bounded.store)
        bounded.tick()
        assert len(bounded.stored()) == 1100 - lost
        assert bounded.stored()[-300:] == [epc(number) for number in range(800, 1100)]
        assert bounded.store.outbox.next_sequence() == 1101 - lost


def test_a_kill_between_the_pieces_of_what_waited_loses_nothing_and_says_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "COMMIT_MAX", 10)
    with site(tmp_path / "gateway.db") as cut:
        cut.announce()
        cut.arrive(30)
        assert cut.stored() == [epc(number) for number in range(10)]
        cut.restart()
        cut.arrived = 0
        cut.arrive(30)
        cut.tick()
        assert sorted(cut.stored()) == [epc(number) for number in range(30)]


def test_a_file_size_limit_of_the_process_is_survived_like_a_full_disk(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: the write fails with EFBIG, which SQLite reports as an I/O error."""
    with ExitStack() as undo, site(tmp_path / "gateway.db") as limited:
        limited.announce()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        undo.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
        log = tmp_path / "gateway.db-wal"
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 50_000, hard))
        limited.arrive(3000)
        assert limited.pipeline.store_trouble
        assert limited.store.outbox.backlog() < 3000
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        limited.tick(30)
        assert limited.pipeline.store_trouble == ""
        assert limited.stored() == [epc(number) for number in range(3000)]


def test_a_disk_that_becomes_read_only_is_waited_for(disk: SmallDisk) -> None:
    path = disk.folder / "gateway.db"
    open_store(path).close()
    with site(path, "[disk]\nballast_mb = 0\nlow_mb = 0\n") as held:
        held.announce()
        held.arrive(100)
        # A file system with files open for writing cannot be made read-only; an emergency remount does it to all.
        held.store.close()
        assert disk.remount("ro")
        with pytest.raises(StoreError):
            held.store.reopen()
        held.arrive(200)
        held.tick()
        assert held.pipeline.store_trouble
        assert held.pipeline.reads == 600
        assert disk.remount("rw")
        held.tick()
        assert held.pipeline.store_trouble == ""
        assert held.stored() == [epc(number) for number in range(300)]


def test_a_ballast_is_allocated_not_just_as_long(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "ballast", 1)
    assert ballast.size == LEAST_BYTES
    assert not ballast.is_held()
    assert ballast.restore(0)
    assert ballast.is_held()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= LEAST_BYTES
    assert ballast.release()
    assert not ballast.is_held()
    assert not Ballast(tmp_path / "ballast", 1).restore(1 << 62)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("keep_days", "left"), [(10.0, 300), (30.0, 600)])
def test_published_events_and_unit_states_go_after_their_time(tmp_path: Path, keep_days: float, left: int) -> None:
    with site(tmp_path / "gateway.db", f"[history]\nkeep_days = {keep_days}\n") as kept:
        kept.announce()
        kept.arrive(300)
        kept.publish_all()
        kept.clock.now += 20 * DAY
        kept.arrive(300)
        kept.tick(30)
        assert len(kept.stored()) == left
        assert kept.stored()[-1] == epc(599)
        states = kept.store._database.row("SELECT count(*) FROM unit_states")
        assert states == (left,)
        assert kept.pipeline.house.pruned_early == 0


def test_what_is_not_published_is_never_pruned_however_old(tmp_path: Path) -> None:
    with site(tmp_path / "gateway.db", "[history]\nkeep_days = 0.001\nmax_size_mb = 1\n") as kept:
        kept.announce()
        kept.arrive(1000)
        kept.clock.now += 20 * DAY
        kept.tick(30)
        assert len(kept.stored()) == 1000
        kept.publish_all()
        kept.tick(30)
        assert kept.store.history.events(10) == []


def test_a_size_of_the_history_is_kept_to_and_the_file_does_not_grow(tmp_path: Path) -> None:
    with site(tmp_path / "gateway.db", "[history]\nmax_size_mb = 8\n") as kept:
        kept.announce()
        sizes = []
        for _ in range(30):
            kept.arrive(200)
            kept.publish_all()
            kept.tick()
            sizes.append(kept.store.size()[0])
        assert kept.store.outbox.next_sequence() == 6001
        size, free = kept.store.size()
        assert size - free <= 9 << 20
        assert max(sizes[15:]) <= 10 << 20


def test_a_saved_state_that_cannot_be_read_is_dropped_and_the_others_count(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with site(path) as before:
        before.announce()
        before.arrive(3)
        before.tick()
    with open_store(path) as store:
        store._database.change("UPDATE observation_state SET state = '{\"half' WHERE epc = ?", (epc(1),))
        store._database.change("UPDATE observation_state SET state = '[]' WHERE epc = ?", (epc(2),))
    with site(path) as after:
        after.tick(1)
        left = {row.epc for row in after.store.observation_state.load()}
        assert left == {epc(0)}
