"""Requests that want an answer: commands to this gateway, and batches for the directory of its site.

As with the directory feed, a message is acknowledged only when its effect is committed, and reading its payload is the
business of the pipeline, which owns what it changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rfid_gateway.mqtt.happenings import Inbound
from rfid_gateway.mqtt.mailbox import Mailbox, Receipt
from rfid_gateway.mqtt.topics import Topics


@dataclass(frozen=True, slots=True)
class Request:
    """A message that asks for something, on its way to the pipeline."""

    topic: str
    command: str | None
    """The last level of a command's topic; None for a batch of the directory."""
    payload: bytes = field(repr=False)
    """It may hold a secret."""
    acknowledge: Callable[[], None]
    """Called by the pipeline once the effect is committed; until then the broker keeps the message for us."""
    retained: bool = False
    response_topic: str | None = None
    """Where MQTT 5 says that the answer should go."""
    correlation: bytes | None = None
    """What the answer must carry on MQTT 5."""


OnRequest = Callable[[Request], None]
"""Takes a request; called in the publisher's thread, so it must not block."""


class RequestFeed:
    """From inbound messages to requests; owned by the publisher's thread."""

    def __init__(self, topics: Topics, on_request: OnRequest, mailbox: Mailbox) -> None:
        self._topics = topics
        self._on_request = on_request
        self._mailbox = mailbox

    @property
    def topic_filters(self) -> tuple[str, str]:
        """What to subscribe to."""
        return self._topics.commands_filter, self._topics.directory_batch

    def concerns(self, topic: str) -> bool:
        """Whether a message of that topic is one of ours."""
        return topic == self._topics.directory_batch or self._topics.command_of(topic) is not None

    def handle(self, inbound: Inbound, connection: int) -> None:
        """Hand a request on."""
        self._on_request(
            Request(
                topic=inbound.topic,
                command=self._topics.command_of(inbound.topic),
                payload=inbound.payload,
                acknowledge=partial(self._mailbox.acknowledge, Receipt(connection, inbound.packet_id)),
                retained=inbound.retained,
                response_topic=inbound.response_topic,
                correlation=inbound.correlation,
            )
        )
