"""Commands and batches over MQTT: received, checked, carried out in the drain's commit, answered after it.

    Request ──receive──▶ Received ──execute──▶ Answer ──say──▶ reply, and what must wait for the commit
                                └─without_database─▶ Answer

`receive` looks at everything that needs no database (form, rights, rate), `execute` runs inside the transaction and
may run again if that fails, `say` runs once, when it has succeeded. A command that changes something is noted with its
reply in the same commit, so a copy of its message (QoS 1 may deliver twice) gets that reply again and changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.commands.catalogue import (
    COMMANDS,
    BindTag,
    Command,
    DirectoryBatch,
    FindTag,
    Replay,
    RestartReader,
    Status,
    UnbindTag,
)
from rfid_gateway.commands.envelope import Envelope, fingerprint, parse_command, read_envelope
from rfid_gateway.commands.reply import Outcome, Reply, decode, encode, refused
from rfid_gateway.commands.rights import Client, RateLimit, Rights, UnknownTokenError
from rfid_gateway.config import Config
from rfid_gateway.events.times import rfc3339
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.requests import Request
from rfid_gateway.mqtt.topics import TopicError, Topics
from rfid_gateway.shipments.batch import parse_batch, read_batch
from rfid_gateway.shipments.faults import Fault, Faults, ShipmentSourceError, nearest
from rfid_gateway.store.command_log import LoggedCommand
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError

log = structlog.get_logger(__name__)

REMEMBERED_US = 24 * 3_600_000_000
"""How long a request is known by its id: a broker may deliver a copy when a gateway comes back after a night."""
BATCH = "directory_batch"
"""What a batch is called where commands have their names."""
_READ_ONLY = (Status, FindTag)
"""Doing these twice does no harm, so they need no request id."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What commands reach outside the database. All are called in the pipeline's thread and never block."""

    restart_reader: Mapping[str, Callable[[], None]]
    """By reader id."""
    status: Callable[[], Mapping[str, object]]
    """How the gateway is doing now, as JSON has it."""
    outbox_refilled: Callable[[], None]
    """Events stand in the outbox again, among those that had left."""
    post: Callable[[Notice], None]
    """Has a reply published."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request that was looked at."""

    request: Request
    name: str
    client: str
    """Who asks; empty for whoever shows no token."""
    request_id: str | None
    key: str | None
    """Under which it is remembered; None where that is not needed."""
    asked: str
    """Its fields, to tell a copy from another request."""
    reply_topic: str
    ask: Command | DirectoryBatch | Reply | None
    """What to do; or the refusal; None where nothing is to be done or said."""

    @property
    def acknowledge(self) -> Callable[[], None]:
        """To be called once it is committed."""
        return self.request.acknowledge


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said and done once the commit has succeeded."""

    received: Received
    values: Mapping[str, object] | None
    """The reply's; None where nothing is said."""
    effect: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    reply: Reply
    effect: Callable[[], None] | None = None


