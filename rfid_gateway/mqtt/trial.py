"""Trying what a gateway may do at the broker, before there is one: for `rfid-gateway setup`."""

import select
import time
from dataclasses import dataclass, field

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.happenings import (
    Accepted,
    Acknowledged,
    ConnectError,
    Ended,
    Publication,
    Refused,
    SubscriptionRefused,
)
from rfid_gateway.mqtt.reconnect import Version
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.topics import Topics

TRIAL_LEVEL = "setup"
"""Below the gateway's own topics, and none of the contract: no consumer takes what is published there for its own."""


@dataclass(slots=True)
class Trial:
    """What came of a trial. Owner: `attempt`, then whoever called it."""

    version: Version
    connected: bool = False
    may_publish: bool | None = None
    """None where the broker does not say: MQTT 3.1.1 acknowledges what it then throws away."""
    refused: list[str] = field(default_factory=list)
    """What the broker did not allow, in words."""
    trouble: str | None = None
    """Why there was no connection, or why it ended; in words."""

    @property
    def good(self) -> bool:
        """Nothing speaks against starting a gateway with these settings."""
        return self.connected and self.trouble is None and not self.refused


def attempt(settings: MqttSettings, topics: Topics, timeout_s: float) -> Trial:
    """Connect, subscribe to what a gateway subscribes to, publish one empty message, and leave again.

    The message goes to `{prefix}/{site}/{gateway}/setup`, is not retained and has no payload. The client identifier is
    one of its own, so that a running gateway is not disturbed. With protocol "auto" MQTT 5 is tried before 3.1.1.
    """
    until = time.monotonic() + timeout_s
    if settings.protocol != "auto":
        return _Attempt(settings, topics, settings.protocol).run(until)
    # A broker for 3.1.1 alone may just not answer: that must not use up all of the time.
    trial = _Attempt(settings, topics, "5").run(time.monotonic() + timeout_s / 2)
    if not trial.connected:
        older = _Attempt(settings, topics, "3.1.1").run(until)
        if older.connected:
            return older
    return trial


class _Attempt:
    """One connection in one version of MQTT. Owned by `attempt`."""

    def __init__(self, settings: MqttSettings, topics: Topics, version: Version) -> None:
        self._topics = topics
        self._trial = Trial(version)
        self._connection = Connection(
            settings, version, f"rfid-gateway-setup-{time.monotonic_ns()}", None, lasting=False
        )
        self._publishing = False
        self._acknowledged = False

    def run(self, until: float) -> Trial:
        """Try everything, at most until a time of the monotonic clock (seconds)."""
        trial, connection = self._trial, self._connection
        try:
            connection.open()
            while not self._done():
                left = until - time.monotonic()
                fileno = connection.fileno()
                if left <= 0 or fileno is None:
                    trial.trouble = _silence(trial)
                    break
                writing = [fileno] if connection.wants_write else []
                ready, _, _ = select.select([fileno], writing, [], left)
                self._turn(readable=bool(ready) or connection.has_decrypted)
            if trial.connected and trial.trouble is None:
                connection.disconnect()
        except ConnectError as error:
            trial.trouble = str(error)
        finally:
            connection.abort()
        return trial

    def _done(self) -> bool:
        return self._acknowledged or self._trial.trouble is not None

    def _turn(self, *, readable: bool) -> None:
        trial, topics = self._trial, self._topics
        for happening in self._connection.turn(readable=readable):
            match happening:
                case Accepted():
                    trial.connected = True
                    for topic_filter in (topics.commands_filter, topics.directory_filter, topics.directory_batch):
                        self._connection.subscribe(topic_filter)
                case Acknowledged():
                    self._acknowledged = True
                    trial.may_publish = True if trial.version == "5" else None
                case Refused(reason=reason):
                    self._acknowledged = True
                    trial.may_publish = False
                    trial.refused.append(f"publish on {self._topic}: {reason}")
                case SubscriptionRefused(topic_filter=topic_filter, reason=reason):
                    trial.refused.append(f"subscribe to {topic_filter}: {reason}")
                case Ended(words=words):
                    trial.trouble = words
                case _:
                    pass  # whatever is on these topics is for the gateway
        # Last, because Mosquitto 2.0 hangs up on whom it does not let publish, where max_inflight_messages is set.
        if trial.connected and not self._publishing and not self._connection.subscribing:
            self._publishing = self._connection.publish(Publication(self._topic, b"")) is not None

    @property
    def _topic(self) -> str:
        return f"{self._topics.own}/{TRIAL_LEVEL}"


def _silence(trial: Trial) -> str:
    return "connected, but the broker does not answer" if trial.connected else "no answer to CONNECT in time"
