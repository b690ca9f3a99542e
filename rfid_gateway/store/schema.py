"""The tables, as named migrations that are applied in order and recorded in the database (sqlite-utils)."""

from collections.abc import Callable

import sqlite_utils

from rfid_gateway.store.database import Database, StoreError


class NewerSchemaError(StoreError):
    """A newer rfid-gateway has changed the database; this one must not touch it."""


class OlderSchemaError(StoreError):
    """The database waits for migrations, which only the gateway itself applies."""


_META = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """INSERT INTO meta (name, value) VALUES
       ('next_sequence', 1), ('backlog', 0), ('directory_version', 0), ('unbound', 0), ('unbound_dropped', 0)""",
)

_OUTBOX = (
    # payload stands last: whoever lists events need not read past the short columns.
    """CREATE TABLE events (
         sequence INTEGER PRIMARY KEY,
         event_id TEXT NOT NULL UNIQUE,
         event_time INTEGER NOT NULL,
         epc TEXT NOT NULL,
         logistic_unit TEXT,
         shipment_id TEXT NOT NULL,
         biz_step TEXT,
         direction TEXT,
         verdict TEXT NOT NULL,
         read_point TEXT NOT NULL,
         topic TEXT NOT NULL,
         published_at INTEGER,
         payload BLOB NOT NULL
       ) STRICT""",
    "CREATE INDEX events_by_shipment ON events (shipment_id)",
    "CREATE INDEX events_by_epc ON events (epc)",
    "CREATE INDEX events_by_logistic_unit ON events (logistic_unit) WHERE logistic_unit IS NOT NULL",
    # The reference keeps pruning away from whatever is not yet published.
    "CREATE TABLE outbox (sequence INTEGER PRIMARY KEY REFERENCES events (sequence)) STRICT",
)

_DIRECTORY = (
    """CREATE TABLE shipments (
         shipment_id TEXT PRIMARY KEY,
         orders TEXT NOT NULL,
         customer_reference TEXT,
         despatch_advice TEXT,
         carrier TEXT,
         destination TEXT,
         planned_door TEXT,
         planned_departure TEXT
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX shipments_by_door ON shipments (planned_door) WHERE planned_door IS NOT NULL",
    """CREATE TABLE units (
         key TEXT PRIMARY KEY,
         shipment_id TEXT NOT NULL REFERENCES shipments (shipment_id) ON DELETE CASCADE,
         parent TEXT
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX units_by_shipment ON units (shipment_id)",
)

_OBSERVATION = (
    """CREATE TABLE unbound (
         id INTEGER PRIMARY KEY, epc TEXT NOT NULL, keys TEXT NOT NULL, observation TEXT NOT NULL,
         event_time INTEGER NOT NULL
       ) STRICT""",
    "CREATE INDEX unbound_by_time ON unbound (event_time)",
    """CREATE TABLE unbound_keys (
         key TEXT NOT NULL, id INTEGER NOT NULL REFERENCES unbound (id) ON DELETE CASCADE, PRIMARY KEY (key, id)
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX unbound_keys_by_id ON unbound_keys (id)",
    """CREATE TABLE observation_state (
         kind TEXT NOT NULL, name TEXT NOT NULL, epc TEXT NOT NULL, state TEXT NOT NULL,
         PRIMARY KEY (kind, name, epc)
       ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE unit_states (
         key TEXT PRIMARY KEY, shipment_id TEXT NOT NULL, biz_step TEXT, direction TEXT, read_point TEXT NOT NULL,
         event_time INTEGER NOT NULL
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX unit_states_by_time ON unit_states (event_time)",
)


_SET_ASIDE = (
    """CREATE TABLE set_aside (
         sequence INTEGER PRIMARY KEY REFERENCES events (sequence), at INTEGER NOT NULL, reason TEXT NOT NULL
       ) STRICT""",
    "INSERT INTO meta (name, value) VALUES ('set_aside', 0), ('retries', 0)",
)

STEPS = {
    "initial": (*_META, *_OUTBOX, *_DIRECTORY, *_OBSERVATION),
    "set_aside": _SET_ASIDE,
}
"""Name of each schema change and its statements, in order. What was released is never edited: add a step."""


def migrate(database: Database) -> None:
    """Bring the tables to this version's schema; raise NewerSchemaError where they are ahead of it."""
    if not _pending(database):
        return
    # Two processes may open a new file at once: the second finds nothing pending once it has the lock.
    with database.transaction(), database.errors_in_words():
        _migrations().apply(_view(database))


def require_current(database: Database) -> None:
    """Raise OlderSchemaError or NewerSchemaError unless the tables are exactly of this version's schema."""
    if pending := _pending(database):
        raise OlderSchemaError(
            f"{database.path}: lacks the schema change {pending[0]!r}; start the gateway of this version once"
        )


def _pending(database: Database) -> list[str]:
    with database.errors_in_words():
        applied = {migration.name for migration in _migrations().applied(_view(database))}
    if newer := sorted(applied - STEPS.keys()):
        raise NewerSchemaError(
            f"{database.path}: was written by a newer rfid-gateway (schema change {newer[0]!r}); "
            "install that version or a later one"
        )
    return [name for name in STEPS if name not in applied]


def _migrations() -> sqlite_utils.Migrations:
    migrations = sqlite_utils.Migrations("rfid-gateway")
    for name, statements in STEPS.items():
        migrations(name=name)(_step(statements))
    return migrations


def _step(statements: tuple[str, ...]) -> Callable[[sqlite_utils.Database], None]:
    def apply(database: sqlite_utils.Database, /) -> None:
        for statement in statements:
            database.execute(statement)

    return apply


def _view(database: Database) -> sqlite_utils.Database:
    return sqlite_utils.Database(database.raw, recursive_triggers=False, execute_plugins=False)
