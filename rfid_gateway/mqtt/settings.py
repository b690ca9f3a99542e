"""`[mqtt]` of the configuration: which broker, who we are to it, and how carefully we speak to it."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rfid_gateway.mqtt import topics

Prefix = Annotated[str, AfterValidator(topics.checked_prefix)]
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:/\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535
ProtocolChoice = Literal["auto", "5", "3.1.1"]
Format = Literal["location-event", "epcis"]
CREDENTIAL = "credential:"
"""What a file of `[mqtt]` begins with that systemd hands over (LoadCredential=)."""


def _checked_address(text: str) -> str:
    host_and_port(text)
    return text


Address = Annotated[str, AfterValidator(_checked_address)]
"""`host`, `host:port` or `[IPv6 address]:port`."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TlsSettings(_Table):
    """`[mqtt.tls]`: an empty table means TLS with the authorities that the system trusts."""

    ca_file: str | None = Field(
        default=None, description="PEM file of the broker's authority; the system's if left out"
    )
    certificate_file: str | None = Field(default=None, description="PEM file of the gateway's own certificate")
    key_file: str | None = Field(default=None, description="PEM file of that certificate's private key")

    @model_validator(mode="after")
    def _certificate_and_key_go_together(self) -> "TlsSettings":
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together: give both or neither")
        return self


class MqttSettings(_Table):
    """The `[mqtt]` table. Opens nothing: files are read at each connection, so a new password needs no restart."""

    host: str = Field(min_length=1, description="name or address of the broker")
    port: int = Field(default=1883, ge=1, le=65535, description="TCP port; 8883 is usual with TLS")
    fallbacks: Annotated[tuple[Address, ...], Field(strict=False)] = Field(
        default=(), description='further brokers, "host" or "host:port", tried in order while the first is away'
    )
    return_after_s: float = Field(
        default=300.0, ge=1, description="how often a broker that comes earlier in the list is looked at, to go back"
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="MQTT client identifier, unique at the broker; made of site and gateway id if left out",
    )
    username: str | None = Field(default=None, description="user name at the broker")
    password_file: str | None = Field(
        default=None, description='file whose first line is the password; "credential:NAME" for one of systemd\'s'
    )
    tls: TlsSettings | None = Field(default=None, description="TLS; plain TCP if left out")
    keepalive_s: int = Field(default=30, ge=1, le=65535, description="a broker silent for twice this long is left")
    protocol: ProtocolChoice = Field(default="auto", description="MQTT version; auto tries 5 and falls back to 3.1.1")
    format: Format = Field(default="location-event", description="payload of events; epcis is the bare EPCIS event")
    prefix: Prefix = Field(default="rfid", description="first level or levels of every topic")
    window: int = Field(default=20, ge=1, le=1000, description="publications that may wait for their PUBACK")

    @model_validator(mode="after")
    def _password_needs_a_user(self) -> "MqttSettings":
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file without username: MQTT 3.1.1 has no password without a user name")
        return self

    @property
    def address(self) -> str:
        """Host and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def brokers(self) -> "tuple[MqttSettings, ...]":
        """The settings of each broker alone, in the order in which they are wanted; `port` is that of them all."""
        others = (host_and_port(text) for text in self.fallbacks)
        return tuple(
            self.model_copy(update={"host": host, "port": port or self.port, "fallbacks": ()})
            for host, port in ((self.host, self.port), *others)
        )

    def client_id_for(self, site: str, gateway: str) -> str:
        """The client identifier: the configured one, or one that is unique for this gateway and stays the same."""
        return self.client_id or f"rfid-gateway-{site}-{gateway}"


def host_and_port(text: str) -> tuple[str, int | None]:
    """Split `host:port`; no port is None.

    Raises:
        ValueError: the text is no such address.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 1 <= int(found["port"] or 1) <= _LAST_PORT:
        raise ValueError('expected "host", "host:port" or "[IPv6 address]:port", the port from 1 to 65535')
    return found["v6"] or found["name"], int(found["port"]) if found["port"] else None
