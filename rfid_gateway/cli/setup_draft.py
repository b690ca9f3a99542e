"""What is known so far of the configuration that `rfid-gateway setup` makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rfid_gateway.config_tables import Document, Door, GatewayTable, Reader, Zone
from rfid_gateway.mqtt.settings import MqttSettings, TlsSettings

SERVICE_FOLDER = Path("/etc/rfid-gateway")


@dataclass(frozen=True, slots=True)
class Given:
    """The options that were given; None and empty where they were not."""

    output: Path
    site: str | None
    gateway: str | None
    time_zone: str | None
    state_dir: str | None
    broker: str | None
    tls: bool
    tls_ca: str | None
    username: str | None
    password_file: str | None
    locations: str | None
    readers: tuple[Reader, ...]
    doors: tuple[str, ...]
    zones: tuple[str, ...]
    test: bool

    @property
    def without_answers(self) -> "Given":
        """The same with everything still to be asked: for whoever wants to correct what an option said."""
        return replace(
            self,
            site=None,
            gateway=None,
            time_zone=None,
            broker=None,
            tls=False,
            tls_ca=None,
            username=None,
            password_file=None,
            locations=None,
            readers=(),
            doors=(),
            zones=(),
        )

    @property
    def tls_settings(self) -> TlsSettings | None:
        """`[mqtt.tls]` as the options have it."""
        if self.tls_ca is not None:
            return TlsSettings(ca_file=self.tls_ca)
        return TlsSettings() if self.tls else None

    @property
    def state_folder(self) -> str:
        """Where the database goes: beside the service's other states, or beside a file that is no service's."""
        if self.state_dir is not None:
            return self.state_dir
        if self.output.parent != SERVICE_FOLDER:
            return str(self.output.parent / "state")
        name = self.output.stem
        return "/var/lib/rfid-gateway" if name == "gateway" else f"/var/lib/rfid-gateway/{name}"

    @property
    def own_password_file(self) -> Path:
        """Where a password goes that was typed in."""
        name = self.output.stem
        return self.output.with_name("mqtt-password" if name == "gateway" else f"{name}-mqtt-password")


@dataclass(frozen=True, slots=True)
class Draft:
    """Answers so far; each question's owner makes a new one."""

    gateway: GatewayTable | None = None
    mqtt: MqttSettings | None = None
    secret: str | None = field(default=None, repr=False)
    """A password that was typed in and is in no file yet."""
    locations: str = ""
    readers: tuple[Reader, ...] = ()
    zones: tuple[Zone, ...] = ()
    doors: tuple[Door, ...] = ()

    @property
    def document(self) -> Document:
        """The configuration; ValueError (pydantic's) while something is missing."""
        tables: Mapping[str, object] = {
            "gateway": self.gateway,
            "mqtt": self.mqtt,
            "readers": self.readers,
            **({"zones": self.zones} if self.zones else {}),
            **({"doors": self.doors} if self.doors else {}),
        }
        return Document.model_validate(tables)

    @property
    def unplaced(self) -> list[Reader]:
        """Readers none of whose antennas belong to a door or a zone yet."""
        antennas = [antenna for zone in self.zones for antenna in zone.antennas]
        antennas += [antenna for door in self.doors for antenna in (*door.inside, *door.outside)]
        placed = {antenna.partition(":")[0] for antenna in antennas}
        return [reader for reader in self.readers if reader.id not in placed]

    def with_place(self, place: Zone | Door) -> "Draft":
        """The same with one door or zone more."""
        if isinstance(place, Door):
            return replace(self, doors=(*self.doors, place))
        return replace(self, zones=(*self.zones, place))
