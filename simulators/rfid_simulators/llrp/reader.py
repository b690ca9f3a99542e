"""A simulated LLRP reader (1.0.1, or 1.1 where that is negotiated) without I/O: bytes and world time in, messages out.

Sources: LLRP 1.0.1 chapters 9 to 13 and 16, 20.1 (connections); LLRP 1.1 9.1 (versions). World time is integer
microseconds since the world began; the reader's own clock, which may be wrong, is a `ReaderClock`.
"""

from collections import deque
from collections.abc import Callable, Collection

from rfid_simulators.llrp import events, vendor
from rfid_simulators.llrp.accessspecs import AccessSpecTable
from rfid_simulators.llrp.capabilities import encode_capabilities
from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.configuration import (
    Configuration,
    OutputChange,
    Surroundings,
    changed,
    encode_configuration,
    factory_configuration,
    output_changes,
)
from rfid_simulators.llrp.events import ConnectionAttempt, NotificationType
from rfid_simulators.llrp.grammar import Element, parse_request
from rfid_simulators.llrp.hearing import Hearing
from rfid_simulators.llrp.inventory import Outlet, Sources
from rfid_simulators.llrp.outgoing import Counters, Outgoing
from rfid_simulators.llrp.profiles import ReaderProfile
from rfid_simulators.llrp.refusals import check_refusals
from rfid_simulators.llrp.rospec import AiSpec, read_rospec
from rfid_simulators.llrp.rospec_table import RoSpecTable
from rfid_simulators.llrp.status import SUCCESS, RequestError, StatusCode
from rfid_simulators.llrp.unchanged import UnchangedFilter
from rfid_simulators.llrp.wire import IMPINJ, LLRP_1_1, ZEBRA, Frame, Framer, WireError, message
from rfid_simulators.llrp.wire import MessageType as M
from rfid_simulators.llrp.wire import ParameterType as P

Handler = Callable[[Element, int], bytes]
"""Does what a request says at that world time and returns the response's body; raises RequestError."""

_MOST_OUTPUT_CHANGES = 1000
_NEGOTIATION = (M.GET_SUPPORTED_VERSION_RESPONSE, M.SET_PROTOCOL_VERSION_RESPONSE)
"""These and their requests are in version 1.1 always."""
_REFUSES_MESSAGE = (StatusCode.M_UNSUPPORTED_MESSAGE, StatusCode.M_UNSUPPORTED_VERSION)
_NO_HANDLER: tuple[M | None, Handler] = (None, lambda _request, _now: b"")


