"""ROSpecs: what a client asks the reader to do, checked against what the reader can do. Pure.

Source: LLRP 1.0.1 10.2 (reader operation), 13.2.1 (report specs), 15.2.1 (C1G2 inventory commands).
"""

from dataclasses import dataclass
from enum import IntEnum

from rfid_simulators.llrp.grammar import Element
from rfid_simulators.llrp.profiles import ReaderProfile
from rfid_simulators.llrp.status import RequestError, StatusCode, bad_parameter_field
from rfid_simulators.llrp.vendor import report_extensions
from rfid_simulators.llrp.wire import ParameterType as P

MILLISECOND = 1000
AISPEC_STOP_DURATION = 1
AISPEC_STOP_OBSERVATIONS = 3


class StartTrigger(IntEnum):
    """ROSpecStartTriggerType (LLRP 1.0.1 10.2.1.1.1)."""

    NULL = 0
    IMMEDIATE = 1
    PERIODIC = 2
    GPI = 3


class ReportTrigger(IntEnum):
    """ROReportTriggerType (LLRP 1.0.1 13.2.1)."""

    NONE = 0
    N_TAGS_OR_END_OF_AISPEC = 1
    N_TAGS_OR_END_OF_ROSPEC = 2


class RoSpecState(IntEnum):
    """CurrentState of a ROSpec (LLRP 1.0.1 10.2.1)."""

    DISABLED = 0
    INACTIVE = 1
    ACTIVE = 2


@dataclass(frozen=True, slots=True)
class GpiTrigger:
    """An input that starts or stops something; `timeout_us` 0 means none."""

    port: int
    high: bool
    timeout_us: int


@dataclass(frozen=True, slots=True)
class PeriodicTrigger:
    """When a ROSpec starts by itself; microseconds. `utc` None counts from when the ROSpec came in."""

    offset_us: int
    period_us: int
    utc: int | None


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """When tag reports are sent and what they hold."""

    trigger: ReportTrigger
    n: int
    """TagReportData parameters that make a report; 0 for none."""
    content: int
    """The 16 bits of TagReportContentSelector, EnableROSpecID first."""
    with_crc: bool
    with_pc: bool
    extensions: frozenset[int]
    """Subtypes of Impinj parameters to add to each tag."""
    raw: bytes


@dataclass(frozen=True, slots=True)
class AiSpec:
    """One antenna inventory operation; whatever comes first of its stop triggers ends it."""

    antennas: frozenset[int]
    """Empty means all."""
    duration_us: int
    """0 means no limit."""
    observations: int
    """Tag observations that end it; 0 means no limit."""
    stop_gpi: GpiTrigger | None
    inventory_parameter_spec_id: int
    configurations: tuple[Element, ...]
    """AntennaConfiguration parameters."""


@dataclass(frozen=True, slots=True)
class RoSpec:
    """A checked ROSpec."""

    rospec_id: int
    start: StartTrigger
    periodic: PeriodicTrigger | None
    start_gpi: GpiTrigger | None
    duration_us: int
    """0 means no limit."""
    stop_gpi: GpiTrigger | None
    ai_specs: tuple[AiSpec, ...]
    report: ReportSpec | None
    """None takes the reader's own."""
    raw: bytes

    def encoded(self, state: RoSpecState) -> bytes:
        """Return the ROSpec parameter as it came, with its present state (byte 9)."""
        return self.raw[:9] + bytes((state,)) + self.raw[10:]


def read_rospec(element: Element, profile: ReaderProfile) -> RoSpec:
    """Check a ROSpec parameter that came in ADD_ROSPEC.

    Raises:
        RequestError: with the path to the parameter and the number of the field that is wrong.
    """
    path = (P.ROSPEC,)
    rospec_id = element.uint(0, 4)
    if rospec_id == 0:
        raise bad_parameter_field("ROSpecID is 0, expected 1 or more", path, 0, StatusCode.A_INVALID)
    if element.fields[5] != RoSpecState.DISABLED:
        raise bad_parameter_field("CurrentState must be Disabled in ADD_ROSPEC", path, 2, StatusCode.A_INVALID)
    if element.find(P.RF_SURVEY_SPEC):
        raise RequestError(
            "this reader does no RF survey", StatusCode.P_UNSUPPORTED_PARAMETER, (P.ROSPEC, P.RF_SURVEY_SPEC)
        )
    ai_specs = element.all(P.AISPEC)
    if not 1 <= len(ai_specs) <= profile.max_specs_per_rospec:
        code = StatusCode.P_OVERFLOW_PARAMETER if ai_specs else StatusCode.P_MISSING_PARAMETER
        raise RequestError(f"{len(ai_specs)} AISpecs, expected 1 to {profile.max_specs_per_rospec}", code, path)
    boundary = element.one(P.RO_BOUNDARY_SPEC)
    start, stop = boundary.one(P.ROSPEC_START_TRIGGER), boundary.one(P.ROSPEC_STOP_TRIGGER)
    stop_gpi = _gpi(stop, profile, (*path, P.RO_BOUNDARY_SPEC, P.ROSPEC_STOP_TRIGGER))
    report = element.find(P.RO_REPORT_SPEC)
    return RoSpec(
        rospec_id=rospec_id,
        start=_start_type(start),
        periodic=_periodic(start, profile),
        start_gpi=_gpi(start, profile, (*path, P.RO_BOUNDARY_SPEC, P.ROSPEC_START_TRIGGER)),
        duration_us=_rospec_duration(stop) or _timeout(stop_gpi),
        stop_gpi=stop_gpi,
        ai_specs=tuple(_ai_spec(one, profile) for one in ai_specs),
        report=None if report is None else read_report_spec(report, path),
        raw=element.raw,
    )


