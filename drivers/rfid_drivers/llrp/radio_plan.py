"""From what is configured to what one reader is asked for, antenna by antenna. Pure.

What is configured but against the reader's own tables is an error before anything is sent. What is not configured is
not asked for; where it shares a parameter with something that is, the reader's own value is written back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rfid_drivers.llrp.capabilities import Capabilities, check_mode, check_tari, power_index, sensitivity_index
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.profiles import CONTENTS, Content, Profile, Quirk
from rfid_drivers.llrp.radio_options import RadioOptions, TagFilter
from rfid_drivers.llrp.reader_config import AntennaState, ReaderConfig
from rfid_gateway.driver import ReaderError

ANTENNA_POWERS = "antenna_settings.tx_power_dbm"
"""Name of the setting that gives single antennas a power of their own."""
_DEPENDS_ON = {"tari_ns": "mode_index", "impinj_search_mode": "session"}
"""A Tari fits one mode, and TagFocus one session."""
_DEFAULT_POPULATION = 32
_UNKNOWN = AntennaState()
_SEARCH_MODES = {"reader_selected": 0, "single_target": 1, "dual_target": 2, "tag_focus": 3}
"""Impinj's InventorySearchMode; TagFocus is single target with suppression."""


@dataclass(frozen=True, slots=True)
class Transmitter:
    """RFTransmitter (LLRP 1.0.1 section 16.2.6.8)."""

    hop_table_id: int
    channel_index: int
    power_index: int


@dataclass(frozen=True, slots=True)
class Singulation:
    """C1G2SingulationControl (LLRP 1.0.1 section 16.3.1.2.1.3)."""

    session: int
    tag_population: int
    tag_transit_ms: int
    target: str | None


