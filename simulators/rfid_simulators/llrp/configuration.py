"""The reader's configuration: SET_READER_CONFIG takes effect as a whole or not at all. Pure.

Source: LLRP 1.0.1 12.2 (reader configuration), 16.2.6 (encodings). Factory values are those of an R420.
"""

import struct
from binascii import crc32
from dataclasses import dataclass, replace
from typing import NamedTuple

from rfid_simulators.llrp.events import NotificationType
from rfid_simulators.llrp.grammar import Element
from rfid_simulators.llrp.profiles import ReaderProfile
from rfid_simulators.llrp.rospec import (
    MILLISECOND,
    ReportSpec,
    ReportTrigger,
    check_antenna_configuration,
    read_report_spec,
)
from rfid_simulators.llrp.status import SUCCESS, bad_field, bad_parameter_field
from rfid_simulators.llrp.vendor import is_autonomous, link_monitor_threshold
from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.llrp.wire import tlv

_RESPONSE_ORDER = (1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11)
"""Values of RequestedData in the order of the response (LLRP 1.0.1 12.1.2)."""


@dataclass(frozen=True, slots=True)
class AntennaSettings:
    """One antenna's configuration, as encoded parameters."""

    receiver: bytes
    transmitter: bytes
    command: bytes


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that SET_READER_CONFIG can set."""

    events: frozenset[int]
    """Notification types that are switched on."""
    antennas: tuple[AntennaSettings, ...]
    """Antenna 1 comes first."""
    report: ReportSpec
    access_report_trigger: int
    keepalive_us: int
    """0 means no keepalives."""
    gpis_enabled: tuple[bool, ...]
    gpos: tuple[bool, ...]
    hold: bool
    """Hold events and reports after a new connection until the client asks for them."""
    autonomous: bool
    """Reads by itself, and for no ROSpec (Zebra)."""
    link_monitor: int
    """Unanswered keepalives after which the reader gives its client up; 0 means never (Impinj)."""


class OutputChange(NamedTuple):
    """An output that a client has switched: a stack light, a horn."""

    at: int
    """Microseconds since the world began."""
    port: int
    """Counted from 1."""
    high: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a reader senses and cannot be told: port 1 or antenna 1 comes first."""

    antennas_connected: tuple[bool, ...]
    gpis_high: tuple[bool, ...]


def factory_configuration(profile: ReaderProfile) -> Configuration:
    """Return what a reader is set to when it leaves the factory."""
    control = tlv(P.C1G2_RF_CONTROL, struct.pack("!HH", profile.factory_rf_mode, 0))
    singulation = tlv(P.C1G2_SINGULATION_CONTROL, struct.pack("!BHI", profile.factory_session << 6, 32, 0))
    settings = AntennaSettings(
        receiver=tlv(P.RF_RECEIVER, struct.pack("!H", 1)),
        transmitter=tlv(
            P.RF_TRANSMITTER, struct.pack("!HHH", profile.hopping, not profile.hopping, len(profile.powers_cdbm))
        ),
        command=tlv(P.C1G2_INVENTORY_COMMAND, b"\x00", control, singulation),
    )
    return Configuration(
        events=frozenset({NotificationType.READER_EXCEPTION, NotificationType.ANTENNA}),
        antennas=(settings,) * profile.antennas,
        report=_factory_report(),
        access_report_trigger=1,
        keepalive_us=0,
        gpis_enabled=(False,) * profile.gpis,
        gpos=(False,) * profile.gpos,
        hold=False,
        autonomous=profile.starts_autonomous,
        link_monitor=0,
    )


def _factory_report() -> ReportSpec:
    antenna_rssi_first_seen = 0x1600
    selector = tlv(
        P.TAG_REPORT_CONTENT_SELECTOR,
        antenna_rssi_first_seen.to_bytes(2, "big"),
        tlv(P.C1G2_EPC_MEMORY_SELECTOR, b"\x00"),
    )
    trigger = ReportTrigger.N_TAGS_OR_END_OF_ROSPEC
    raw = tlv(P.RO_REPORT_SPEC, struct.pack("!BH", trigger, 1), selector)
    return ReportSpec(
        trigger=trigger,
        n=1,
        content=antenna_rssi_first_seen,
        with_crc=False,
        with_pc=False,
        extensions=frozenset(),
        raw=raw,
    )


