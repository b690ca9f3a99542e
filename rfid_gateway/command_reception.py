"""Requests as they arrive: form, rights, rate and age are looked at here, before anything touches the database.

Request ──receive──▶ Received: what to do, or the refusal, and where the answer goes
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rfid_gateway.clock import Clock
from rfid_gateway.commands.catalogue import COMMANDS, Command, DirectoryBatch
from rfid_gateway.commands.envelope import Envelope, fingerprint, parse_command, read_envelope
from rfid_gateway.commands.reply import Outcome, Reply, encode, refused
from rfid_gateway.commands.rights import Client, RateLimit, Rights, UnknownTokenError
from rfid_gateway.config import Config
from rfid_gateway.events.times import rfc3339
from rfid_gateway.mqtt.requests import Request
from rfid_gateway.mqtt.topics import TopicError, Topics
from rfid_gateway.shipments.batch import parse_batch, read_batch
from rfid_gateway.shipments.faults import Fault, Faults, ShipmentSourceError, nearest

BATCH = "directory_batch"
"""What a batch is called where commands have their names."""


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


class _RefusedError(Exception):
    """The request is not to be carried out."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.reply = Reply(Outcome.REFUSED, detail)


class Reception:
    """Looks at requests. Owner: the command desk, in the pipeline's thread; only the rate changes."""

    def __init__(self, config: Config, clients: Sequence[Client], clock: Clock) -> None:
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._rights = Rights(frozenset(config.commands.allow), clients)
        self._rate = RateLimit(config.commands.per_minute, clock.monotonic_us())
        self._per_minute = config.commands.per_minute
        self._clock = clock

    def follow(self, config: Config, clients: Sequence[Client]) -> None:
        """Go by other rights and another rate."""
        self._rights = Rights(frozenset(config.commands.allow), clients)
        self._rate = RateLimit(config.commands.per_minute, self._clock.monotonic_us())
        self._per_minute = config.commands.per_minute

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
                if ask.changes:
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
