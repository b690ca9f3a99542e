"""How the gateway is doing at one moment, as a monitoring system asks for it; and whether that is well. Pure.

Times are microseconds: UTC but where monotonic is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rfid_gateway.durations import Distribution
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.reader_views import ReaderView
from rfid_gateway.reads import ReaderState
from rfid_gateway.store.room import RoomState
from rfid_gateway.systemd import WATCHDOG_US, hanging

TRIED_US = 30_000_000
"""A reader that is being connected for so long counts as tried: one that is to call us may not come for days."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database says; looked at by the pipeline's thread every second."""

    backlog: int = 0
    """Events that the broker has not acknowledged."""
    oldest_waiting_at: int | None = None
    """Event time of the first of them; None where none waits."""
    unbound: int = 0
    """Observations that wait for the entry of their tag."""
    unbound_given_up: int = 0
    """Since the database was made."""
    events_set_aside: int = 0
    """Events that the broker does not take and that wait for somebody."""
    loads_open: int = 0
    databases_set_aside: int = 0
    """Damaged files beside the database that nobody has taken away yet."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the pipeline did since the start."""

    reads: int = 0
    events: int = 0
    """Committed location events."""
    as_object: int = 0
    """Of these, ObjectEvents although their step asks for another type."""
    unknown: int = 0
    """Observations of tags that no shipment has."""
    observations_lost: int = 0
    pruned_early: int = 0
    passages: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By door and direction."""
    presence: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By zone and kind of change."""
    commits: Distribution = field(default_factory=lambda: Distribution((), (0,)))
    store_trouble: str = ""
    """Why nothing can be committed now; empty when all is well."""
    room: RoomState = field(default_factory=RoomState)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment."""

    site: str
    gateway: str
    version: str
    started_at: int
    at: int
    """Now, UTC."""
    now: int
    """Now, monotonic."""
    alive: bool
    """Whether the threads that nothing restarts are there."""
    stopping: bool
    heartbeats: Mapping[str, int]
    """When each worker moved last, monotonic; 0 until it is up."""
    readers: Mapping[str, ReaderView]
    publisher: PublisherState
    stored: Stored
    work: Work
    merged_reads: int
    publishing: Distribution
    """From a commit to the broker's acknowledgement of its last event."""
    clock_wrong: bool
    clock_apart: int

    @property
    def hanging(self) -> list[str]:
        """Workers that have not moved for too long: the rule of systemd's watchdog."""
        return hanging(self.heartbeats, self.now, WATCHDOG_US)

    @property
    def healthy(self) -> bool:
        """Whether every worker is there and moves; otherwise only a restart helps."""
        return self.alive and not self.hanging

    @property
    def untried(self) -> list[str]:
        """Readers that nobody knows anything of yet."""
        return [name for name, view in self.readers.items() if not _tried(view, self.at)]

    @property
    def not_ready(self) -> list[str]:
        """What keeps the gateway from its job now, in words; empty when it is ready.

        Neither a broker nor a reader that is away is among that: events wait on disk, and other readers go on.
        """
        starting = [worker for worker, at in self.heartbeats.items() if not at]
        reasons = [f"{worker} has not started yet" for worker in starting]
        reasons += [f"{worker} hangs" for worker in self.hanging]
        if not self.alive:
            reasons.append("a worker has ended")
        if self.stopping:
            reasons.append("the gateway is being stopped")
        if self.work.store_trouble:
            reasons.append(f"the database cannot be used: {self.work.store_trouble}")
        reasons += [f"reader {reader} has not been tried yet" for reader in self.untried]
        return reasons


def _tried(view: ReaderView, at: int) -> bool:
    return (
        view.state is not ReaderState.CONNECTING
        or view.last_error_at is not None
        or view.reconnects > 0
        or view.reads > 0
        or at - view.since >= TRIED_US
    )
