"""Trying the broker once, for `check --connect`."""

import select
import time

from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.happenings import Accepted, ConnectError, Ended
from rfid_gateway.mqtt.reconnect import Version
from rfid_gateway.mqtt.settings import MqttSettings


def probe(settings: MqttSettings, timeout_s: float) -> str | None:
    """Connect to the broker and leave again; returns what went wrong, in words, or None.

    With protocol "auto" the connection is tried in MQTT 5, then in 3.1.1. Publishes nothing, under a client
    identifier of its own, so that a running gateway is not disturbed.
    """
    now = time.monotonic()
    if settings.protocol != "auto":
        return _attempt(settings, settings.protocol, now + timeout_s)
    # A broker for 3.1.1 alone may just not answer: that must not use up all of the time.
    trouble = _attempt(settings, "5", now + timeout_s / 2)
    if trouble is not None and _attempt(settings, "3.1.1", now + timeout_s) is None:
        return None
    return trouble


def _attempt(settings: MqttSettings, version: Version, until: float) -> str | None:
    connection = Connection(settings, version, f"rfid-gateway-check-{time.monotonic_ns()}", None, lasting=False)
    try:
        connection.open()
        while (fileno := connection.fileno()) is not None:
            left = until - time.monotonic()
            if left <= 0:
                break
            ready, _, _ = select.select([fileno], [fileno] if connection.wants_write else [], [], left)
            for happening in connection.turn(readable=bool(ready) or connection.has_decrypted):
                if isinstance(happening, Accepted):
                    connection.disconnect()
                    return None
                if isinstance(happening, Ended):
                    return happening.words
    except ConnectError as error:
        return str(error)
    finally:
        connection.abort()
    return "no answer to CONNECT in time"