class _RefusedError(Exception):
    """The request is not to be carried out."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.reply = Reply(Outcome.REFUSED, detail)


class CommandDesk:
    """Owner: the pipeline's thread."""

    def __init__(
        self, config: Config, clients: Sequence[Client], store: Store, clock: Clock, surroundings: Surroundings
    ) -> None:
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._rights = Rights(frozenset(config.commands.allow), clients)
        self._rate = RateLimit(config.commands.per_minute, clock.monotonic_us())
        self._per_minute = config.commands.per_minute
        self._store = store
        self._clock = clock
        self._surroundings = surroundings
        self._replies = 0

    # Before the commit: what needs no database -----------------------------------------------------------------------

    def receive(self, request: Request) -> Received:
        """Look at a request; what is wrong with it becomes a refusal. Never raises."""
        if request.command is None:
            return self._receive_batch(request)
        return self._receive_command(request.command, request)

    def _receive_command(self, name: str, request: Request) -> Received:
        envelope = read_envelope(request.payload, request.topic)
        reply_topic, faults = self._reply_topic(request, envelope.reply_to)
        client = Client("", frozenset())
        ask: Command | Reply | None = None
        key = None
        try:
            if not _only_clears(request):
                _refuse_retained(request)
                self._refuse_flood()
                _refuse_faulty([*envelope.faults, *faults])
                client = self._client(envelope.token)
                _refuse_forbidden(name, client)
                self._refuse_late(envelope.expires_at)
                ask = parse_command(name, envelope.arguments, request.topic)
                if not isinstance(ask, _READ_ONLY):
                    key = f"{client.name}\n{name}\n{_identity(request, envelope.request_id)}"
        except ShipmentSourceError as error:
            ask = refused(error.faults)
        except _RefusedError as error:
            ask = error.reply
        asked = fingerprint(envelope.arguments)
        return Received(request, name, client.name, envelope.request_id, key, asked, reply_topic, ask)

    def _receive_batch(self, request: Request) -> Received:
        faults = Faults(request.topic)
        envelope = Envelope()
        reply_topic = self._topics.responses
        ask: DirectoryBatch | Reply | None = None
        try:
            if not _only_clears(request):
                content = read_batch(request.payload, faults)
                envelope = read_envelope(encode(content.request), request.topic)
                reply_topic, topic_faults = self._reply_topic(request, envelope.reply_to, of_site=True)
                _refuse_retained(request)
                for fault in (*envelope.faults, *topic_faults):
                    faults.add(fault.line, fault.place, fault.problem)
                batch = parse_batch(content, faults)
                ask = DirectoryBatch(batch.entries, batch.deletions)
        except ShipmentSourceError as error:
            ask = refused(error.faults)
        except _RefusedError as error:
            ask = error.reply
        return Received(request, BATCH, "", envelope.request_id, None, "", reply_topic, ask)

    def _refuse_flood(self) -> None:
        if not self._rate.take(self._clock.monotonic_us()):
            raise _RefusedError(f"too many: at most {self._per_minute} in a minute; send it again later")

    def _client(self, token: str | None) -> Client:
        try:
            return self._rights.client_of(token)
        except UnknownTokenError as error:
            raise _RefusedError(f"{error}; leave it out, or give the one in the client's token_file") from error

    def _refuse_late(self, expires_at: int | None) -> None:
        now = self._clock.utc_us()
        if expires_at is not None and expires_at < now:
            said = rfc3339(expires_at, "+00:00")
            raise _RefusedError(f"came too late: expires_at is {said}, and it is {rfc3339(now, '+00:00')}")

    def _reply_topic(self, request: Request, reply_to: str | None, *, of_site: bool = False) -> tuple[str, list[Fault]]:
        """Where the answer goes; a topic that it must not go to is a fault, and is told on the usual one."""
        wanted, key = (request.response_topic, "Response Topic") if request.response_topic else (reply_to, "reply_to")
        if wanted is None:
            return self._topics.responses, []
        try:
            return self._topics.checked_reply_topic(wanted, of_site=of_site), []
        except TopicError as error:
            return self._topics.responses, [Fault(request.topic, None, key, str(error))]

    # Inside the commit -----------------------------------------------------------------------------------------------

    def execute(self, received: Received) -> Answer:
        """Do what was asked as far as the database goes. Raises StoreError; the transaction is undone then."""
        if received.ask is None:
            return Answer(received, None)
        if received.key is not None and (known := self._store.command_log.find(received.key)) is not None:
            return self._repeated(received, known)
        done = _Done(received.ask) if isinstance(received.ask, Reply) else self._do(received.ask)
        at = self._clock.utc_us()
        values = done.reply.values(self._topics.gateway, received.name, received.request_id, at)
        if received.key is not None and done.reply.outcome is Outcome.DONE:
            logged = LoggedCommand(received.asked, encode(values).decode())
            self._store.command_log.add(received.key, logged, at)
        return Answer(received, values, done.effect)

    def _repeated(self, received: Received, known: LoggedCommand) -> Answer:
        if known.asked == received.asked:
            return Answer(received, {**decode(known.reply), "repeated": True})
        problem = "was used for another request within a day; expected a new one"
        reply = refused([Fault(received.request.topic, None, "request_id", problem)])
        values = reply.values(self._topics.gateway, received.name, received.request_id, self._clock.utc_us())
        return Answer(received, values)

    def _do(self, ask: Command | DirectoryBatch) -> _Done:
        match ask:
            case RestartReader(reader):
                return self._restart_reader(reader)
            case Replay():
                return self._replay(ask)
            case _:
                return _Done(self._by_itself(ask))

    def _by_itself(self, ask: Status | FindTag | BindTag | UnbindTag | DirectoryBatch) -> Reply:
        match ask:
            case Status():
                return Reply(Outcome.DONE, "this is how the gateway is doing", self._surroundings.status())
            case FindTag(key):
                return self._find_tag(key)
            case BindTag():
                return self._bind_tag(ask)
            case UnbindTag(key):
                return self._unbind_tag(key)
            case DirectoryBatch():
                return self._write_batch(ask)
            case _:
                assert_never(ask)

    def _restart_reader(self, reader: str) -> _Done:
        # Done after the commit. A power cut in between does it as well: every reader is connected anew then.
        restart = self._surroundings.restart_reader.get(reader)
        if restart is None:
            problem = f"there is no reader {reader!r}; {nearest(reader, tuple(self._surroundings.restart_reader))}"
            return _Done(refused([Fault("", None, "reader", problem)]))
        detail = f"{reader} is being disconnected and begins anew; its status topic says how that goes"
        return _Done(Reply(Outcome.DONE, detail, {"reader": reader}), restart)

    def _find_tag(self, key: str) -> Reply:
        found = self._store.directory.find((key,))
        state = self._store.unit_states.unit_state(key)
        result: dict[str, object] = {
            "key": key,
            "shipment_id": found[0].shipment_id if found else None,
            "parent": found[1].parent if found else None,
            "planned_door": found[0].planned_door if found else None,
            "last_read_point": state.read_point if state else None,
            "last_biz_step": state.biz_step if state else None,
            "last_direction": state.direction if state else None,
            "last_event_time": rfc3339(state.event_time, "+00:00") if state else None,
        }
        where = f"travels under {found[0].shipment_id}" if found else "is in no shipment"
        return Reply(Outcome.DONE, f"{key} {where}", result)

    def _bind_tag(self, ask: BindTag) -> Reply:
        found = self._store.directory.find((ask.unit.key,))
        if not self._store.directory.bind(ask.shipment_id, ask.unit):
            problem = f"there is no shipment {ask.shipment_id!r} in the directory; announce it first"
            return refused([Fault("", None, "shipment_id", problem)])
        before = found[0].shipment_id if found and found[0].shipment_id != ask.shipment_id else None
        result = {"key": ask.unit.key, "shipment_id": ask.shipment_id, "previous_shipment_id": before}
        return Reply(Outcome.DONE, f"{ask.unit.key} travels under {ask.shipment_id} now", result)

    def _unbind_tag(self, key: str) -> Reply:
        found = self._store.directory.find((key,))
        if found is None:
            return refused(
                [Fault("", None, "", f"{key} is in no shipment; expected the key of a unit of the directory")]
            )
        self._store.directory.unbind(key)
        result = {"key": key, "shipment_id": None, "previous_shipment_id": found[0].shipment_id}
        return Reply(Outcome.DONE, f"{key} travels under {found[0].shipment_id} no longer", result)

    def _replay(self, ask: Replay) -> _Done:
        last = self._store.outbox.next_sequence() - 1
        if ask.from_sequence > last:
            problem = f"is {ask.from_sequence}; expected at most {last}, the latest event"
            return _Done(refused([Fault("", None, "from_sequence", problem)]))
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
        return _Done(Reply(Outcome.DONE, detail, result), self._surroundings.outbox_refilled)

    def _write_batch(self, ask: DirectoryBatch) -> Reply:
        written = self._store.directory.upsert(ask.entries)
        deleted = sum(self._store.directory.delete(shipment_id) for shipment_id in ask.deletions)
        unknown = len(ask.deletions) - deleted
        detail = f"{written} entries written, {deleted} deleted, {unknown} to be deleted were not there"
        return Reply(Outcome.DONE, detail, {"written": written, "deleted": deleted, "unknown": unknown})

    def without_database(self, received: Received, error: StoreError) -> Answer | None:
        """What can be answered although nothing can be committed; None for a batch, which waits like the feed.

        A person waits for the answer to a command, so it fails now rather than being done some hours later.
        """
        match received.ask:
            case DirectoryBatch():
                return None
            case None:
                return Answer(received, None)
            case Reply():
                reply = received.ask
            case Status():
                reply = self._by_itself(received.ask)
            case _:
                reply = Reply(Outcome.FAILED, f"the database cannot be used now, nothing was changed: {error}")
        at = self._clock.utc_us()
        return Answer(received, reply.values(self._topics.gateway, received.name, received.request_id, at))

    # After the commit ------------------------------------------------------------------------------------------------

    def say(self, answer: Answer) -> None:
        """Do what had to wait for the commit, answer, and log it with name and client."""
        if answer.effect is not None:
            answer.effect()
        if answer.values is None:
            return
        received = answer.received
        level = log.info if answer.values["outcome"] == Outcome.DONE else log.warning
        level(
            f"command.{answer.values['outcome']}",
            command=received.name[:64],
            client=received.client,
            request_id=received.request_id,
            repeated=answer.values["repeated"],
            reason=answer.values["detail"],
        )
        self._replies += 1
        self._surroundings.post(
            Notice(
                received.reply_topic,
                encode(answer.values),
                retain=False,
                # Never replaced by another one that waits beside it.
                key=f"reply {self._replies}",
                correlation=received.request.correlation,
            )
        )

    def tidy(self) -> None:
        """Forget requests of which no copy can come any more."""
        self._store.command_log.prune(self._clock.utc_us() - REMEMBERED_US)


