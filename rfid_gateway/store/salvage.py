"""Reading what can still be read of a damaged database, table by table, around the pages that are broken.

Taken over are the directory, saved states, counters, and every event that is not yet published. Events that the broker
has acknowledged stay in the file that is set aside.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import Database

log = structlog.get_logger(__name__)

_CHUNK = 1_000
_SENSIBLE = 1 << 53
"""Beyond this JSON's numbers are no longer exact: no sequence of ours, but what a broken page looks like."""
_OWN = frozenset({"events", "outbox", "set_aside", "meta"})
"""Tables with a way of their own below."""


def salvage(damaged: Path, store: Store, mark: int) -> int:
    """Copy what can be read into a new, empty store; returns how many rows that are.

    Args:
        damaged: the database.
        store: the new one.
        mark: no sequence at or above was ever given; 0 where that is not known.

    Raises:
        StoreError: the new store cannot take them.
    """
    new = store.database
    with contextlib.closing(_open(damaged)) as old:
        new.change("PRAGMA foreign_keys = OFF")
        with new.transaction():
            count = sum(_copy(old, new, table) for table in _tables(new) if table not in _OWN)
            highest = mark or _highest(old)
            count += _copy_events(old, new, highest)
            _drop_orphans(new)
            _count_anew(old, new)
            new.change("UPDATE meta SET value = ? WHERE name = 'next_sequence'", (mark or highest + 1,))
        new.change("PRAGMA foreign_keys = ON")
    return count


def _open(damaged: Path) -> sqlite3.Connection:
    """Read-only, with its log if that can be read; a file that is no database at all gives an empty one."""
    for how in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{damaged.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
        # Damaged text need not be UTF-8.
        connection.text_factory = _text
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except sqlite3.Error as error:
            log.warning("salvage.unreadable", path=str(damaged), how=how, reason=str(error))
            connection.close()
        else:
            return connection
    return sqlite3.connect(":memory:")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _tables(new: Database) -> list[str]:
    rows = new.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY rowid")
    return [str(name) for (name,) in rows if not str(name).startswith("_sqlite")]


def _columns(connection: sqlite3.Connection | Database, table: str) -> tuple[list[str], list[str]]:
    """Names of all columns, and of those that make the primary key."""
    sql = f"SELECT name, pk FROM pragma_table_info('{table}') ORDER BY cid"  # noqa: S608 -- names of our own tables
    try:
        rows = connection.rows(sql) if isinstance(connection, Database) else connection.execute(sql).fetchall()
    except sqlite3.Error:
        return [], []
    return [str(name) for name, _ in rows], [str(name) for name, pk in sorted(rows, key=lambda row: row[1]) if pk]


def _copy(old: sqlite3.Connection, new: Database, table: str) -> int:
    """From both ends towards what is broken."""
    there, key = _columns(new, table)
    had, _ = _columns(old, table)
    columns = [name for name in there if name in had]
    if not columns or not set(key) <= set(columns):
        return 0
    count = 0
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in key)
        names = ", ".join(columns)
        rows = _readable(old, f"SELECT {names} FROM {table} ORDER BY {order}")  # noqa: S608 -- as above
        broken = True
        for chunk in rows:
            if chunk is None:
                log.warning("salvage.broken", table=table)
                break
            count += _insert(new, table, columns, chunk)
        else:
            broken = False
        if not broken:
            break
    return count


def _readable(old: sqlite3.Connection, sql: str) -> Iterator[list[tuple[object, ...]] | None]:
    """Rows in chunks; None at the end where it is not the table's end."""
    chunk: list[tuple[object, ...]] = []
    try:
        for row in old.execute(sql):
            chunk.append(row)
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
    except sqlite3.Error:
        yield chunk
        yield None
        return
    yield chunk


def _insert(new: Database, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> int:
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 -- as above
    count = 0
    for row in rows:
        # STRICT tables refuse what has turned into another type.
        with contextlib.suppress(sqlite3.IntegrityError):
            count += max(0, new.change(sql, row))  # type: ignore[arg-type]
    return count


def _copy_events(old: sqlite3.Connection, new: Database, highest: int) -> int:
    """Events that wait: by the outbox where that is whole, and by looking at every event where it is not.

    What the broker did not take is tried again.
    """
    waiting: list[int] = []
    whole = True
    for chunk in _readable(old, "SELECT sequence FROM outbox ORDER BY sequence"):
        if chunk is None:
            whole = False
        else:
            waiting += [sequence for (sequence,) in chunk if isinstance(sequence, int) and sequence <= highest]
    waiting += [
        sequence for (sequence,) in _some(old, "SELECT sequence FROM set_aside", ()) if isinstance(sequence, int)
    ]
    columns, _ = _columns(new, "events")
    had, _ = _columns(old, "events")
    columns = [name for name in columns if name in had]
    names = ", ".join(columns)
    if whole:
        sql = f"SELECT {names} FROM events WHERE sequence = ?"  # noqa: S608 -- as above
        rows = [row for sequence in waiting for row in _some(old, sql, (sequence,))]
    else:
        sql = f"SELECT {names} FROM events WHERE sequence BETWEEN ? AND ? AND published_at IS NULL"  # noqa: S608
        rows = list(_bisect(old, sql, 0, highest))
    count = _insert(new, "events", columns, rows)
    new.change("INSERT OR IGNORE INTO outbox (sequence) SELECT sequence FROM events")
    return count


def _some(old: sqlite3.Connection, sql: str, parameters: tuple[int, ...]) -> list[tuple[object, ...]]:
    try:
        return old.execute(sql, parameters).fetchall()
    except sqlite3.Error:
        return []


def _bisect(old: sqlite3.Connection, sql: str, low: int, high: int) -> Iterator[tuple[object, ...]]:
    """Rows of a range of sequences, halving it around what cannot be read."""
    ranges = [(low, high)]
    while ranges:
        low, high = ranges.pop()
        try:
            yield from old.execute(sql, (low, high)).fetchall()
        except sqlite3.Error:
            if low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]


def _highest(old: sqlite3.Connection) -> int:
    """The highest sequence that anything readable knows of."""
    found = [0]
    for sql in (
        "SELECT max(sequence) FROM events",
        "SELECT max(sequence) FROM outbox",
        "SELECT value FROM meta WHERE name = 'next_sequence'",
    ):
        found += [row[0] for row in _some(old, sql, ()) if isinstance(row[0], int) and row[0] < _SENSIBLE]
    return max(found)


def _drop_orphans(new: Database) -> None:
    """What refers to something that could not be read."""
    for table in _tables(new):
        for row in new.rows(f'SELECT "table", "from", "to" FROM pragma_foreign_key_list(\'{table}\')'):  # noqa: S608
            parent, column, target = map(str, row)
            new.change(
                f"DELETE FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {target} FROM {parent})"  # noqa: S608
            )


def _count_anew(old: sqlite3.Connection, new: Database) -> None:
    """Counters: those that can be counted are, the others go on where they can be read."""
    for name, value in _some(old, "SELECT name, value FROM meta", ()):
        if isinstance(name, str) and isinstance(value, int) and 0 <= value < _SENSIBLE:
            new.change("UPDATE meta SET value = max(value, ?) WHERE name = ?", (value, name))
    new.change("UPDATE meta SET value = (SELECT count(*) FROM outbox) WHERE name = 'backlog'")
    new.change("UPDATE meta SET value = 0 WHERE name = 'set_aside'")
    new.change("UPDATE meta SET value = (SELECT count(*) FROM unbound) WHERE name = 'unbound'")
    new.change("UPDATE meta SET value = value + 1 WHERE name = 'directory_version'")
