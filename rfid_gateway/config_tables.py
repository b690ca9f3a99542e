"""The tables of `gateway.toml` as frozen types, and the configuration that they make together.

`config/gateway.toml` is the annotated reference. Times in the file are seconds, powers dBm; inside the gateway they
become integer microseconds.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rfid_gateway.driver import DriverOptions, DriverType
from rfid_gateway.events.vocabulary import EventType
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.observe.rules import DoorRules, ZoneRules
from rfid_gateway.outputs import Occasion, OutputRule

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Site, gateway, reader, zone and door names: they become MQTT topic levels."""
Uri = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$")]
"""RFC 3986: no blanks and no umlauts, or GS1's schema refuses the event."""
Antennas = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Occasions = Annotated[frozenset[Annotated[Occasion, Field(strict=False)]], Field(strict=False, min_length=1)]
CommandNames = Annotated[tuple[str, ...], Field(strict=False)]
Level = Literal["low", "high"]
CompanyPrefix = Annotated[str, Field(pattern=r"^[0-9]{6,12}$")]
Words = Annotated[tuple[str, ...], Field(strict=False)]
Event = Literal["object", "aggregation", "association", "transaction"]
_EVENT_TYPES: dict[Event, EventType] = {
    "object": "ObjectEvent",
    "aggregation": "AggregationEvent",
    "association": "AssociationEvent",
    "transaction": "TransactionEvent",
}


class Table(BaseModel):
    """One table: frozen, unknown keys and wrong types refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class PersistentDispositionTable(Table):
    """`persistent_disposition = { set = [...], unset = [...] }`."""

    set: Words = Field(default=(), description="CBV dispositions that hold from now on")
    unset: Words = Field(default=(), description="CBV dispositions that hold no longer")


class Step(Table):
    """What an observation means to the business: one CBV step and disposition, and the type of event."""

    biz_step: str = Field(description="CBV business step, such as loading, or a URI of your own")
    disposition: str | None = Field(default=None, description="CBV disposition, such as in_progress")
    biz_location: Uri | None = Field(default=None, description="EPCIS bizLocation; left out for goods in transit")
    event: Event = Field(default="object", description="type of the EPCIS event")
    parent: Uri | None = Field(default=None, description="with association: what the units are tied to at this place")
    persistent_disposition: PersistentDispositionTable | None = Field(
        default=None, description="with object: dispositions that hold until they are unset"
    )

    @property
    def event_type(self) -> EventType:
        """The type of event as EPCIS names it."""
        return _EVENT_TYPES[self.event]


class GatewayTable(Table):
    """`[gateway]`."""

    site: Name = Field(description="name of the site, a topic level")
    id: Name = Field(description="name of this gateway, unique in the site")
    state_dir: str = Field(default="/var/lib/rfid-gateway", description="folder of the database")
    time_zone: str = Field(default="UTC", description="IANA name; gives events their local offset")
    gln: Annotated[str, Field(pattern=r"^[0-9]{13}$")] | None = Field(
        default=None, description="GLN of the party that numbers the despatch advices and orders"
    )
    company_prefixes: Annotated[tuple[CompanyPrefix, ...], Field(strict=False)] = Field(
        default=(), description="GS1 company prefixes of the parent units, which thereby get EPC URNs"
    )
    queue_reads: int = Field(default=200_000, ge=1000, description="tag reads that may wait before detail is merged")


class Reader(BaseModel):
    """One `[[readers]]` table: id, driver, and whatever the driver's options are."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    id: Name
    driver: str


class Zone(Table):
    """One `[[zones]]` table."""

    id: Name
    antennas: Antennas = Field(description='"reader:antenna", or "reader" for all antennas of a reader')
    read_point: Uri = Field(description="EPCIS readPoint")
    flow: Name = Field(default="goods", description="flow of goods; the steps of one flow must not exclude each other")
    arrived: Step | None = Field(default=None, description="event when a tag arrives or moves in")
    departed: Step | None = Field(default=None, description="event when a tag departs; none by default")
    min_reads: int = Field(default=2, ge=1)
    min_rssi_dbm: float | None = Field(default=None, le=0)
    depart_after_s: float = Field(default=30.0, gt=0)
    hysteresis_db: float = Field(default=6.0, ge=0)

    @property
    def rules(self) -> ZoneRules:
        """The zone as observation knows it; ValueError where its settings contradict each other."""
        return ZoneRules(
            zone=self.id,
            antennas=frozenset(map(antenna_of, self.antennas)),
            min_reads=self.min_reads,
            min_rssi=self.min_rssi_dbm,
            depart_after=_us(self.depart_after_s),
            hysteresis_db=self.hysteresis_db,
        )


