"""One MQTT connection, from CONNECT to its end, driven by the loop of the thread that owns it.

paho keeps no state from one connection to the next here: each has a client of its own, and what is still to be sent
is known by the outbox. So nothing is ever queued inside paho while there is no connection.

paho makes the connection, subscribes, keeps it alive and ends it. PUBLISH and PUBACK, of which there are many, go past
it over the same socket: see `wire`.

The session at the broker, on the other hand, outlives the connection (Clean Start 0, MQTT 5 3.1.2.4), so that
directory messages wait for us there. Rows without PUBACK are sent again as new PUBLISH packets, not under their old
packet identifiers: a process that was killed does not know those, and a receiver of QoS 1 keeps none.
"""

import struct
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from rfid_gateway.mqtt import packets
from rfid_gateway.mqtt.happenings import (
    Accepted,
    Acknowledged,
    ConnectError,
    Ended,
    Happening,
    Inbound,
    Publication,
    Refused,
    RetainedWanted,
    SubscriptionRefused,
    TooLargeError,
)
from rfid_gateway.mqtt.reconnect import Loss, Version
from rfid_gateway.mqtt.security import password, tls_context, words_of
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.wire import Wire, connect

SESSION_EXPIRY_S = 30 * 24 * 3600
"""How long the broker is asked to keep our session: directory messages survive an absence of this length."""
_PAHO_VERSION = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_UNSUPPORTED_PROTOCOL_VERSION = 0x84  # MQTT 5 3.2.2.2
_FIRST_PACKET_ID = 1001
"""The identifiers below are left to paho, for SUBSCRIBE."""
_LAST_PACKET_ID = 65_535
_NO_PACKET = (ValueError, LookupError, TypeError, struct.error, MQTTException)
"""What paho raises where a packet is malformed or has a reason code that the standard does not know."""
UNANSWERED = (
    "broker closed the connection instead of answering CONNECT: a broker of MQTT 3.1.1 does so when it forbids QoS 1 "
    "or retained messages, or does not know the version; a port with TLS, when there is no mqtt.tls"
)
_KNOWN_TOPICS = 1000
_FAILURE = 0x80
_PACKET_TOO_LARGE = 0x95  # not among MQTT 5's reasons of a PUBACK, but Mosquitto says it there
_RETAIN_NOT_SUPPORTED = 0x9A
_ELSEWHERE = (0x9C, 0x9D)  # use another server; server moved


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
        self._ended = False
        self._subscriptions: dict[int, str] = {}
        self._packet_id = _FIRST_PACKET_ID - 1
        self._unanswered: dict[int, None] = {}
        self._topics: dict[str, bytes] = {}
        self._properties = packets.NO_PROPERTIES if version == "5" else b""
        self._maximum_packet: int | None = None
        self._retains = True
        self._client = _Client(
            self._connect,
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if version == "5" else not lasting,
            protocol=_PAHO_VERSION[version],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        # With this set, paho leaves all writing to `turn`, so an error never surfaces in the middle of a publish.
        self._client.on_socket_register_write = _leave_it_to_the_loop

    def open(self) -> None:
        """Connect and send CONNECT; blocks for at most 5 s for TCP and 5 s for TLS.

        Raises:
            ConnectError: no connection, or a file, host name or certificate cannot be used; in words.
        """
        try:
            self._open()
        except OSError as error:
            raise ConnectError(words_of(error)) from error
        except ValueError as error:
            raise ConnectError(str(error)) from error

    def _open(self) -> None:
        settings = self._settings
        if settings.username is not None:
            self._client.username_pw_set(settings.username, password(settings.password_file))
        if self.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._lasting else 0
            properties.ReceiveMaximum = settings.window
            self._client.connect(
                settings.host, settings.port, settings.keepalive_s, clean_start=not self._lasting, properties=properties
            )
        else:
            self._client.connect(settings.host, settings.port, settings.keepalive_s)

    def _connect(self) -> Wire:
        settings = self._settings
        return connect(settings.host, settings.port, tls_context(settings.tls) if settings.tls is not None else None)

    def fileno(self) -> int | None:
        """The socket's file descriptor; None once it is closed."""
        connected = self._client.socket()
        return None if connected is None else connected.fileno()

    @property
    def accepted(self) -> bool:
        """The broker has sent a CONNACK with success."""
        return self._accepted

    @property
    def wants_write(self) -> bool:
        """There are bytes that wait for the socket."""
        wire = self._client.wire
        return self._client.want_write() or (wire is not None and wire.wants_write)

    @property
    def has_decrypted(self) -> bool:
        """TLS holds bytes that a selector does not know of."""
        wire = self._client.wire
        return wire is not None and wire.has_decrypted

    @property
    def unanswered(self) -> tuple[int, ...]:
        """Packet identifiers of publications without PUBACK, in the order in which they were sent."""
        return tuple(self._unanswered)

    def turn(self, *, readable: bool) -> list[Happening]:
        """Read what has come, write what waits, keep alive; returns what happened, in order. Never blocks."""
        wire = self._client.wire
        if readable and wire is not None:
            for puback in wire.receive():
                self._answered(puback)
        self.flush()
        while wire is not None and wire.for_paho and self._client.socket() is not None:
            try:
                self._client.loop_read()
            except _NO_PACKET as error:
                self._end(f"broker sent what is no MQTT packet: {error!r}")
                self.abort()
                break
        self._client.loop_misc()
        # paho closes without a call in some branches of its keep-alive.
        if self._client.socket() is None:
            self._end("connection closed")
        happened, self._happenings = self._happenings, []
        return happened

    def flush(self) -> None:
        """Write what the socket takes at once; what happens in it is told by the next `turn`."""
        if self._client.want_write():
            self._client.loop_write()
        if self._client.wire is not None:
            self._client.wire.flush()

    def publish(self, publication: Publication) -> int | None:
        """Queue a PUBLISH for the next `turn` and return its packet identifier; None when nothing more can be sent.

        Raises:
            ValueError: the topic or the payload cannot be published over MQTT, or not to this broker.
        """
        wire = self._client.wire
        if wire is None or not self._accepted or self._ended:
            return None
        topic = self._topics.get(publication.topic)
        if topic is None:
            topic = self._remember(publication.topic)
        packet_id = self._next_packet_id()
        retain = publication.retain and self._retains
        properties = publication.properties if publication.properties and self.version == "5" else self._properties
        packet = packets.publish(topic, publication.payload, packet_id, retain=retain, properties=properties)
        if self._maximum_packet is not None and len(packet) > self._maximum_packet:
            raise TooLargeError(
                f"packet of {len(packet)} bytes: the broker takes at most {self._maximum_packet} (Maximum Packet Size)"
            )
        self._unanswered[packet_id] = None
        wire.queue(packet)
        return packet_id

    def subscribe(self, topic_filter: str, retained: RetainedWanted = RetainedWanted.IF_NEW) -> None:
        """Subscribe with QoS 1.

        MQTT 3.1.1 sends all that is retained each time, whatever is wanted. Retain As Published tells a command that
        was retained by mistake from others, also when it comes live.
        """
        if self.version == "5":
            options = SubscribeOptions(qos=1, retainHandling=retained, retainAsPublished=True)
            _, packet_id = self._client.subscribe(topic_filter, options=options)
        else:
            _, packet_id = self._client.subscribe(topic_filter, qos=1)
        if packet_id is not None:
            self._subscriptions[packet_id] = topic_filter

    @property
    def subscribing(self) -> bool:
        """A subscription waits for its SUBACK."""
        return bool(self._subscriptions)

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
        if self._client.wire is not None:
            self._client.wire.abort()
        self._ended = True

    def _next_packet_id(self) -> int:
        """The next identifier that no publication without PUBACK has (MQTT 5 2.2.1)."""
        while True:
            self._packet_id = self._packet_id + 1 if self._packet_id < _LAST_PACKET_ID else _FIRST_PACKET_ID
            if self._packet_id not in self._unanswered:
                return self._packet_id

    def _remember(self, topic: str) -> bytes:
        if len(self._topics) >= _KNOWN_TOPICS:
            self._topics.clear()
        self._topics[topic] = encoded = packets.topic_bytes(topic)
        return encoded

    def _answered(self, puback: packets.Puback) -> None:
        packet_id, reason = puback
        self._unanswered.pop(packet_id, None)
        if reason < _FAILURE:
            self._happenings.append(Acknowledged(packet_id))
        else:
            self._happenings.append(Refused(packet_id, _words_of_puback(reason), too_large=reason == _PACKET_TOO_LARGE))

    # Callbacks of paho, all within `turn` ----------------------------------------------------------------------------

    def _on_connect(
        self, _client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            words = f"broker refuses the connection: {reason}{_elsewhere(reason, properties)}"
            self._end(words, _LOSS_OF_CONNACK.get(reason.value, Loss.REFUSED), by_broker=True)
            return
        if getattr(properties, "MaximumQoS", 1) < 1:
            # Not sent with QoS 0 instead: the broker would acknowledge nothing, and what it lost would be gone.
            self._end("broker takes only QoS 0, which acknowledges nothing: events wait", Loss.REFUSED)
            return
        self._accepted = True
        self._maximum_packet = getattr(properties, "MaximumPacketSize", None)
        self._retains = bool(getattr(properties, "RetainAvailable", 1))
        receive_maximum = getattr(properties, "ReceiveMaximum", 65_535)
        self._happenings.append(Accepted(receive_maximum, flags.session_present, self._maximum_packet, self._retains))

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(f"broker disconnects: {reason}{_elsewhere(reason, properties)}", by_broker=True)
            return
        wire = self._client.wire
        trouble = None if wire is None else wire.trouble
        closed = isinstance(trouble, ConnectionError) or (wire is not None and wire.closed_by_broker)
        if closed and not self._accepted:
            self._end(UNANSWERED, by_broker=True)
        elif trouble is not None:
            self._end(f"connection lost: {words_of(trouble)}", by_broker=closed)
        elif closed:
            self._end("broker closed the connection", by_broker=True)
        else:
            self._end(f"connection lost: {reason}")

    def _end(self, words: str, loss: Loss | None = None, *, by_broker: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        if loss is None:
            loss = Loss.LOST if self._accepted else Loss.NO_CONNACK
        self._happenings.append(Ended(loss, words, by_broker))

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


_LOSS_OF_CONNACK = {
    _UNSUPPORTED_PROTOCOL_VERSION: Loss.WRONG_VERSION,
    _RETAIN_NOT_SUPPORTED: Loss.NO_RETAIN,
}


class _Client(Client):
    """paho's client with our wire for its socket."""

    def __init__(self, connect: Callable[[], Wire], *args: Any, **keywords: Any) -> None:  # paho's own, passed on
        super().__init__(*args, **keywords)
        self._connect = connect
        self.wire: Wire | None = None

    def _create_socket(self) -> Wire:  # type: ignore[override]  # paho's protocol, which Wire has, is not exported
        self.wire = self._connect()
        return self.wire


def _elsewhere(reason: ReasonCode, properties: Properties | None) -> str:
    """What the broker recommends instead of itself (MQTT 5 4.13): said, and left to whoever configures us."""
    if reason.value not in _ELSEWHERE:
        return ""
    server = getattr(properties, "ServerReference", None)
    return f" (it names {server!r}, which is not followed: see mqtt.fallbacks)" if server else ""


def _words_of_puback(reason: int) -> str:
    if reason == _PACKET_TOO_LARGE:
        return "Packet too large"
    try:
        return str(ReasonCode(PacketTypes.PUBACK, identifier=reason))
    except (KeyError, ValueError):
        return f"reason code 0x{reason:02X}"


def _leave_it_to_the_loop(_client: Client, _userdata: Any, _socket: Any) -> None:
    """Do nothing: `turn` asks `wants_write`."""
