"""One MQTT connection, from CONNECT to its end, driven by the loop of the thread that owns it.

paho keeps no state from one connection to the next here: each has a client of its own, and what is still to be sent
is known by the outbox. So nothing is ever queued inside paho while there is no connection.

The session at the broker, on the other hand, outlives the connection (Clean Start 0, MQTT 5 3.1.2.4), so that
directory messages wait for us there. Rows without PUBACK are sent again as new PUBLISH packets, not under their old
packet identifiers: a process that was killed does not know those, and a receiver of QoS 1 keeps none.
"""

import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from rfid_gateway.mqtt.reconnect import Loss, Version
from rfid_gateway.mqtt.settings import MqttSettings, TlsSettings

SESSION_EXPIRY_S = 30 * 24 * 3600
"""How long the broker is asked to keep our session: directory messages survive an absence of this length."""
_PAHO_VERSION = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_UNSUPPORTED_PROTOCOL_VERSION = 0x84  # MQTT 5 3.2.2.2


class Publication(NamedTuple):
    """What is handed to the broker with QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False
    properties: bytes = b""
    """Of the PUBLISH, see `properties.packed`; MQTT 3.1.1 has none, and leaves them out."""


class _Packed(Properties):
    """Properties that are bytes already, in the form in which paho asks for them."""

    def __init__(self, content: bytes) -> None:
        # Not paho's: its tables are what costs, and its own `__setattr__` takes no other names.
        object.__setattr__(self, "_content", content)

    def pack(self) -> bytes:
        content: bytes = object.__getattribute__(self, "_content")
        return content


@dataclass(frozen=True, slots=True)
class Accepted:
    """CONNACK with success."""

    receive_maximum: int
    """Publications that the broker lets us have without PUBACK at once (MQTT 5 3.2.2.3.3)."""
    session_present: bool
    """The broker still has our session from before (MQTT 5 3.2.2.1.1, 3.1.1 3.2.2.2)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is gone or did not come about; nothing follows."""

    loss: Loss
    words: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """PUBACK."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """PUBACK with a reason code of 0x80 or above (MQTT 5 3.4.2.1): the broker did not take the publication."""

    packet_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """SUBACK with a failure."""

    topic_filter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that we subscribed to."""

    topic: str
    payload: bytes
    packet_id: int
    """0 with QoS 0: nothing is to be acknowledged."""
    retained: bool = False
    """Published with the retain flag; on 3.1.1 this is told only of what the broker had kept."""
    response_topic: str | None = None
    """MQTT 5 3.3.2.3.5."""
    correlation: bytes | None = None
    """MQTT 5 3.3.2.3.6."""


Happening = Accepted | Ended | Acknowledged | Refused | SubscriptionRefused | Inbound


