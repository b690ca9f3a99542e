"""What a new configuration changes in a gateway that runs with another one, and what it cannot change. Pure.

What does not stand here as changed is left alone by a reload: a reader keeps its connection, observation what it has in
mind, the publisher its broker.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from rfid_gateway.config_checks import Mistake
from rfid_gateway.config_tables import Config

_FIXED = (("gateway", "site"), ("gateway", "id"), ("gateway", "state_dir"), ("mqtt", "prefix"))
"""Names in topics that events on disk already have, and the database's place."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload has to do. Readers are named by their ids, in the order of their configuration."""

    tables: tuple[str, ...] = ()
    """Tables of the file that differ, for people."""
    readers_added: tuple[str, ...] = ()
    readers_removed: tuple[str, ...] = ()
    readers_changed: tuple[str, ...] = ()
    """They get a new driver and a new connection."""
    broker: bool = False
    """`[mqtt]` differs: the publisher gets a new connection."""
    places: bool = False
    """Zones or doors differ in what observation knows of them; a step or read point alone is none of that."""

    @property
    def readers_ended(self) -> tuple[str, ...]:
        """Readers whose connection ends."""
        return self.readers_removed + self.readers_changed


def changes(old: Config, new: Config) -> Changes:
    """Compare the configuration that runs with the one that is to run."""
    before = {reader.id: reader for reader in old.readers}
    after = {reader.id: reader for reader in new.readers}
    return Changes(
        tables=tuple(each.name for each in fields(Config) if getattr(old, each.name) != getattr(new, each.name)),
        readers_added=tuple(name for name in after if name not in before),
        readers_removed=tuple(name for name in before if name not in after),
        readers_changed=tuple(name for name in after if name in before and after[name] != before[name]),
        broker=old.mqtt != new.mqtt,
        places=_places(old) != _places(new),
    )


def needing_restart(old: Config, new: Config) -> Iterator[Mistake]:
    """Keys that differ and cannot change while the gateway runs, as mistakes of the new configuration."""
    for table, key in _FIXED:
        is_now, wanted = getattr(getattr(old, table), key), getattr(getattr(new, table), key)
        if is_now != wanted:
            yield (table, key), f"needs a restart: the gateway runs with {is_now!r}, found {wanted!r}"


def _places(config: Config) -> object:
    return [zone.rules for zone in config.zones], [door.rules for door in config.doors]
