"""The configuration: what `gateway.toml` may say, as frozen types, and every mistake in it named by line and key.

`config/gateway.toml` is the annotated reference. Times in the file are seconds, powers dBm; inside the gateway they
become integer microseconds. A configuration is either whole and consistent or refused with all its mistakes at once.
"""

import difflib
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from rfid_gateway import toml_lines
from rfid_gateway.driver import DriverOptions, DriverType
from rfid_gateway.events import vocabulary
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.observe.rules import DoorRules, ZoneRules, check_together

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Site, gateway, reader, zone and door names: they become MQTT topic levels."""
Uri = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$")]
Antennas = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class ConfigError(Exception):
    """The configuration cannot be used; one message for each mistake. Ends the program with exit code 2."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class Step(_Table):
    """What an observation means to the business: one CBV step and disposition."""

    biz_step: str = Field(description="CBV business step, such as loading")
    disposition: str | None = Field(default=None, description="CBV disposition, such as in_progress")
    biz_location: Uri | None = Field(default=None, description="EPCIS bizLocation; left out for goods in transit")


class GatewayTable(_Table):
    """`[gateway]`."""

    site: Name = Field(description="name of the site, a topic level")
    id: Name = Field(description="name of this gateway, unique in the site")
    state_dir: str = Field(default="/var/lib/rfid-gateway", description="folder of the database")
    time_zone: str = Field(default="UTC", description="IANA name; gives events their local offset")
    gln: Annotated[str, Field(pattern=r"^[0-9]{13}$")] | None = Field(
        default=None, description="GLN of the party that numbers the despatch advices"
    )
    queue_reads: int = Field(default=200_000, ge=1000, description="tag reads that may wait before detail is merged")


class Reader(BaseModel):
    """One `[[readers]]` table: id, driver, and whatever the driver's options are."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    id: Name
    driver: str


class Zone(_Table):
    """One `[[zones]]` table."""

    id: Name
    antennas: Antennas = Field(description='"reader:antenna", or "reader" for all antennas of a reader')
    read_point: Uri = Field(description="EPCIS readPoint")
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


class Door(_Table):
    """One `[[doors]]` table."""

    id: Name
    inside: Antennas
    outside: Antennas
    read_point: Uri
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
            inside=frozenset(map(antenna_of, self.inside)),
            outside=frozenset(map(antenna_of, self.outside)),
            rssi_floor=self.rssi_floor_dbm,
            quiet=_us(self.quiet_s),
            cap=_us(self.cap_s),
            min_confidence=self.min_confidence,
        )


class ShipmentsTable(_Table):
    """`[shipments]`: tags that no entry of the directory knows yet."""

    hold_unknown_days: float = Field(default=7.0, gt=0, description="how long a tag waits for its entry")
    hold_unknown_max: int = Field(default=100_000, ge=0, description="how many observations wait at most")


class _Document(_Table):
    gateway: GatewayTable
    mqtt: MqttSettings
    readers: tuple[Reader, ...] = Field(strict=False, min_length=1)
    zones: tuple[Zone, ...] = Field(default=(), strict=False)
    doors: tuple[Door, ...] = Field(default=(), strict=False)
    shipments: ShipmentsTable = ShipmentsTable()


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
    shipments: ShipmentsTable

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


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def parse(text: str, name: str, drivers: Mapping[str, DriverType]) -> Config:
    """Make a configuration of a TOML text.

    Args:
        text: the file's content.
        name: the file's name, for messages.
        drivers: the drivers that are installed, by name.

    Raises:
        ConfigError: with every mistake as `name:line: key: what is wrong, what was expected`.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from error
    found = list(_mistakes_of_shape(values, drivers))
    if not found:
        document = _Document.model_validate(values)
        config = Config(
            gateway=document.gateway,
            mqtt=document.mqtt,
            readers=tuple(_with_driver(reader, drivers) for reader in document.readers),
            zones=document.zones,
            doors=document.doors,
            shipments=document.shipments,
        )
        found = list(_mistakes_of_meaning(config))
        if not found:
            return config
    lines = toml_lines.lines_of_keys(text)
    placed = sorted((toml_lines.line_of(lines, path), _dotted(path), message) for path, message in found)
    raise ConfigError([f"{name}:{line}: {key}: {message}" for line, key, message in placed])


def nearest(word: str, words: Collection[str]) -> str:
    """`, did you mean 'port'?` for a word that is close to one of the known ones, otherwise what there is."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f", did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(words))}" if words else ""


_Mistake = tuple[toml_lines.Path, str]


def _mistakes_of_shape(values: dict[str, Any], drivers: Mapping[str, DriverType]) -> Iterator[_Mistake]:
    """Unknown and missing keys and wrong types, in the fixed tables and in the options of each reader's driver."""
    try:
        document = _Document.model_validate(values)
    except ValidationError as error:
        for detail in error.errors():
            yield _explain(detail, _Document, ())
        readers = values.get("readers")
        tables = [table for table in readers if isinstance(table, dict)] if isinstance(readers, list) else []
    else:
        tables = [reader.model_dump() for reader in document.readers]
    for index, table in enumerate(tables):
        driver = table.get("driver")
        if not isinstance(driver, str):
            continue
        if driver not in drivers:
            yield ("readers", index, "driver"), f"unknown driver {driver!r}{nearest(driver, drivers)}"
            continue
        options = {key: value for key, value in table.items() if key not in Reader.model_fields}
        try:
            drivers[driver].Options.model_validate(options)
        except ValidationError as error:
            for detail in error.errors():
                yield _explain(detail, drivers[driver].Options, ("readers", index))