class Door(Table):
    """One `[[doors]]` table."""

    id: Name
    inside: Antennas = Field(default=(), description="antennas of the inside")
    outside: Antennas = Field(default=(), description="antennas of the outside")
    antennas: Antennas = Field(default=(), description="all antennas of a door whose photo-eyes tell the direction")
    photo_eyes: Annotated[tuple[str, ...], Field(strict=False, max_length=2)] = Field(
        default=(), description='"reader:input"; the inside one first, or one alone'
    )
    photo_eye_active: Level = Field(default="low", description="level of the input while the beam is interrupted")
    read_point: Uri
    flow: Name = Field(default="goods", description="flow of goods; the steps of one flow must not exclude each other")
    into: Step | None = Field(default=None, alias="in", description="event when a tag comes in")
    out: Step | None = Field(default=None, description="event when a tag goes out")
    rssi_floor_dbm: float = Field(default=-75.0, le=0)
    quiet_s: float = Field(default=2.0, gt=0)
    cap_s: float = Field(default=15.0, gt=0)
    min_confidence: float = Field(default=0.9, ge=0.5, lt=1)

    @property
    def rules(self) -> DoorRules:
        """The door as observation knows it; ValueError where its settings contradict each other."""
        return DoorRules(
            door=self.id,
            inside=frozenset(map(antenna_of, self.inside or self.antennas)),
            outside=frozenset(map(antenna_of, self.outside)),
            rssi_floor=self.rssi_floor_dbm,
            quiet=_us(self.quiet_s),
            cap=_us(self.cap_s),
            min_confidence=self.min_confidence,
            photo_eyes=tuple(map(port_of, self.photo_eyes)),
            photo_eye_active_high=self.photo_eye_active == "high",
        )

    @property
    def readers(self) -> frozenset[str]:
        """Readers whose antennas or inputs are at this door."""
        rules = self.rules
        return frozenset(reader_id for reader_id, _ in (*rules.inside, *rules.outside, *rules.photo_eyes))


class Output(Table):
    """One `[[outputs]]` table: a light or a horn."""

    reader: Name = Field(description="reader that the output belongs to")
    port: int = Field(ge=1, description="output (LLRP GPO), counted from 1")
    on: Occasions = Field(description="what switches it on")
    door: Name | None = Field(default=None, description="only for what happens at this door; at all if left out")
    seconds: float = Field(default=3.0, gt=0, description="how long it stays on")

    @property
    def rule(self) -> OutputRule:
        """The table as the outputs' owner knows it."""
        return OutputRule(self.reader, self.port, self.on, self.door, _us(self.seconds))


class AlertsTable(Table):
    """`[alerts]`."""

    reader_down_after_s: float = Field(default=30.0, ge=0, description="a reader may be away so long without an alert")


class ShipmentsTable(Table):
    """`[shipments]`: tags that no entry of the directory knows yet."""

    hold_unknown_days: float = Field(default=7.0, gt=0, description="how long a tag waits for its entry")
    hold_unknown_max: int = Field(default=100_000, ge=0, description="how many observations wait at most")


class CommandClient(Table):
    """One `[[commands.clients]]` table."""

    name: Name = Field(description="who that is, for the log")
    token_file: str = Field(min_length=1, description="file whose first line is the client's secret")
    allow: CommandNames = Field(description="commands that this client may give")


class CommandsTable(Table):
    """`[commands]`: who may give which command over MQTT."""

    allow: CommandNames = Field(
        default=("status",), description="commands for whoever may publish on their topics at the broker"
    )
    per_minute: int = Field(default=60, ge=1, le=6000, description="commands and batches that are answered at most")
    clients: tuple[CommandClient, ...] = Field(default=(), strict=False)