def _only_clears(request: Request) -> bool:
    """Somebody deletes a retained message of that topic."""
    return request.retained and not request.payload


def _refuse_retained(request: Request) -> None:
    if request.retained:
        raise _RefusedError(
            "it is retained, so it would be done again at each start: publish it without the retain flag, "
            f"and delete this one with an empty retained message to {request.topic}"
        )


def _refuse_faulty(faults: Sequence[Fault]) -> None:
    if faults:
        raise ShipmentSourceError(tuple(faults))


def _refuse_forbidden(name: str, client: Client) -> None:
    if name not in COMMANDS:
        offered = tuple(sorted(client.allow)) or ("none",)
        raise _RefusedError(f"there is no command {name[:64]!r}; {nearest(name, offered)}")
    if name not in client.allow:
        who = f"client {client.name!r}" if client.name else "anybody without a token"
        raise _RefusedError(f"{name} is not allowed to {who}; [commands] in the gateway's configuration says who may")


def _identity(request: Request, request_id: str | None) -> str:
    if request_id is not None:
        return f"id {request_id}"
    if request.correlation:
        return f"correlation {request.correlation.hex()}"
    problem = (
        "is missing; expected a text of your own for this request, so that a copy of it is not carried out too "
        "(or Correlation Data of MQTT 5)"
    )
    raise ShipmentSourceError((Fault(request.topic, None, "request_id", problem),))