@dataclass(frozen=True, slots=True)
class AntennaPlan:
    """What one antenna is asked for; None and empty: nothing, it stays as it is."""

    sensitivity_index: int | None = None
    transmitter: Transmitter | None = None
    mode: tuple[int, int] | None = None
    """ModeIndex and Tari in nanoseconds, 0 for the reader's choice."""
    singulation: Singulation | None = None
    filters: tuple[TagFilter, ...] = ()
    search_mode: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reader is asked for."""

    antennas: tuple[tuple[int, AntennaPlan], ...]
    """By AntennaID; a single one of 0 stands for all."""
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """What is known of the reader at hand."""

    capabilities: Capabilities
    config: ReaderConfig
    profile: Profile
    extended: bool = True
    """Its extensions may be used."""


def content_setting(content: Content) -> str:
    """Name the setting that asks for that content."""
    return f"vendor_content {content}"


def unsupported(options: LlrpOptions, reader: Reader) -> dict[str, str]:
    """Name the settings that are configured and that this reader says it has not, each with the reason."""
    found = {}
    configured = _configured(options)
    if "target" in configured and not reader.capabilities.state_aware:
        found["target"] = "the reader has no state-aware singulation"
    if "impinj_search_mode" in configured and not (reader.extended and Quirk.SEARCH_MODE in reader.profile.quirks):
        found["impinj_search_mode"] = "the reader has no Impinj extensions in use"
    if "vendor_content" in options.model_fields_set:
        missing = [content for content in options.vendor_content if content not in _offered(reader)]
        found |= {content_setting(content): "the reader has nothing of the kind" for content in missing}
    return found


def droppable(options: LlrpOptions, reader: Reader) -> tuple[str, ...]:
    """List the settings that are configured and that the reader may refuse, least missed first.

    Left out are those without which more would happen than was asked for: antennas, the power for all of them,
    filters (foreign tags would come in) and triggers.
    """
    configured = _configured(options)
    contents = [content_setting(content) for content in _contents(options, reader)]
    radio = ("impinj_search_mode", "tag_population", "tari_ns", "target", "mode_index", "rx_sensitivity_db")
    named = [name for name in radio if name in configured]
    if any(own.tx_power_dbm is not None for own in options.antenna_settings.values()):
        named.append(ANTENNA_POWERS)
    if "session" in configured:
        named.append("session")
    return (*reversed(contents), *named)


def with_dependents(without: Iterable[str], settings: Iterable[str]) -> frozenset[str]:
    """Add to the settings that are left out those that make no sense without them."""
    dropped = frozenset(without)
    return dropped.union(one for one in settings if _DEPENDS_ON.get(one) in dropped)


def make_plan(options: LlrpOptions, reader: Reader, without: Iterable[str] = ()) -> Plan:
    """Work out what the reader is asked for, but for the settings named by `without`.

    Raises:
        ReaderError: the reader's tables do not have what is configured; says what they have.
    """
    dropped = frozenset(without)
    antennas = options.antennas or tuple(range(1, reader.capabilities.antennas + 1))
    plans = [(antenna, _plan_antenna(antenna, options, reader, dropped)) for antenna in antennas]
    if ANTENNA_POWERS in dropped:
        plans = _with_lowest_power(plans, options, reader)
    if all(plan == plans[0][1] for _, plan in plans):
        plans = [(0, plan) for _, plan in plans[:1] if plan != AntennaPlan()]
    contents = tuple(one for one in _contents(options, reader) if content_setting(one) not in dropped)
    return Plan(tuple(plans), contents)


def _configured(options: LlrpOptions) -> set[str]:
    radios: tuple[RadioOptions, ...] = (options, *options.antenna_settings.values())
    return {name for name in RadioOptions.model_fields for radio in radios if getattr(radio, name) is not None}


def _offered(reader: Reader) -> frozenset[Content]:
    return reader.profile.contents if reader.extended else frozenset()


def _contents(options: LlrpOptions, reader: Reader) -> tuple[Content, ...]:
    return tuple(one for one in CONTENTS if one in options.vendor_content and one in _offered(reader))


def _radio_of(antenna: int, options: LlrpOptions, without: frozenset[str]) -> RadioOptions:
    """Settings of one antenna: its own before those for all, but for those left out."""
    own = options.antenna_settings.get(antenna, RadioOptions())
    chosen = {}
    for name in RadioOptions.model_fields.keys() - without:
        special = getattr(own, name)
        chosen[name] = getattr(options, name) if special is None else special
    return RadioOptions.model_construct(**chosen)


def _plan_antenna(antenna: int, options: LlrpOptions, reader: Reader, without: frozenset[str]) -> AntennaPlan:
    radio = _radio_of(antenna, options, without)
    capabilities = reader.capabilities
    now = reader.config.antennas.get(antenna, _UNKNOWN)
    sensitivity = radio.rx_sensitivity_db
    filters = radio.filters or ()
    if capabilities.max_filters is not None and len(filters) > capabilities.max_filters:
        raise ReaderError(f"{len(filters)} filters are configured, this reader takes {capabilities.max_filters}")
    return AntennaPlan(
        sensitivity_index=None
        if sensitivity is None
        else sensitivity_index(capabilities.sensitivity_table, sensitivity),
        transmitter=_transmitter(radio.tx_power_dbm, capabilities, now),
        mode=_mode(radio, capabilities, now),
        singulation=_singulation(radio, now),
        filters=filters,
        search_mode=None if radio.impinj_search_mode is None else _SEARCH_MODES[radio.impinj_search_mode],
    )


def _transmitter(dbm: float | None, capabilities: Capabilities, now: AntennaState) -> Transmitter | None:
    if dbm is None:
        return None
    hop_table, channel = now.hop_table_id, now.channel_index
    if hop_table is None or channel is None:
        hop_table = capabilities.hop_table_id
        channel = 0 if hop_table else 1
    return Transmitter(hop_table, channel, power_index(capabilities.power_table, dbm))


def _mode(radio: RadioOptions, capabilities: Capabilities, now: AntennaState) -> tuple[int, int] | None:
    if radio.mode_index is None and radio.tari_ns is None:
        return None
    index = now.mode_index if radio.mode_index is None else radio.mode_index
    if index is None:
        raise ReaderError("tari_ns is set, but this reader does not tell its mode; set mode_index too")
    if radio.mode_index is not None:
        check_mode(capabilities.modes, index)
    if radio.tari_ns is not None:
        check_tari(capabilities.modes, index, radio.tari_ns)
        return index, radio.tari_ns
    return index, (now.tari_ns or 0) if index == now.mode_index else 0


def _singulation(radio: RadioOptions, now: AntennaState) -> Singulation | None:
    if radio.session is None and radio.tag_population is None and radio.target is None:
        return None
    return Singulation(
        session=(now.session or 0) if radio.session is None else radio.session,
        tag_population=radio.tag_population or now.tag_population or _DEFAULT_POPULATION,
        tag_transit_ms=now.tag_transit_ms or 0,
        target=radio.target,
    )


def _with_lowest_power(
    plans: list[tuple[int, AntennaPlan]], options: LlrpOptions, reader: Reader
) -> list[tuple[int, AntennaPlan]]:
    """Give all antennas the lowest power that is configured for any: less than asked is safe, more is not."""
    radios: tuple[RadioOptions, ...] = (options, *options.antenna_settings.values())
    lowest = min(radio.tx_power_dbm for radio in radios if radio.tx_power_dbm is not None)
    states = reader.config.antennas
    return [
        (antenna, replace(plan, transmitter=_transmitter(lowest, reader.capabilities, states.get(antenna, _UNKNOWN))))
        for antenna, plan in plans
    ]