class SimulatedReader:
    """The reader's state machine. Owned by one thread; every method takes the present world time.

    Args:
        profile: what kind of reader it is.
        sources: what its antennas hear.
        clock: its own clock.
        connected: antennas that are plugged in; None means all.
    """

    def __init__(
        self, profile: ReaderProfile, sources: Sources, clock: ReaderClock, connected: frozenset[int] | None = None
    ) -> None:
        self.client_connected = False
        self.closing = False
        """Whether the connection is to be closed once everything was sent."""
        self._profile = profile
        self._sources = sources
        self._antennas = frozenset(range(1, profile.antennas + 1)) if connected is None else connected
        self._clock = clock
        self._output_changes: deque[OutputChange] = deque(maxlen=_MOST_OUTPUT_CHANGES)
        self._gpis_high = [False] * profile.gpis
        self._counters = Counters()
        self._power_up()
        self._start_session(0)

    def _power_up(self) -> None:
        """Be as a reader is that has just been switched on."""
        profile, clock = self._profile, self._clock
        self._configuration = factory_configuration(profile)
        unchanged = UnchangedFilter() if profile.leaves_unchanged_out else None
        self._outgoing = out = Outgoing(clock, profile.report_buffer_reads, self._counters, unchanged)
        self._outgoing.events_on = self._configuration.events
        outlet = Outlet(out.tags_due, out.keep, out.recorded_due, out.happened)
        self._rospecs = RoSpecTable(
            profile.max_rospecs, clock, outlet, lambda: self._configuration.report, self._hearing
        )
        self._accessspecs = AccessSpecTable(profile.max_accessspecs)
        self._handlers = self._request_handlers()

    @property
    def configuration(self) -> Configuration:
        """What the reader is set to, for tests that ask what a client has set."""
        return self._configuration

    @property
    def outputs(self) -> tuple[bool, ...]:
        """Which outputs are high; the first one is port 1."""
        return self._configuration.gpos

    @property
    def output_changes(self) -> tuple[OutputChange, ...]:
        """How clients have switched the outputs, the last 1000 times."""
        return tuple(self._output_changes)

    @property
    def counters(self) -> Counters:
        """What the reader has sent and refused."""
        return self._counters

    def connect(self, now: int) -> list[bytes]:
        """Take a client; its connection is the only one until `disconnected`."""
        self._advance(now)
        self._start_session(now)
        self.client_connected = True
        self._outgoing.begin_session(now, hold=self._configuration.hold)
        return self._outgoing.take()

    def refuse(self, status: int, now: int) -> tuple[bytes, list[bytes]]:
        """Answer one connection too many: the message for the newcomer, and those for the client that stays."""
        refusal = self._outgoing.event_data(events.connection_attempt(status), now)
        self._outgoing.notify(events.connection_attempt(ConnectionAttempt.ANOTHER_CONNECTION_ATTEMPTED), now)
        return message(M.READER_EVENT_NOTIFICATION, 0, refusal), self._outgoing.take()

    def disconnected(self, now: int) -> None:
        """Let the client go; ROSpecs go on."""
        # First of all, so that what is heard up to now is held where holding is on.
        self._outgoing.end_session(hold=self._configuration.hold)
        self._advance(now)
        self._start_session(now)
        self.client_connected = False

    def feed(self, data: bytes, now: int) -> list[bytes]:
        """Take what the client sent, in any slicing, and return the messages for it."""
        self._advance(now)
        try:
            frames = self._framer.feed(data)
        except WireError as error:
            fault = RequestError(str(error), StatusCode.M_FIELD_ERROR)
            self._outgoing.send(M.ERROR_MESSAGE, fault.status)
            self.closing = True
            return self._outgoing.take()
        for frame in frames:
            self._answer(frame, now)
        return self._outgoing.take()

    def tick(self, now: int) -> list[bytes]:
        """Let time pass up to `now` and return the messages that became due."""
        self._advance(now)
        if self.client_connected and self._configuration.keepalive_us and now >= self._keepalive_due:
            self._keep_alive(now)
        return self._outgoing.take()

    def say_goodbye(self, now: int) -> list[bytes]:
        """Close the connection from the reader's side (LLRP 1.0.1 13.1.4.4.11)."""
        self._outgoing.notify(events.connection_close(), now)
        self.closing = True
        return self._outgoing.take()

    def set_gpi(self, port: int, now: int, *, high: bool) -> list[bytes]:
        """Drive an input, counted from 1: a photo-eye, a door contact."""
        self._advance(now)
        if self._gpis_high[port - 1] != high:
            self._gpis_high[port - 1] = high
            if self._configuration.gpis_enabled[port - 1]:
                self._outgoing.happened(NotificationType.GPI, events.gpi(port, high=high), now)
                self._rospecs.gpi(port, now, high=high)
        return self._outgoing.take()

    def set_antenna(self, antenna_id: int, now: int, *, connected: bool) -> list[bytes]:
        """Plug an antenna in or pull it out."""
        self._advance(now)
        if (antenna_id in self._antennas) != connected:
            self._antennas ^= {antenna_id}
            event = events.antenna(antenna_id, connected=connected)
            self._outgoing.happened(NotificationType.ANTENNA, event, now)
        return self._outgoing.take()

    def step_clock(self, by_us: int, now: int) -> list[bytes]:
        """Set the reader's own clock forward, or back by a negative number."""
        self._advance(now)
        self._clock.step(by_us)
        return self._outgoing.take()

    def reboot(self, clock_us: int, now: int) -> None:
        """Lose everything but what is counted; call `disconnected` first where a client is there.

        Args:
            clock_us: what its clock shows then, microseconds UTC; a reader without UTC begins at 0.
            now: world time.
        """
        self._advance(now)
        self._clock.set(clock_us if self._clock.has_utc else 0, now)
        self._power_up()
        self._start_session(now)

    def notify(self, event: bytes, now: int) -> list[bytes]:
        """Let the reader tell an event, encoded by `events`, whether the client has switched it on or not."""
        self._advance(now)
        self._outgoing.notify(event, now)
        return self._outgoing.take()

    def _start_session(self, now: int) -> None:
        self._framer = Framer()
        self._vendors = self._profile.custom_vendors
        self._version_is_set = False
        self._unanswered = 0
        self._keepalive_due = now + self._configuration.keepalive_us
        self.closing = False

    def _advance(self, now: int) -> None:
        hearing = frozenset[int]() if self._configuration.autonomous else self._antennas
        self._rospecs.advance(now, self._sources, hearing)

    def _hearing(self, ai_spec: AiSpec) -> Hearing:
        return Hearing(self._profile, self._configuration.antennas, ai_spec.configurations)

    def _keep_alive(self, now: int) -> None:
        """Send a KEEPALIVE, or give up a client that left too many of them unanswered (Impinj link monitor)."""
        if 0 < self._configuration.link_monitor <= self._unanswered:
            self._outgoing.notify(events.connection_close(), now)
            self.closing = True
            return
        self._outgoing.send(M.KEEPALIVE, b"")
        self._unanswered += 1
        self._keepalive_due = now + self._configuration.keepalive_us

    def _answer(self, frame: Frame, now: int) -> None:
        self.counters.requests += 1
        response, handle = self._handlers.get(frame.type, _NO_HANDLER)
        version = LLRP_1_1 if response in _NEGOTIATION else None
        try:
            _check_version(frame, version or self._outgoing.version)
            _check_type(frame, self._handlers)
            request = parse_request(frame.type, frame.body)
            vendor.check_customs(request, self._vendors)
            check_refusals(request, self._profile)
            body = handle(request, now)
        except RequestError as error:
            self.counters.refused += 1
            is_message_refused = error.code in _REFUSES_MESSAGE and response not in _NEGOTIATION
            kind = M.ERROR_MESSAGE if response is None or is_message_refused else response
            self._outgoing.send(kind, error.status, frame.message_id, version)
        else:
            if response is not None:
                self._outgoing.send(response, body, frame.message_id, version)

    def _request_handlers(self) -> dict[int, tuple[M | None, Handler]]:
        """By request: the response's type and what makes its body; GET_REPORT and two others have no response."""
        rospecs, access = self._rospecs, self._accessspecs
        negotiation: dict[int, tuple[M | None, Handler]] = {
            M.GET_SUPPORTED_VERSION: (M.GET_SUPPORTED_VERSION_RESPONSE, self._get_version),
            M.SET_PROTOCOL_VERSION: (M.SET_PROTOCOL_VERSION_RESPONSE, self._set_version),
        }
        return {
            **(negotiation if self._profile.highest_version >= LLRP_1_1 else {}),
            M.GET_READER_CAPABILITIES: (M.GET_READER_CAPABILITIES_RESPONSE, self._get_capabilities),
            M.GET_READER_CONFIG: (M.GET_READER_CONFIG_RESPONSE, self._get_config),
            M.SET_READER_CONFIG: (M.SET_READER_CONFIG_RESPONSE, self._set_config),
            M.CLOSE_CONNECTION: (M.CLOSE_CONNECTION_RESPONSE, self._close),
            M.ADD_ROSPEC: (M.ADD_ROSPEC_RESPONSE, self._add_rospec),
            M.DELETE_ROSPEC: (M.DELETE_ROSPEC_RESPONSE, _numbered(rospecs.delete)),
            M.START_ROSPEC: (M.START_ROSPEC_RESPONSE, _numbered(rospecs.start)),
            M.STOP_ROSPEC: (M.STOP_ROSPEC_RESPONSE, _numbered(rospecs.stop)),
            M.ENABLE_ROSPEC: (M.ENABLE_ROSPEC_RESPONSE, _numbered(rospecs.enable)),
            M.DISABLE_ROSPEC: (M.DISABLE_ROSPEC_RESPONSE, _numbered(rospecs.disable)),
            M.GET_ROSPECS: (M.GET_ROSPECS_RESPONSE, lambda _request, _now: SUCCESS + rospecs.encoded()),
            M.ADD_ACCESSSPEC: (M.ADD_ACCESSSPEC_RESPONSE, self._add_accessspec),
            M.DELETE_ACCESSSPEC: (M.DELETE_ACCESSSPEC_RESPONSE, _numbered(access.delete)),
            M.ENABLE_ACCESSSPEC: (M.ENABLE_ACCESSSPEC_RESPONSE, _numbered(access.enable)),
            M.DISABLE_ACCESSSPEC: (M.DISABLE_ACCESSSPEC_RESPONSE, _numbered(access.disable)),
            M.GET_ACCESSSPECS: (M.GET_ACCESSSPECS_RESPONSE, lambda _request, _now: SUCCESS + access.encoded()),
            M.CUSTOM_MESSAGE: (M.CUSTOM_MESSAGE, self._enable_extensions),
            M.GET_REPORT: (None, self._get_report),
            M.ENABLE_EVENTS_AND_REPORTS: (None, self._release),
            M.KEEPALIVE_ACK: (None, self._keepalive_answered),
        }

    def _get_version(self, _request: Element, _now: int) -> bytes:
        return bytes((self._outgoing.version, self._profile.highest_version)) + SUCCESS

    def _set_version(self, request: Element, _now: int) -> bytes:
        """Settle the version, once in a session."""
        wanted, highest = request.fields[0], self._profile.highest_version
        if self._version_is_set:
            raise RequestError("the version is settled already", StatusCode.M_UNEXPECTED_MESSAGE)
        if not 1 <= wanted <= highest:
            text = f"ProtocolVersion is {wanted}, expected 1 to {highest}"
            raise RequestError(text, StatusCode.M_UNSUPPORTED_VERSION)
        self._version_is_set = True
        self._outgoing.version = wanted
        return SUCCESS

    def _get_capabilities(self, request: Element, _now: int) -> bytes:
        return encode_capabilities(self._profile, request.fields[0])

    def _get_config(self, request: Element, _now: int) -> bytes:
        connected = tuple(antenna in self._antennas for antenna in range(1, self._profile.antennas + 1))
        around = Surroundings(connected, tuple(self._gpis_high))
        body = encode_configuration(self._configuration, around, self._profile, request)
        if ZEBRA in self._profile.custom_vendors:
            body += vendor.autonomous_state(on=self._configuration.autonomous)
        return body + vendor.requested_configuration(request, self._profile.celsius, self._configuration.link_monitor)

    def _set_config(self, request: Element, now: int) -> bytes:
        before = self._configuration
        self._configuration = changed(before, request, self._profile)
        self._output_changes.extend(output_changes(before, self._configuration, now))
        self._outgoing.events_on = self._configuration.events
        if self._configuration.keepalive_us != before.keepalive_us:
            self._keepalive_due = now + self._configuration.keepalive_us
            self._unanswered = 0
        return SUCCESS

    def _close(self, _request: Element, _now: int) -> bytes:
        self.closing = True
        return SUCCESS

    def _add_rospec(self, request: Element, _now: int) -> bytes:
        self._rospecs.add(read_rospec(request.one(P.ROSPEC), self._profile))
        return SUCCESS

    def _add_accessspec(self, request: Element, _now: int) -> bytes:
        self._accessspecs.add(request.one(P.ACCESSSPEC))
        return SUCCESS

    def _enable_extensions(self, request: Element, _now: int) -> bytes:
        maker, subtype = request.uint(0, 4), request.uint(4, 1)
        if not self._profile.accepts_impinj_extensions or (maker, subtype) != (IMPINJ, vendor.ENABLE_EXTENSIONS):
            text = f"custom message {subtype} of vendor {maker} is not supported"
            raise RequestError(text, StatusCode.M_UNSUPPORTED_MESSAGE)
        self._vendors |= {IMPINJ}
        return IMPINJ.to_bytes(4, "big") + bytes((vendor.ENABLE_EXTENSIONS_RESPONSE,)) + SUCCESS

    def _get_report(self, _request: Element, now: int) -> bytes:
        self._outgoing.send_all_reports(self._rospecs.take(), now)
        return b""

    def _release(self, _request: Element, now: int) -> bytes:
        self._outgoing.release(now)
        return b""

    def _keepalive_answered(self, _request: Element, _now: int) -> bytes:
        self._unanswered = 0
        return b""


def _numbered(operation: Callable[[int, int], None]) -> Handler:
    """Make a handler of an operation on the spec whose number the request carries."""

    def handle(request: Element, now: int) -> bytes:
        operation(request.uint(0, 4), now)
        return SUCCESS

    return handle


def _check_version(frame: Frame, expected: int) -> None:
    if frame.version != expected:
        text = f"protocol version {frame.version}, expected {expected}"
        raise RequestError(text, StatusCode.M_UNSUPPORTED_VERSION)


def _check_type(frame: Frame, known: Collection[int]) -> None:
    if frame.type not in known:
        raise RequestError(f"message type {frame.type} is not supported", StatusCode.M_UNSUPPORTED_MESSAGE)
