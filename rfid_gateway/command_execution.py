"""What each command does: as far as the database goes inside the drain's commit, the rest as an effect after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from rfid_gateway.command_directory import DirectoryCommands
from rfid_gateway.commands.catalogue import (
    BindTag,
    CloseLoad,
    Command,
    DirectoryBatch,
    FindTag,
    Reload,
    Replay,
    RestartReader,
    Status,
    UnbindTag,
)
from rfid_gateway.commands.reply import Outcome, Reply, refused
from rfid_gateway.config import ConfigError
from rfid_gateway.config_changes import Changes
from rfid_gateway.events.times import rfc3339
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.shipments.faults import Fault, nearest
from rfid_gateway.shipments.loads import COMMAND
from rfid_gateway.store.connection import Store

LOADS_NAMED = 20
"""Open loads among which the one that was probably meant is looked for: those that depart next."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What commands reach outside the database. All are called in the pipeline's thread and never block."""

    restart_reader: Mapping[str, Callable[[], None]]
    """By reader id."""
    status: Callable[[], Mapping[str, object]]
    """How the gateway is doing now, as JSON has it."""
    check_configuration: Callable[[], Changes]
    """Reads the configuration file and says what is new in it; raises ConfigError where it cannot be taken over."""
    reload: Callable[[], None]
    """Has it taken over soon."""
    outbox_refilled: Callable[[], None]
    """Events stand in the outbox again, among those that had left."""
    post: Callable[[Notice], None]
    """Has a reply published."""


@dataclass(frozen=True, slots=True)
class Done:
    """The reply to a command, and what is still to be done once the commit has succeeded."""

    reply: Reply
    effect: Callable[[], None] | None = None


class Executor:
    """Carries commands out. Owner: the command desk, in the pipeline's thread; holds only what it was given."""

    def __init__(self, store: Store, surroundings: Surroundings) -> None:
        self._store = store
        self._surroundings = surroundings
        self._directory = DirectoryCommands(store)

    def carry_out(self, ask: Command | DirectoryBatch, at: int) -> Done:
        """Do what is asked at that time (UTC, microseconds); belongs into a transaction, but for `Status`.

        Raises:
            StoreError: the database does not let it; nothing outside has been touched.
        """
        match ask:
            case Status():
                return Done(Reply(Outcome.DONE, "this is how the gateway is doing", self._surroundings.status()))
            case RestartReader():
                return self._restart_reader(ask.reader)
            case FindTag() | BindTag() | UnbindTag() | DirectoryBatch():
                return Done(self._directory.carry_out(ask))
            case CloseLoad():
                return Done(self._close_load(ask.load_id, at))
            case Replay():
                return self._replay(ask)
            case Reload():
                return self._reload()
            case _:
                assert_never(ask)

    def _restart_reader(self, reader: str) -> Done:
        # Done after the commit. A power cut in between does it as well: every reader is connected anew then.
        restart = self._surroundings.restart_reader.get(reader)
        if restart is None:
            problem = f"there is no reader {reader!r}; {nearest(reader, tuple(self._surroundings.restart_reader))}"
            return Done(refused([Fault("", None, "reader", problem)]))
        detail = f"{reader} is being disconnected and begins anew; its status topic says how that goes"
        return Done(Reply(Outcome.DONE, detail, {"reader": reader}), restart)

    def _reload(self) -> Done:
        # Done after the commit. A power cut in between does it as well: every start reads the file.
        try:
            found = self._surroundings.check_configuration()
        except ConfigError as error:
            return Done(refused([Fault("", None, "", mistake) for mistake in error.mistakes]))
        result: dict[str, object] = {
            "changed": list(found.tables),
            "readers_added": list(found.readers_added),
            "readers_removed": list(found.readers_removed),
            "readers_changed": list(found.readers_changed),
        }
        news = f"changed: {', '.join(found.tables)}" if found.tables else "nothing has changed in it"
        return Done(
            Reply(Outcome.DONE, f"the configuration is good and being taken over; {news}", result),
            self._surroundings.reload,
        )

    def _close_load(self, load_id: str, at: int) -> Reply:
        # The review that follows publishes the load and the alert for what is missing, as with any other closing.
        load = self._store.loads.find(load_id)
        if load is None:
            names = self._store.loads.next_open(LOADS_NAMED)
            hint = nearest(load_id, names) if names else "no load is open"
            return refused([Fault("", None, "load", f"there is no load {load_id!r}; {hint}")])
        if not self._store.loads.close(load_id, at, COMMAND):
            assert load.closed_at is not None
            problem = f"{load_id!r} is closed already, since {rfc3339(load.closed_at, '+00:00')} ({load.closed_by})"
            return refused([Fault("", None, "load", problem)])
        found = self._store.loads.compare(replace(load, closed_at=at, closed_by=COMMAND))
        result: dict[str, object] = {
            "load": load_id,
            "expected": found.expected,
            "seen": found.seen,
            "missing": len(found.missing),
            "undecided": len(found.undecided),
            "wrong_door": len(found.wrong_door),
        }
        lacking = len(found.missing) + len(found.wrong_door)
        detail = f"load {load_id} is closed: {found.seen} of {found.expected} units seen, {lacking} missing"
        return Reply(Outcome.DONE, detail, result)

    def _replay(self, ask: Replay) -> Done:
        last = self._store.outbox.next_sequence() - 1
        if ask.from_sequence > last:
            problem = f"is {ask.from_sequence}; expected at most {last}, the latest event"
            return Done(refused([Fault("", None, "from_sequence", problem)]))
        to_sequence = min(ask.to_sequence, last)
        count = self._store.outbox.put_back(ask.from_sequence, to_sequence)
        waiting = self._store.outbox.waiting_between(ask.from_sequence, to_sequence) - count
        missing = to_sequence - ask.from_sequence + 1 - count - waiting
        result: dict[str, object] = {
            "from_sequence": ask.from_sequence,
            "to_sequence": to_sequence,
            "replayed": count,
            "waiting": waiting,
            "missing": missing,
        }
        detail = f"{count} events are published again; {waiting} were waiting anyway, {missing} are no longer kept"
        return Done(Reply(Outcome.DONE, detail, result), self._surroundings.outbox_refilled)