def changed(now: Configuration, request: Element, profile: ReaderProfile) -> Configuration:
    """Return the configuration after a SET_READER_CONFIG.

    Raises:
        RequestError: something in the request does not fit this reader; nothing has changed then.
    """
    result = factory_configuration(profile) if request.fields[0] & 0x80 else now
    report, access, keepalive, hold = (
        request.find(kind) for kind in (P.RO_REPORT_SPEC, P.ACCESS_REPORT_SPEC, P.KEEPALIVE_SPEC, P.EVENTS_AND_REPORTS)
    )
    return replace(
        result,
        events=_events(result.events, request.find(P.READER_EVENT_NOTIFICATION_SPEC)),
        antennas=_antennas(result.antennas, request.all(P.ANTENNA_CONFIGURATION), profile),
        report=read_report_spec(report) if report else result.report,
        access_report_trigger=access.fields[0] if access else result.access_report_trigger,
        keepalive_us=_keepalive_us(keepalive) if keepalive else result.keepalive_us,
        gpos=_ports(result.gpos, request.all(P.GPO_WRITE_DATA)),
        gpis_enabled=_ports(result.gpis_enabled, request.all(P.GPI_PORT_CURRENT_STATE)),
        hold=bool(hold.fields[0] & 0x80) if hold else result.hold,
        autonomous=is_autonomous(request, on_before=result.autonomous),
        link_monitor=link_monitor_threshold(request, result.link_monitor),
    )


def output_changes(before: Configuration, after: Configuration, at: int) -> list[OutputChange]:
    """Return what outputs were switched from one configuration to the next."""
    ports = enumerate(zip(before.gpos, after.gpos, strict=True), 1)
    return [OutputChange(at, port, high) for port, (was_high, high) in ports if was_high != high]


def _events(now: frozenset[int], spec: Element | None) -> frozenset[int]:
    on = set(now)
    for state in spec.children if spec else ():
        kind = state.uint(0, 2)
        if kind > max(NotificationType):
            raise bad_parameter_field(
                f"EventType is {kind}, expected 0 to 8",
                (P.READER_EVENT_NOTIFICATION_SPEC, P.EVENT_NOTIFICATION_STATE),
                0,
            )
        (on.add if state.fields[2] & 0x80 else on.discard)(kind)
    return frozenset(on)


def _antennas(
    now: tuple[AntennaSettings, ...], elements: list[Element], profile: ReaderProfile
) -> tuple[AntennaSettings, ...]:
    settings = list(now)
    for element in elements:
        check_antenna_configuration(element, profile)
        wanted = element.uint(0, 2)
        for index in range(profile.antennas) if wanted == 0 else [wanted - 1]:
            settings[index] = _merged(settings[index], element)
    return tuple(settings)


def _merged(now: AntennaSettings, element: Element) -> AntennaSettings:
    receiver, transmitter, command = (
        element.find(kind) for kind in (P.RF_RECEIVER, P.RF_TRANSMITTER, P.C1G2_INVENTORY_COMMAND)
    )
    return AntennaSettings(
        receiver=receiver.raw if receiver else now.receiver,
        transmitter=transmitter.raw if transmitter else now.transmitter,
        command=command.raw if command else now.command,
    )


def _keepalive_us(spec: Element) -> int:
    trigger, period_ms = spec.fields[0], spec.uint(1, 4)
    if trigger > 1:
        raise bad_parameter_field(f"KeepaliveTriggerType is {trigger}, expected 0 or 1", (P.KEEPALIVE_SPEC,), 0)
    if trigger == 1 and period_ms == 0:
        raise bad_parameter_field("PeriodicTriggerValue is 0, expected milliseconds", (P.KEEPALIVE_SPEC,), 1)
    return period_ms * MILLISECOND if trigger else 0