def _with_driver(reader: Reader, drivers: Mapping[str, DriverType]) -> ReaderConfig:
    driver = drivers[reader.driver]
    options = driver.Options.model_validate(reader.model_extra or {})
    return ReaderConfig(reader.id, reader.driver, driver, options)


def _mistakes_of_meaning(config: Config) -> Iterator[_Mistake]:
    """What each table alone cannot know: names used twice, antennas of no reader, steps that CBV does not know."""
    names = [reader.id for reader in config.readers]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("readers", index, "id"), f"{name!r} is used twice; every reader needs its own"
    if config.gateway.time_zone not in available_timezones():
        hint = nearest(config.gateway.time_zone, available_timezones())[:60]
        yield ("gateway", "time_zone"), f"{config.gateway.time_zone!r} is no IANA time zone{hint}"
    if not config.zones and not config.doors:
        yield (), "neither [[zones]] nor [[doors]]: tag reads would lead to nothing"
    antennas = list(_mistakes_of_antennas(config))
    yield from antennas or _mistakes_of_rules(config)
    yield from _mistakes_of_steps(config)


def _mistakes_of_antennas(config: Config) -> Iterator[_Mistake]:
    readers = {reader.id for reader in config.readers}
    places: list[tuple[toml_lines.Path, tuple[str, ...]]] = [
        *((("zones", index, "antennas"), zone.antennas) for index, zone in enumerate(config.zones)),
        *((("doors", index, "inside"), door.inside) for index, door in enumerate(config.doors)),
        *((("doors", index, "outside"), door.outside) for index, door in enumerate(config.doors)),
    ]
    for path, antennas in places:
        for text in antennas:
            try:
                reader_id, _ = antenna_of(text)
            except ValueError as error:
                yield path, str(error)
                continue
            if reader_id not in readers:
                yield path, f"{text!r}: no reader {reader_id!r}{nearest(reader_id, readers)}"
        doubled = [text for text, count in Counter(antennas).items() if count > 1]
        if doubled:
            yield path, f"{doubled[0]!r} stands there twice"


def _mistakes_of_rules(config: Config) -> Iterator[_Mistake]:
    """What observation itself refuses: settings of one place or of two that contradict each other."""
    places: list[tuple[str, int, Zone | Door]] = [
        *(("zones", index, zone) for index, zone in enumerate(config.zones)),
        *(("doors", index, door) for index, door in enumerate(config.doors)),
    ]
    zones: tuple[ZoneRules, ...] = ()
    doors: tuple[DoorRules, ...] = ()
    for table, index, place in places:
        try:
            rules = place.rules
            if isinstance(rules, ZoneRules):
                zones += (rules,)
            else:
                doors += (rules,)
            check_together(zones, doors)
        except ValueError as error:
            yield (table, index), str(error)
            return


def _mistakes_of_steps(config: Config) -> Iterator[_Mistake]:
    steps: list[tuple[toml_lines.Path, Step | None]] = [
        *((("zones", index, "arrived"), zone.arrived) for index, zone in enumerate(config.zones)),
        *((("zones", index, "departed"), zone.departed) for index, zone in enumerate(config.zones)),
        *((("doors", index, "in"), door.into) for index, door in enumerate(config.doors)),
        *((("doors", index, "out"), door.out) for index, door in enumerate(config.doors)),
    ]
    used: list[str] = []
    for path, step in steps:
        if step is None:
            continue
        used.append(step.biz_step)
        if step.biz_step not in vocabulary.BIZ_STEPS:
            hint = nearest(step.biz_step, vocabulary.BIZ_STEPS)
            yield (*path, "biz_step"), f"{step.biz_step!r} is no business step of CBV 2.0{hint}"
        if step.disposition is not None and step.disposition not in vocabulary.DISPOSITIONS:
            hint = nearest(step.disposition, vocabulary.DISPOSITIONS)
            yield (*path, "disposition"), f"{step.disposition!r} is no disposition of CBV 2.0{hint}"
    for conflict in vocabulary.conflicts(used):
        yield next((path for path, step in steps if step and step.biz_step in conflict), ()), conflict


def _explain(detail: ErrorDetails, model: type[BaseModel], prefix: toml_lines.Path) -> _Mistake:
    """Turn one of pydantic's findings into a path and a sentence of ours."""
    path: toml_lines.Path = (*prefix, *detail["loc"])
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    fields = _fields_at(model, detail["loc"][:-1])
    if detail["type"] == "extra_forbidden":
        return path, f"unknown key{nearest(key, fields)}"
    if detail["type"] == "missing":
        description = fields.get(key, "")
        return path, "missing" + (f" ({description})" if description else "")
    message = detail["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    if isinstance(detail["input"], str | int | float | bool):
        message += f", found {detail['input']!r}"
    return path, message


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> dict[str, str]:
    """Names (as the file writes them) and descriptions of the fields of the table at a place in the document."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = next(
            (f for name, f in model.model_fields.items() if part in (name, f.alias)),
            None,
        )
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return {}
        model = inner
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `tuple[Zone, ...]` or `Step | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)


def _dotted(path: toml_lines.Path) -> str:
    """`readers[0].host`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "file"