class LoadsTable(Table):
    """`[loads]`: when a load is closed by itself."""

    close_after_departure_s: float = Field(
        default=3600.0, ge=0, description="closed so long after its planned departure, and what was not seen is missing"
    )
    close_complete_after_s: float = Field(
        default=300.0, ge=0, description="closed when it has been complete and unchanged for so long"
    )


class DiskTable(Table):
    """`[disk]`: room for the database."""

    ballast_mb: int = Field(default=16, ge=0, description="kept free for recovery from a full disk; 0 for none")
    low_mb: int = Field(default=1024, ge=0, description="less free space than this is an alert")
    max_database_mb: int = Field(default=0, ge=0, description="the database never grows beyond; 0 for the whole disk")


class HistoryTable(Table):
    """`[history]`: events that the broker has acknowledged."""

    keep_days: float = Field(default=90.0, gt=0, description="how long they stay")
    max_size_mb: int = Field(default=0, ge=0, description="the oldest go earlier where tables are larger; 0 for never")


class LogTable(Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="events of this level and above are logged; run's --log-level goes first"
    )


def _is_address(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        raise ValueError("expected an IP address of this PC, such as 127.0.0.1, or 0.0.0.0 for all") from None
    return text


class WebTable(Table):
    """`[web]`: the HTTP server; without the table there is none."""

    address: Annotated[str, AfterValidator(_is_address)] = Field(
        default="127.0.0.1", description="IP address to listen on; 0.0.0.0 or :: for all of this PC"
    )
    port: int = Field(default=8684, ge=1, le=65535, description="TCP port to listen on")


class Document(Table):
    """The whole file."""

    gateway: GatewayTable
    mqtt: MqttSettings
    readers: tuple[Reader, ...] = Field(strict=False, min_length=1)
    zones: tuple[Zone, ...] = Field(default=(), strict=False)
    doors: tuple[Door, ...] = Field(default=(), strict=False)
    outputs: tuple[Output, ...] = Field(default=(), strict=False)
    alerts: AlertsTable = AlertsTable()
    shipments: ShipmentsTable = ShipmentsTable()
    commands: CommandsTable = CommandsTable()
    loads: LoadsTable = LoadsTable()
    disk: DiskTable = DiskTable()
    history: HistoryTable = HistoryTable()
    log: LogTable = LogTable()
    web: WebTable | None = None


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """A reader with its driver found and its options checked."""

    id: str
    driver_name: str
    driver: DriverType
    options: DriverOptions


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that can be run as it is."""

    gateway: GatewayTable
    mqtt: MqttSettings
    readers: tuple[ReaderConfig, ...]
    zones: tuple[Zone, ...]
    doors: tuple[Door, ...]
    outputs: tuple[Output, ...]
    alerts: AlertsTable
    shipments: ShipmentsTable
    commands: CommandsTable
    loads: LoadsTable
    disk: DiskTable
    history: HistoryTable
    log: LogTable
    web: WebTable | None

    @property
    def database(self) -> Path:
        """The database's path."""
        return Path(self.gateway.state_dir) / "gateway.db"

    @property
    def zone_info(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.gateway.time_zone)


def antenna_of(text: str) -> tuple[str, int]:
    """Split `"dock-1:2"` into reader and antenna; antenna 0 means all antennas of the reader.

    Raises:
        ValueError: the text is neither `reader` nor `reader:antenna`.
    """
    reader_id, colon, antenna = text.partition(":")
    if not colon:
        return reader_id, 0
    if not antenna.isdecimal() or int(antenna) < 1:
        raise ValueError(f"{text!r}: expected reader:antenna with the antenna counted from 1, such as dock-1:2")
    return reader_id, int(antenna)


def port_of(text: str) -> tuple[str, int]:
    """Split `"dock-1:2"` into reader and input port.

    Raises:
        ValueError: the text is not `reader:port`.
    """
    reader_id, _, port = text.partition(":")
    if not port.isdecimal() or int(port) < 1:
        raise ValueError(f"{text!r}: expected reader:input with the input counted from 1, such as dock-1:2")
    return reader_id, int(port)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