class Connection:
    """One client of paho and its socket; owned by the publisher's thread. Raises only from `open`."""

    def __init__(
        self,
        settings: MqttSettings,
        version: Version,
        client_id: str,
        will: Publication | None,
        *,
        lasting: bool = True,
    ) -> None:
        """Prepare a connection; `lasting` asks the broker to keep the session when the connection is gone."""
        self._settings = settings
        self._lasting = lasting
        self.version = version
        self._happenings: list[Happening] = []
        self._accepted = False
        self._answered = False
        self._ended = False
        self._subscriptions: dict[int, str] = {}
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if version == "5" else not lasting,
            protocol=_PAHO_VERSION[version],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        # The caller keeps the window. paho's own limit would search all its messages at each PUBACK.
        self._client.max_inflight_messages_set(0)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        # With this set, paho leaves all writing to `turn`, so an error never surfaces in the middle of a publish.
        self._client.on_socket_register_write = _leave_it_to_the_loop

    def open(self) -> None:
        """Connect and send CONNECT; blocks for at most 5 s for TCP and 5 s for TLS.

        Raises:
            OSError: no connection; the file of a password or certificate cannot be read.
            ValueError: the host name, a certificate or the password's text cannot be used.
        """
        settings = self._settings
        if settings.username is not None:
            self._client.username_pw_set(settings.username, _password(settings.password_file))
        if settings.tls is not None:
            self._client.tls_set_context(_tls_context(settings.tls))
        if self.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._lasting else 0
            properties.ReceiveMaximum = settings.window
            self._client.connect(
                settings.host, settings.port, settings.keepalive_s, clean_start=not self._lasting, properties=properties
            )
        else:
            self._client.connect(settings.host, settings.port, settings.keepalive_s)

    def fileno(self) -> int | None:
        """The socket's file descriptor; None once it is closed."""
        socket = self._client.socket()
        return None if socket is None else socket.fileno()

    @property
    def accepted(self) -> bool:
        """The broker has sent a CONNACK with success."""
        return self._accepted

    @property
    def wants_write(self) -> bool:
        """There are bytes that wait for the socket."""
        return self._client.want_write()

    @property
    def has_decrypted(self) -> bool:
        """TLS holds bytes that a selector does not know of."""
        socket = self._client.socket()
        return isinstance(socket, ssl.SSLSocket) and socket.pending() > 0

    def turn(self, *, readable: bool) -> list[Happening]:
        """Read what has come, write what waits, keep alive; returns what happened, in order. Never blocks."""
        if readable:
            self._client.loop_read()
        self.flush()
        self._client.loop_misc()
        # paho closes without a call in some branches of its keep-alive.
        if self._client.socket() is None:
            self._end("connection closed")
        happened, self._happenings = self._happenings, []
        return happened

    def flush(self) -> None:
        """Write what the socket takes at once; what happens in it is told by the next `turn`."""
        if self.wants_write:
            self._client.loop_write()

    def publish(self, publication: Publication) -> int | None:
        """Queue a PUBLISH for the next `turn` and return its packet identifier; None when paho takes nothing more.

        Raises:
            ValueError: the topic or the payload cannot be published over MQTT.
        """
        properties = _Packed(publication.properties) if publication.properties and self.version == "5" else None
        info = self._client.publish(
            publication.topic, publication.payload, qos=1, retain=publication.retain, properties=properties
        )
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1.

        On MQTT 5 the broker sends what is retained only when it did not have this subscription yet (Retain Handling
        1, 3.8.3.1): a site may have 100 000 retained shipments. MQTT 3.1.1 sends all of them each time. Retain As
        Published tells a command that was retained by mistake from others, also when it comes live.
        """
        if self.version == "5":
            options = SubscribeOptions(qos=1, retainHandling=1, retainAsPublished=True)
            _, packet_id = self._client.subscribe(topic_filter, options=options)
        else:
            _, packet_id = self._client.subscribe(topic_filter, qos=1)
        if packet_id is not None:
            self._subscriptions[packet_id] = topic_filter

    def acknowledge(self, packet_id: int) -> None:
        """Queue the PUBACK of an inbound message."""
        self._client.ack(packet_id, 1)

    def disconnect(self) -> None:
        """Say goodbye, so that the broker drops the Last Will, and close."""
        self._client.disconnect()
        self.turn(readable=False)
        self.abort()

    def abort(self) -> None:
        """Close without a word; the broker publishes the Last Will."""
        socket = self._client.socket()
        if socket is not None:
            with contextlib.suppress(OSError):
                socket.close()
        self._ended = True

    # Callbacks of paho, all within `turn` ----------------------------------------------------------------------------

    def _on_connect(
        self, _client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answered = True
        if reason.is_failure:
            loss = Loss.WRONG_VERSION if reason.value == _UNSUPPORTED_PROTOCOL_VERSION else Loss.REFUSED
            self._end(f"broker refuses the connection: {reason}", loss)
            return
        self._accepted = True
        self._happenings.append(Accepted(getattr(properties, "ReceiveMaximum", 65_535), flags.session_present))

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        who = "broker disconnects" if flags.is_disconnect_packet_from_server else "connection lost"
        self._end(f"{who}: {reason}")

    def _end(self, words: str, loss: Loss | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        if loss is None:
            loss = Loss.LOST if self._accepted else Loss.NO_CONNACK
        self._happenings.append(Ended(loss, words))

    def _on_publish(
        self, _client: Client, _userdata: Any, packet_id: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        if reason.is_failure:
            self._happenings.append(Refused(packet_id, str(reason)))
        else:
            self._happenings.append(Acknowledged(packet_id))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        # paho hands a topic that is no UTF-8 through as bytes; there is no shipment of that name.
        topic = bytes(message._topic).decode(errors="backslashreplace")  # noqa: SLF001 - `topic` would raise here
        self._happenings.append(
            Inbound(
                topic,
                bytes(message.payload),
                message.mid,
                retained=message.retain,
                response_topic=getattr(message.properties, "ResponseTopic", None),
                correlation=getattr(message.properties, "CorrelationData", None),
            )
        )

    def _on_subscribe(
        self, _client: Client, _userdata: Any, packet_id: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        topic_filter = self._subscriptions.pop(packet_id, "")
        self._happenings.extend(
            SubscriptionRefused(topic_filter, str(reason)) for reason in reasons if reason.is_failure
        )


def _leave_it_to_the_loop(_client: Client, _userdata: Any, _socket: Any) -> None:
    """Do nothing: `turn` asks `wants_write`."""


def _password(file: str | None) -> str | None:
    if file is None:
        return None
    return Path(file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")


def _tls_context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context