def read_report_spec(element: Element, path: tuple[int, ...] = ()) -> ReportSpec:
    """Check a ROReportSpec that came within `path`.

    Raises:
        RequestError: the trigger is none of LLRP 1.0.1's; those based on time came with LLRP 1.1.
    """
    trigger = element.fields[0]
    if trigger > max(ReportTrigger):
        raise bad_parameter_field(f"ROReportTrigger is {trigger}, expected 0 to 2", (*path, P.RO_REPORT_SPEC), 0)
    selector = element.one(P.TAG_REPORT_CONTENT_SELECTOR)
    memory = selector.find(P.C1G2_EPC_MEMORY_SELECTOR)
    bits = 0 if memory is None else memory.fields[0]
    return ReportSpec(
        trigger=ReportTrigger(trigger),
        n=element.uint(1, 2),
        content=selector.uint(0, 2),
        with_crc=bool(bits & 0x80),
        with_pc=bool(bits & 0x40),
        extensions=report_extensions(element),
        raw=element.raw,
    )


def check_antenna_configuration(element: Element, profile: ReaderProfile, path: tuple[int, ...] = ()) -> None:
    """Check an AntennaConfiguration against the reader's tables.

    Raises:
        RequestError: antenna, power, hop table, channel, sensitivity or mode is not in the reader's tables.
    """
    path = (*path, P.ANTENNA_CONFIGURATION)
    _check_range("AntennaID", element.uint(0, 2), 0, profile.antennas, path, 0)
    receiver, transmitter = element.find(P.RF_RECEIVER), element.find(P.RF_TRANSMITTER)
    if receiver:
        highest = len(profile.sensitivities_db)
        _check_range("ReceiverSensitivity", receiver.uint(0, 2), 0, highest, (*path, P.RF_RECEIVER), 0)
    if transmitter:
        _check_transmitter(transmitter, profile, (*path, P.RF_TRANSMITTER))
    modes = {mode.mode_identifier for mode in profile.rf_modes}
    for command in element.all(P.C1G2_INVENTORY_COMMAND):
        control = command.find(P.C1G2_RF_CONTROL)
        for one in command.all(P.C1G2_FILTER):
            _check_filter(one, (*path, P.C1G2_INVENTORY_COMMAND, P.C1G2_FILTER))
        if len(command.all(P.C1G2_FILTER)) > profile.max_filters:
            text = f"{len(command.all(P.C1G2_FILTER))} filters, expected at most {profile.max_filters}"
            raise RequestError(text, StatusCode.P_OVERFLOW_PARAMETER, (*path, P.C1G2_INVENTORY_COMMAND))
        if control and control.uint(0, 2) not in modes:
            text = f"ModeIndex is {control.uint(0, 2)}, expected one of {sorted(modes)}"
            raise bad_parameter_field(text, (*path, P.C1G2_INVENTORY_COMMAND, P.C1G2_RF_CONTROL), 0)


def _check_filter(element: Element, path: tuple[int, ...]) -> None:
    action = element.find(P.C1G2_STATE_UNAWARE_FILTER_ACTION)
    if action:
        _check_range("Action", action.fields[0], 0, 5, (*path, P.C1G2_STATE_UNAWARE_FILTER_ACTION), 0)


def _check_transmitter(transmitter: Element, profile: ReaderProfile, path: tuple[int, ...]) -> None:
    if profile.hopping:
        _check_range("HopTableID", transmitter.uint(0, 2), 1, 1, path, 0)
    else:
        _check_range("ChannelIndex", transmitter.uint(2, 2), 1, len(profile.frequencies_khz), path, 1)
    _check_range("TransmitPower", transmitter.uint(4, 2), 1, len(profile.powers_cdbm), path, 2)


def _check_range(name: str, value: int, least: int, most: int, path: tuple[int, ...], field: int) -> None:
    if not least <= value <= most:
        raise bad_parameter_field(f"{name} is {value}, expected {least} to {most}", path, field)


