"""How the publisher is doing, for the threads that look at it."""

from dataclasses import dataclass

from rfid_gateway.mqtt.reconnect import Version


@dataclass(frozen=True, slots=True)
class PublisherState:
    """How the publisher is doing; a new one for each change, so any thread may look."""

    connected: bool = False
    broker: str = ""
    """Host and port of the broker that is or was connected, or tried."""
    version: Version | None = None
    detail: str = "not connected yet"
    """What is wrong; empty when all is well."""
    connections: int = 0
    """Accepted ones since the start."""
    new_sessions: int = 0
    """Of these, how often the broker did not know our session any more (or yet): it may have lost all it retained."""
    published: int = 0
    refused: int = 0
    set_aside: int = 0
    """Events that no broker like this one will ever take, since the start."""
    set_aside_words: str = ""
    """The last of them, and why."""
    limits: str = ""
    """What the broker cannot do that would be wanted; empty when it can do everything."""


BEFORE_ALL = PublisherState()
"""Of a publisher that has done nothing yet."""