def _ports(now: tuple[bool, ...], elements: list[Element]) -> tuple[bool, ...]:
    ports = list(now)
    for element in elements:
        port = element.uint(0, 2)
        if not 1 <= port <= len(ports):
            raise bad_parameter_field(f"port is {port}, expected 1 to {len(ports)}", (element.type,), 0)
        ports[port - 1] = bool(element.fields[2] & 0x80)
    return tuple(ports)


def encode_configuration(now: Configuration, around: Surroundings, profile: ReaderProfile, request: Element) -> bytes:
    """Encode the body of a GET_READER_CONFIG_RESPONSE.

    Raises:
        RequestError: the request asks for a group, an antenna or a port that there is not.
    """
    antenna, requested, gpi, gpo = (request.uint(at, size) for at, size in ((0, 2), (2, 1), (3, 2), (5, 2)))
    limits = ((0, antenna, len(now.antennas)), (1, requested, 11), (2, gpi, len(now.gpis_enabled)))
    for field, value, most in (*limits, (3, gpo, len(now.gpos))):
        if value > most:
            raise bad_field(f"field {field} is {value}, expected 0 to {most}", field)
    groups = {
        1: [tlv(P.IDENTIFICATION, b"\x00\x00\x08", profile.identity)],
        2: [
            tlv(P.ANTENNA_PROPERTIES, struct.pack("!BHh", on << 7, at, 0))
            for at, on in enumerate(around.antennas_connected, 1)
        ],
        **_settings(now),
        7: [tlv(P.LLRP_CONFIGURATION_STATE_VALUE, state_value(now).to_bytes(4, "big"))],
        9: [_gpi_state(now, around, port) for port in range(1, len(now.gpis_enabled) + 1)],
    }
    which = {2: antenna, 3: antenna, 9: gpi, 10: gpo}
    wanted = _RESPONSE_ORDER if requested == 0 else (requested,)
    return SUCCESS + b"".join(_picked(groups[group], which.get(group, 0)) for group in wanted)


def state_value(now: Configuration) -> int:
    """Return the LLRPConfigurationStateValue: it changes whenever the configuration does (LLRP 1.0.1 12.2.1.1)."""
    return crc32(b"".join(b"".join(parameters) for parameters in _settings(now).values()))


def _settings(now: Configuration) -> dict[int, list[bytes]]:
    """Encode all that a client can set, by RequestedData."""
    keepalive = struct.pack("!BI", bool(now.keepalive_us), now.keepalive_us // MILLISECOND)
    return {
        3: [_antenna_configuration(at, one) for at, one in enumerate(now.antennas, 1)],
        4: [now.report.raw],
        5: [_event_spec(now)],
        6: [tlv(P.ACCESS_REPORT_SPEC, bytes((now.access_report_trigger,)))],
        8: [tlv(P.KEEPALIVE_SPEC, keepalive)],
        10: [tlv(P.GPO_WRITE_DATA, struct.pack("!HB", port, on << 7)) for port, on in enumerate(now.gpos, 1)],
        11: [tlv(P.EVENTS_AND_REPORTS, bytes((now.hold << 7,)))],
    }


def _picked(parameters: list[bytes], number: int) -> bytes:
    """Choose one parameter by its number from 1, or all by 0."""
    return parameters[number - 1] if number else b"".join(parameters)


def _antenna_configuration(antenna: int, settings: AntennaSettings) -> bytes:
    return tlv(
        P.ANTENNA_CONFIGURATION, antenna.to_bytes(2, "big"), settings.receiver, settings.transmitter, settings.command
    )


def _event_spec(now: Configuration) -> bytes:
    return tlv(
        P.READER_EVENT_NOTIFICATION_SPEC,
        *(
            tlv(P.EVENT_NOTIFICATION_STATE, struct.pack("!HB", kind, (kind in now.events) << 7))
            for kind in NotificationType
        ),
    )


def _gpi_state(now: Configuration, around: Surroundings, port: int) -> bytes:
    enabled, high = now.gpis_enabled[port - 1], around.gpis_high[port - 1]
    return tlv(P.GPI_PORT_CURRENT_STATE, struct.pack("!HBB", port, enabled << 7, enabled and high))