def _start_type(element: Element) -> StartTrigger:
    kind = element.fields[0]
    path = (P.ROSPEC, P.RO_BOUNDARY_SPEC, P.ROSPEC_START_TRIGGER)
    _check_range("ROSpecStartTriggerType", kind, 0, max(StartTrigger), path, 0)
    needed = {StartTrigger.PERIODIC: P.PERIODIC_TRIGGER_VALUE, StartTrigger.GPI: P.GPI_TRIGGER_VALUE}.get(
        StartTrigger(kind)
    )
    if needed and element.find(needed) is None:
        text = f"start trigger {kind} lacks parameter {needed}"
        raise RequestError(text, StatusCode.P_MISSING_PARAMETER, path)
    return StartTrigger(kind)


def _periodic(start: Element, profile: ReaderProfile) -> PeriodicTrigger | None:
    element = start.find(P.PERIODIC_TRIGGER_VALUE)
    if element is None:
        return None
    utc = element.find(P.UTC_TIMESTAMP)
    if utc and not profile.has_utc_clock:
        text = "this reader has no UTC clock"
        raise RequestError(
            text,
            StatusCode.P_UNSUPPORTED_PARAMETER,
            (P.ROSPEC, P.RO_BOUNDARY_SPEC, P.ROSPEC_START_TRIGGER, P.PERIODIC_TRIGGER_VALUE, P.UTC_TIMESTAMP),
        )
    return PeriodicTrigger(
        element.uint(0, 4) * MILLISECOND, element.uint(4, 4) * MILLISECOND, utc.uint(0, 8) if utc else None
    )


def _gpi(parent: Element, profile: ReaderProfile, path: tuple[int, ...]) -> GpiTrigger | None:
    element = parent.find(P.GPI_TRIGGER_VALUE)
    if element is None:
        return None
    _check_range("GPIPortNum", element.uint(0, 2), 1, profile.gpis, (*path, P.GPI_TRIGGER_VALUE), 0)
    return GpiTrigger(element.uint(0, 2), bool(element.fields[2] & 0x80), element.uint(3, 4) * MILLISECOND)


def _timeout(trigger: GpiTrigger | None) -> int:
    return trigger.timeout_us if trigger else 0


def _rospec_duration(stop: Element) -> int:
    kind, path = stop.fields[0], (P.ROSPEC, P.RO_BOUNDARY_SPEC, P.ROSPEC_STOP_TRIGGER)
    _check_range("ROSpecStopTriggerType", kind, 0, 2, path, 0)
    if kind != 1:
        return 0
    _check_range("DurationTriggerValue", stop.uint(1, 4), 1, 0xFFFFFFFF, path, 1)
    return stop.uint(1, 4) * MILLISECOND


def _ai_spec(element: Element, profile: ReaderProfile) -> AiSpec:
    path = (P.ROSPEC, P.AISPEC)
    antennas = {element.uint(at, 2) for at in range(2, len(element.fields), 2)}
    for antenna in antennas:
        _check_range("AntennaID", antenna, 0, profile.antennas, path, 0)
    inventory = element.all(P.INVENTORY_PARAMETER_SPEC)
    if len(inventory) > 1:
        raise RequestError("more than 1 InventoryParameterSpec", StatusCode.P_OVERFLOW_PARAMETER, path)
    for configuration in inventory[0].all(P.ANTENNA_CONFIGURATION):
        check_antenna_configuration(configuration, profile, (*path, P.INVENTORY_PARAMETER_SPEC))
    stop = element.one(P.AISPEC_STOP_TRIGGER)
    duration_us, observations = _aispec_limits(stop)
    stop_gpi = _gpi(stop, profile, (*path, P.AISPEC_STOP_TRIGGER))
    return AiSpec(
        antennas=frozenset() if 0 in antennas else frozenset(antennas),
        duration_us=duration_us or _timeout(stop_gpi),
        observations=observations,
        stop_gpi=stop_gpi,
        inventory_parameter_spec_id=inventory[0].uint(0, 2),
        configurations=tuple(inventory[0].all(P.ANTENNA_CONFIGURATION)),
    )


def _aispec_limits(stop: Element) -> tuple[int, int]:
    """Return the time limit in microseconds and the number of observations; 0 means none."""
    kind, path = stop.fields[0], (P.ROSPEC, P.AISPEC, P.AISPEC_STOP_TRIGGER)
    _check_range("AISpecStopTriggerType", kind, 0, AISPEC_STOP_OBSERVATIONS, path, 0)
    if kind == AISPEC_STOP_DURATION:
        _check_range("DurationTrigger", stop.uint(1, 4), 1, 0xFFFFFFFF, path, 1)
        return stop.uint(1, 4) * MILLISECOND, 0
    trigger = stop.find(P.TAG_OBSERVATION_TRIGGER)
    if kind != AISPEC_STOP_OBSERVATIONS:
        return 0, 0
    if trigger is None:
        raise RequestError("lacks TagObservationTrigger", StatusCode.P_MISSING_PARAMETER, path)
    _check_range("TriggerType", trigger.fields[0], 0, 0, (*path, P.TAG_OBSERVATION_TRIGGER), 0)
    return trigger.uint(8, 4) * MILLISECOND, trigger.uint(2, 2)
