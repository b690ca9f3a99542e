"""What a database looks like from outside, also a damaged one: figures and no rows, for whoever helps.

Opens for reading alone and beside everybody; what cannot be found out is a fact, too.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

_STEPS = 100_000
"""SQLite's instructions between two looks at the clock."""
_PRAGMAS = ("user_version", "schema_version", "journal_mode", "page_size", "page_count", "freelist_count", "encoding")

_TABLES = {
    "schema changes": "SELECT name, applied_at FROM _sqlite_migrations",
    "counters": "SELECT name, value FROM meta",
}


def database_facts(path: Path, patience_s: float) -> Iterator[str]:
    """Yield lines about a database: settings, schema changes, rows of each table, what SQLite finds damaged.

    Args:
        path: the file.
        patience_s: how long each question may take; a large table on a slow disk is not worth more.
    """
    yield f"SQLite {sqlite3.sqlite_version}"
    if not path.is_file():
        yield f"{path}: there is no such file"
        return
    # A folder that may not be written, or a full disk, has no room for the file that readers of a log share.
    for how in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5, isolation_level=None)
        with contextlib.closing(connection):
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            except sqlite3.Error as error:
                yield f"opened with {how}: {error}"
                continue
            yield f"opened with {how}" + (": without what is still in the log" if "immutable" in how else "")
            yield from _facts(connection, patience_s)
            return


def _facts(connection: sqlite3.Connection, patience_s: float) -> Iterator[str]:
    for name in _PRAGMAS:
        yield f"{name}: {_ask(connection, f'PRAGMA {name}', patience_s)}"
    for what, sql in _TABLES.items():
        yield f"{what}: {_ask(connection, sql, patience_s)}"
    with contextlib.suppress(sqlite3.Error):
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            counted = _ask(connection, f'SELECT count(*) FROM "{name}"', patience_s)  # noqa: S608 - a table's own name
            yield f"rows of {name}: {counted}"
    yield f"quick_check: {_ask(connection, 'PRAGMA quick_check(20)', patience_s)}"


def _ask(connection: sqlite3.Connection, sql: str, patience_s: float) -> str:
    """The answer in one line, or why there is none."""
    until = time.monotonic() + patience_s
    connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
    try:
        rows = connection.execute(sql).fetchall()
    except sqlite3.OperationalError as error:
        return f"given up after {patience_s:g} s" if "interrupted" in str(error) else f"not known: {error}"
    except sqlite3.Error as error:
        return f"not known: {error}"
    return ", ".join(" ".join(map(str, row)) for row in rows) or "none"
