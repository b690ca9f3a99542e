"""A new configuration on its way from the file into the running gateway: read and checked whole, then handed over.

main thread   read ──▶ (readers that end are closed) ──▶ hand_over
pipeline      take ──▶ everything follows, between two drains ──▶ applied ──▶ (publisher) ──▶ settled
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.command_tokens import read_clients
from rfid_gateway.commands.rights import Client
from rfid_gateway.config import Config, ConfigError
from rfid_gateway.config_changes import Changes, changes
from rfid_gateway.mqtt.security import fingerprint

log = structlog.get_logger(__name__)

ReadAgain = Callable[[Config], Config]
"""Reads the configuration file again; raises ConfigError where it is bad or cannot follow the given one."""


@dataclass(frozen=True, slots=True)
class Reload:
    """A good configuration that is to be applied."""

    config: Config
    clients: Sequence[Client]
    changes: Changes
    secrets: bytes
    """Fingerprint of password and certificates."""
    reconnect: bool
    """The publisher gets a new connection: `[mqtt]` differs, or what is in the files that it names."""


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """How the last reload ended."""

    at: int
    """UTC, microseconds."""
    mistakes: tuple[str, ...] = ()
    """Why it was refused, each with file, line and key; none if it was applied."""


class Reloading:
    """Owner: the main thread; from `take` to `settled`, what they change is the pipeline's thread's."""

    def __init__(self, config: Config, clients: Sequence[Client], clock: Clock, read_again: ReadAgain) -> None:
        self.running = config
        """What the gateway runs with now; replaced by the pipeline's thread."""
        self.clients = clients
        self.report: ReloadReport | None = None
        self._secrets = fingerprint(config.mqtt)
        self._clock = clock
        self._read_again = read_again
        self._next: Reload | None = None
        self.under_way = False
        """A new configuration was handed over, and not everything goes by it yet."""

    def check(self) -> Reload:
        """Read the file and everything that it names, and say what is to be done; changes nothing.

        Raises:
            ConfigError: it is bad, or changes what needs a restart.
        """
        config = self._read_again(self.running)
        found = changes(self.running, config)
        secrets = fingerprint(config.mqtt)
        return Reload(config, read_clients(config), found, secrets, found.broker or secrets != self._secrets)

    def read(self) -> Reload | None:
        """What `check` gives; None where that is nothing good: it is logged then, and everything goes on as before."""
        try:
            return self.check()
        except ConfigError as error:
            for mistake in error.mistakes:
                log.error("reload.refused", reason=mistake)
            self.report = ReloadReport(self._clock.utc_us(), error.mistakes)
            return None

    def hand_over(self, reload: Reload) -> None:
        """Leave it for the pipeline's thread."""
        self.under_way = True
        self._next = reload

    def take(self) -> Reload | None:
        """What was handed over, once."""
        reload, self._next = self._next, None
        return reload

    def applied(self, reload: Reload) -> None:
        """The gateway runs with it."""
        self.running = reload.config
        self.clients = reload.clients
        self._secrets = reload.secrets
        self.report = ReloadReport(self._clock.utc_us())
        found = reload.changes
        said = {
            "readers_added": ", ".join(found.readers_added),
            "readers_removed": ", ".join(found.readers_removed),
            "readers_changed": ", ".join(found.readers_changed),
            "broker": "connects anew" if reload.reconnect else "",
        }
        changed = ", ".join(found.tables) or "nothing"
        log.info("reload.applied", changed=changed, **{key: words for key, words in said.items() if words})

    def settled(self) -> None:
        """The publisher, too, is the one of the new configuration: the next one may come."""
        self.under_way = False
