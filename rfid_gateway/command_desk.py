"""Commands and batches over MQTT: received, checked, carried out in the drain's commit, answered after it.

    Request ──receive──▶ Received ──execute──▶ Answer ──say──▶ reply, and what must wait for the commit
                                └─without_database─▶ Answer

`receive` looks at everything that needs no database (`command_reception`), `execute` runs inside the transaction
(`command_execution`) and may run again if that fails, `say` runs once, when it has succeeded. A command that changes
something is noted with its reply in the same commit, so a copy of its message (QoS 1 may deliver twice) gets that reply
again and changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.command_execution import Done, Executor, Surroundings
from rfid_gateway.command_reception import Received, Reception
from rfid_gateway.commands.catalogue import DirectoryBatch, Status
from rfid_gateway.commands.reply import Outcome, Reply, decode, encode, refused
from rfid_gateway.commands.rights import Client
from rfid_gateway.config import Config
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.requests import Request
from rfid_gateway.shipments.faults import Fault
from rfid_gateway.store.command_log import LoggedCommand
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError

log = structlog.get_logger(__name__)

REMEMBERED_US = 24 * 3_600_000_000
"""How long a request is known by its id: a broker may deliver a copy when a gateway comes back after a night."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said and done once the commit has succeeded."""

    received: Received
    values: Mapping[str, object] | None
    """The reply's; None where nothing is said."""
    effect: Callable[[], None] | None = None


class CommandDesk:
    """Owner: the pipeline's thread."""

    def __init__(
        self, config: Config, clients: Sequence[Client], store: Store, clock: Clock, surroundings: Surroundings
    ) -> None:
        self._gateway = config.gateway.id
        self._reception = Reception(config, clients, clock)
        self._executor = Executor(store, surroundings)
        self._log = store.command_log
        self._clock = clock
        self._post = surroundings.post
        self._replies = 0

    def follow(self, config: Config, clients: Sequence[Client]) -> None:
        """Go by other rights and another rate; what was received before is carried out as it was allowed then."""
        self._reception.follow(config, clients)

    def receive(self, request: Request) -> Received:
        """Look at a request; what is wrong with it becomes a refusal. Never raises."""
        return self._reception.receive(request)

    # Inside the commit -----------------------------------------------------------------------------------------------

    def execute(self, received: Received) -> Answer:
        """Do what was asked as far as the database goes. Raises StoreError; the transaction is undone then."""
        if received.ask is None:
            return Answer(received, None)
        if received.key is not None and (known := self._log.find(received.key)) is not None:
            return self._repeated(received, known)
        at = self._clock.utc_us()
        ask = received.ask
        done = Done(ask) if isinstance(ask, Reply) else self._executor.carry_out(ask, at)
        answer = self._answer(received, done, at)
        if received.key is not None and answer.values is not None and done.reply.outcome is Outcome.DONE:
            self._log.add(received.key, LoggedCommand(received.asked, encode(answer.values).decode()), at)
        return answer

    def _repeated(self, received: Received, known: LoggedCommand) -> Answer:
        if known.asked == received.asked:
            return Answer(received, {**decode(known.reply), "repeated": True})
        problem = "was used for another request within a day; expected a new one"
        reply = refused([Fault(received.request.topic, None, "request_id", problem)])
        return self._answer(received, Done(reply), self._clock.utc_us())

    def _answer(self, received: Received, done: Done, at: int) -> Answer:
        return Answer(received, done.reply.values(self._gateway, received.name, received.request_id, at), done.effect)

    # Without one -----------------------------------------------------------------------------------------------------

    def without_database(self, received: Received, error: StoreError) -> Answer | None:
        """What can be answered although nothing can be committed; None for a batch, which waits like the feed.

        A person waits for the answer to a command, so it fails now rather than being done some hours later.
        """
        at = self._clock.utc_us()
        match received.ask:
            case DirectoryBatch():
                return None
            case None:
                return Answer(received, None)
            case Reply():
                reply = received.ask
            case Status():
                return self._answer(received, self._executor.carry_out(received.ask, at), at)
            case _:
                reply = Reply(Outcome.FAILED, f"the database cannot be used now, nothing was changed: {error}")
        return self._answer(received, Done(reply), at)

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
        self._post(
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
        self._log.prune(self._clock.utc_us() - REMEMBERED_US)
