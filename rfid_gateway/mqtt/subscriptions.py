"""What comes from the broker: messages of the directory, commands and batches, each to whoever takes it."""

import structlog

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.directory_feed import DirectoryFeed
from rfid_gateway.mqtt.happenings import Inbound, RetainedWanted
from rfid_gateway.mqtt.requests import RequestFeed

log = structlog.get_logger(__name__)


class Subscriptions:
    """Owned by the publisher's thread, outlives connections."""

    def __init__(self, feed: DirectoryFeed | None, requests: RequestFeed | None, *, directory_lost: bool) -> None:
        """Say who takes what.

        Args:
            feed: takes messages of the directory; None subscribes to none.
            requests: takes commands and batches of the directory; None subscribes to none.
            directory_lost: the broker is asked for all entries of the directory, though it may have sent them before.
        """
        self._feed = feed
        self._requests = requests
        self._retained_wanted = RetainedWanted.ALWAYS if directory_lost else RetainedWanted.IF_NEW

    def begin(self, connection: Connection) -> None:
        """Subscribe on a connection that was accepted."""
        if self._feed is not None:
            connection.subscribe(self._feed.topic_filter, self._retained_wanted)
            # What the broker has begun to send waits in our session from here on.
            self._retained_wanted = RetainedWanted.IF_NEW
        for topic_filter in self._requests.topic_filters if self._requests is not None else ():
            connection.subscribe(topic_filter)

    def take(self, inbound: Inbound, connection: int) -> bool:
        """Hand a message on; False if nobody takes it, so that it is to be acknowledged at once.

        Args:
            inbound: the message.
            connection: the number of the connection on which it came.
        """
        if self._requests is not None and self._requests.concerns(inbound.topic):
            self._requests.handle(inbound, connection)
        elif self._feed is not None:
            self._feed.handle(inbound, connection)
        else:
            # A session from before may still hold a subscription.
            return False
        return True


def log_stray(topic: str, reason: str) -> None:
    """Note a topic of the directory that names no shipment, where nobody else takes that."""
    log.warning("directory.message_ignored", topic=topic, reason=reason)
