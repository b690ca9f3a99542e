"""Looks at the disk of a PC whose power was cut, on the host, before it boots again. I/O only.

A copy is looked at, so that the guest still has all of its own recovery to do. The gateway's code has no part in it.
"""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.vm.evidence import Remains, saved_reads

_STATE = "/var/lib/rfid-gateway"
_REPAIRED = 1
"""e2fsck's exit code where it has put something right, which replaying the journal may be."""


def examine(disk: Path, folder: Path) -> Remains:
    """What the database holds once the file system's journal and SQLite's WAL are replayed.

    Raises:
        ValueError: the file system or the database is damaged; says how.
    """
    copy, state = folder / "copy.raw", folder / "state"
    subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
    try:
        _check(copy)
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump {_STATE} {state}", copy], check=True, capture_output=True)
    finally:
        copy.unlink()
    return _read(state / Path(_STATE).name / "gateway.db")


def check_file_system(disk: Path) -> str:
    """What e2fsck finds to repair; empty where there is nothing. The disk is only read."""
    done = subprocess.run(["e2fsck", "-f", "-n", disk], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def _check(copy: Path) -> None:
    """Replay the journal as the guest's kernel does, then look at everything: nothing may be left to repair."""
    replay = subprocess.run(["e2fsck", "-p", copy], capture_output=True, text=True, check=False)
    if replay.returncode > _REPAIRED:
        raise ValueError(f"the journal cannot be replayed: {replay.stdout}{replay.stderr}")
    if words := check_file_system(copy):
        raise ValueError(f"the file system is damaged: {words}")


def _read(path: Path) -> Remains:
    with closing(sqlite3.connect(path)) as database:
        found = [row[0] for row in database.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise ValueError(f"the database is damaged: {found}")
        events = database.execute("SELECT sequence, event_id, shipment_id, read_point FROM events").fetchall()
        passages = database.execute("SELECT epc, state FROM observation_state WHERE kind = 'passage'").fetchall()
        return Remains(
            {sequence: event_id for sequence, event_id, *_ in events},
            frozenset(row[0] for row in database.execute("SELECT sequence FROM outbox")),
            frozenset(row[0] for row in database.execute("SELECT DISTINCT shipment_id FROM units")),
            frozenset((shipment, read_point.rsplit(".", 1)[-1]) for *_, shipment, read_point in events),
            {epc: saved_reads(state) for epc, state in passages},
        )
