"""The shipment directory's feed: one retained message for each shipment, from the order backend.

A message is acknowledged only when its entry is committed, so a power cut in between makes the broker send it again.
Parsing the payload is the pipeline's business, which owns the directory.
"""

from collections.abc import Callable
from functools import partial

from rfid_gateway.mqtt.happenings import Inbound
from rfid_gateway.mqtt.mailbox import Mailbox, Receipt
from rfid_gateway.mqtt.topics import TopicError, Topics

Acknowledge = Callable[[], None]
OnDirectory = Callable[[str, bytes, Acknowledge], None]
"""Takes shipment id, payload (empty: the entry is deleted) and what to call once that is committed, from any thread.

Called in the publisher's thread, so it must not block. With MQTT 5 at most `window` messages are unacknowledged at
once; a 3.1.1 broker has its own limit.
"""
OnStray = Callable[[str, str], None]
"""Takes the topic of a message that names no shipment, and why not."""


class DirectoryFeed:
    """From inbound messages to shipment ids; owned by the publisher's thread."""

    def __init__(self, topics: Topics, on_directory: OnDirectory, on_stray: OnStray, mailbox: Mailbox) -> None:
        self._topics = topics
        self._on_directory = on_directory
        self._on_stray = on_stray
        self._mailbox = mailbox

    @property
    def topic_filter(self) -> str:
        """What to subscribe to."""
        return self._topics.directory_filter

    def handle(self, inbound: Inbound, connection: int) -> None:
        """Hand a message on; one with a topic that names no shipment is told and acknowledged."""
        acknowledge = partial(self._mailbox.acknowledge, Receipt(connection, inbound.packet_id))
        try:
            shipment_id = self._topics.shipment_of(inbound.topic)
        except TopicError as error:
            self._on_stray(inbound.topic, str(error))
            acknowledge()
            return
        self._on_directory(shipment_id, inbound.payload, acknowledge)
