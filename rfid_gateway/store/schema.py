"""The tables, as named migrations that are applied in order and recorded in the database (sqlite-utils)."""

from collections.abc import Callable, Iterable

import sqlite_utils

from rfid_gateway.store.backup import back_up
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

_RETAINED = (
    # said_in: the generation in which the broker has acknowledged this version, 0 while it has not.
    """CREATE TABLE retained (
         kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, said_in INTEGER NOT NULL,
         PRIMARY KEY (kind, name)
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX retained_by_said ON retained (said_in, kind, name)",
    "INSERT INTO meta (name, value) VALUES ('retained_generation', 1)",
    "ALTER TABLE units ADD COLUMN counts_as TEXT",
    "ALTER TABLE unit_states ADD COLUMN state TEXT",
    "ALTER TABLE unit_states ADD COLUMN disposition TEXT",
    "ALTER TABLE unit_states ADD COLUMN biz_location TEXT",
    "ALTER TABLE unit_states ADD COLUMN door TEXT",
    "ALTER TABLE unit_states ADD COLUMN verdict TEXT",
    "ALTER TABLE unit_states ADD COLUMN event_id TEXT",
    "ALTER TABLE unit_states ADD COLUMN sequence INTEGER",
)

_LOADS = (
    "ALTER TABLE shipments ADD COLUMN load TEXT",
    # What `Shipment.load_id` says, so that the shipments of a load are found.
    "ALTER TABLE shipments ADD COLUMN load_id TEXT",
    "CREATE INDEX shipments_by_load ON shipments (load_id) WHERE load_id IS NOT NULL",
    """CREATE TABLE loads (
         load_id TEXT PRIMARY KEY, door TEXT, departure INTEGER, state TEXT NOT NULL DEFAULT 'open',
         complete_at INTEGER, closed_at INTEGER, closed_by TEXT, stale INTEGER NOT NULL DEFAULT 1
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX loads_to_review ON loads (stale) WHERE stale = 1",
    "CREATE INDEX loads_open_at_door ON loads (door, departure) WHERE closed_at IS NULL",
    "CREATE INDEX loads_complete_at_door ON loads (door, departure) WHERE closed_by = 'complete'",
    "CREATE INDEX loads_by_departure ON loads (departure) WHERE closed_at IS NULL",
    "CREATE INDEX loads_by_completion ON loads (complete_at) WHERE closed_at IS NULL AND complete_at IS NOT NULL",
    # One row for each unit and load that it went out with; load_id is empty where no load stood at the door.
    """CREATE TABLE load_units (
         load_id TEXT NOT NULL, unit TEXT NOT NULL,
         shipment_id TEXT NOT NULL REFERENCES shipments (shipment_id) ON DELETE CASCADE,
         direction TEXT NOT NULL, event_time INTEGER NOT NULL, PRIMARY KEY (load_id, unit)
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX load_units_by_unit ON load_units (unit)",
    "CREATE INDEX load_units_by_shipment ON load_units (shipment_id)",
    """UPDATE shipments SET load_id = planned_door || '@' || strftime('%Y-%m-%dT%H:%M:%SZ', planned_departure)
       WHERE planned_door IS NOT NULL""",
    """INSERT INTO loads (load_id, door, departure)
       SELECT load_id, min(planned_door), min(CAST(strftime('%s', planned_departure) AS INTEGER)) * 1000000
       FROM shipments WHERE load_id IS NOT NULL GROUP BY load_id""",
    # What is left behind when the directory changes; what comes new is told by whoever writes it.
    """CREATE TRIGGER unit_leaves AFTER UPDATE OF shipment_id ON units WHEN OLD.shipment_id <> NEW.shipment_id BEGIN
         UPDATE retained SET version = version + 1, said_in = 0 WHERE kind = 'shipment' AND name = OLD.shipment_id;
         UPDATE loads SET stale = 1
         WHERE load_id = (SELECT load_id FROM shipments WHERE shipment_id = OLD.shipment_id);
       END""",
    """CREATE TRIGGER shipment_leaves AFTER UPDATE OF load_id ON shipments WHEN OLD.load_id IS NOT NEW.load_id BEGIN
         UPDATE loads SET stale = 1 WHERE load_id = OLD.load_id;
         -- The same door: a departure was put off, and what is on the truck stays on it.
         UPDATE OR IGNORE load_units SET load_id = NEW.load_id
         WHERE shipment_id = NEW.shipment_id AND load_id = OLD.load_id
           AND OLD.planned_door IS NEW.planned_door AND NEW.load_id IS NOT NULL;
       END""",
    """CREATE TRIGGER shipment_goes AFTER DELETE ON shipments BEGIN
         UPDATE retained SET version = version + 1, said_in = 0 WHERE kind = 'shipment' AND name = OLD.shipment_id;
         UPDATE loads SET stale = 1 WHERE load_id = OLD.load_id;
       END""",
)


_COMMANDS = (
    "ALTER TABLE outbox ADD COLUMN again INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE command_log (
         request TEXT PRIMARY KEY, asked TEXT NOT NULL, at INTEGER NOT NULL, reply TEXT NOT NULL
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX command_log_by_time ON command_log (at)",
)


_SET_ASIDE = (
    """CREATE TABLE set_aside (
         sequence INTEGER PRIMARY KEY REFERENCES events (sequence), at INTEGER NOT NULL, reason TEXT NOT NULL
       ) STRICT""",
    "INSERT INTO meta (name, value) VALUES ('set_aside', 0), ('retries', 0)",
)

_DOOR_OF_EVENT = (
    "ALTER TABLE events ADD COLUMN door TEXT",
    "CREATE INDEX loads_closed_at_door ON loads (door, closed_at) WHERE closed_at IS NOT NULL",
)


STEPS = {
    "initial": (*_META, *_OUTBOX, *_DIRECTORY, *_OBSERVATION),
    "commands": _COMMANDS,
    "retained_status_and_loads": (*_RETAINED, *_LOADS),
    "set_aside": _SET_ASIDE,
    "door_of_event": _DOOR_OF_EVENT,
}
"""Name of each schema change and its statements, in order. What was released is never edited: add a step."""


def migrate(database: Database) -> bool:
    """Bring the tables to this version's schema, after a backup of what there is; return whether there was nothing.

    All changes are one transaction: whatever ends the program in between leaves the old schema, and the next start
    repeats them.

    Raises:
        NewerSchemaError: the tables are ahead of this version; nothing is touched.
        StoreFullError: there is no room for the backup; nothing is touched.
    """
    pending = _pending(database)
    if not pending:
        return False
    new = len(pending) == len(STEPS)
    if not new:
        back_up(database, pending[0])
    # Two processes may open a new file at once: the second finds nothing pending once it has the lock.
    with database.transaction(), database.errors_in_words():
        _migrations().apply(_view(database))
    return new


def require_current(database: Database) -> None:
    """Raise OlderSchemaError or NewerSchemaError unless the tables are exactly of this version's schema."""
    if pending := _pending(database):
        raise OlderSchemaError(
            f"{database.path}: lacks the schema change {pending[0]!r}; start the gateway of this version once"
        )


def changes_of(database: Database) -> tuple[str, ...]:
    """Names of the schema changes that the tables have had, in order; NewerSchemaError where one is not known here."""
    pending = _pending(database)
    return tuple(name for name in STEPS if name not in pending)


def refuse_newer(changes: Iterable[str], name: str) -> None:
    """Raise NewerSchemaError for schema changes of a later version; `name` says whose they are."""
    if newer := sorted(set(changes) - STEPS.keys()):
        raise NewerSchemaError(
            f"{name}: was written by a newer rfid-gateway (schema change {newer[0]!r}); "
            "install that version or a later one"
        )


def _pending(database: Database) -> list[str]:
    with database.errors_in_words():
        applied = {migration.name for migration in _migrations().applied(_view(database))}
    refuse_newer(applied, str(database.path))
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
