"""What may stand in the `[[readers]]` table of an LLRP reader."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from rfid_drivers.llrp.profiles import Content, ProfileName
from rfid_drivers.llrp.radio_options import GpiStart, RadioOptions, Stop

AntennaNumber = Annotated[int, Field(ge=1, le=65535), Strict(strict=False)]
"""From TOML, whose keys are strings."""

_TLS_OPTIONS = ("tls_ca_file", "tls_server_name", "tls_certificate_file", "tls_key_file")


class LlrpOptions(RadioOptions):
    """Options of the driver `llrp`. What is not set stays as it is configured in the reader."""

    host: str = Field(default="", description="Name, IPv4 or IPv6 address of the reader")
    tls: bool = Field(default=False, description="Encrypt the connection (LLRP over TLS)")
    port: int = Field(
        default_factory=lambda values: 5085 if values.get("tls") else 5084,
        ge=1,
        le=65535,
        description="TCP port of LLRP; the standard's are 5084, and 5085 with TLS",
    )
    tls_verify: bool = Field(default=True, description="Refuse a reader whose certificate does not prove who it is")
    tls_ca_file: str = Field(
        default="", description="PEM file of the authorities that sign readers' certificates; empty for the system's"
    )
    tls_server_name: str = Field(
        default="", description="Name that the reader's certificate has to carry; empty for `host`"
    )
    tls_certificate_file: str = Field(default="", description="PEM file of our own certificate, for readers that ask")
    tls_key_file: str = Field(default="", description="PEM file of our own key, where it is not in the same file")
    listen: str = Field(
        default="",
        pattern=r"^(|(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):[0-9]{1,5})$",
        description="Address and port on which to wait for a reader that connects by itself, instead of `host`",
    )
    identification: str = Field(
        default="",
        pattern=r"^(|([0-9A-Fa-f]{2}[-:.]?)*[0-9A-Fa-f]{2})$",
        description="MAC address or EPC by which a reader that connects by itself identifies itself",
    )
    version: Literal["1.0.1", "1.1", "auto"] = Field(
        default="1.0.1", description="Version of LLRP to speak; `auto` takes the newest that the reader knows"
    )
    antennas: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Strict(strict=False)] = Field(
        default=(), description="Antennas to read with, counted from 1; empty for all"
    )
    antenna_settings: dict[AntennaNumber, RadioOptions] = Field(
        default_factory=dict, description="Settings of the radio for single antennas, by their number"
    )
    profile: ProfileName | None = Field(
        default=None, description="Make of the reader, where it says it wrongly: impinj, zebra or generic"
    )
    vendor_content: Annotated[tuple[Content, ...], Strict(strict=False)] = Field(
        default=("phase", "doppler", "peak_rssi"),
        description="What to ask of tags beyond the standard, where the reader has it: phase, doppler, peak_rssi, tid",
    )
    start_trigger: GpiStart | None = Field(
        default=None, description="Read only from the time when an input changes; needs stop_trigger"
    )
    stop_trigger: Stop | None = Field(default=None, description="What ends reading that start_trigger started")
    report_every_n: int = Field(
        default=1, ge=1, le=65535, description="Tag reads that the reader collects for one report"
    )
    keepalive_s: int = Field(
        default=5,
        ge=1,
        le=60,
        description="Period of the reader's keepalives; after three silent periods it counts as gone",
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Limit for the TCP connection, and for the reader's greeting after it"
    )
    request_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="Limit for the answer to each LLRP request"
    )
    impinj_extensions: bool = Field(
        default=True, description="On Impinj readers: phase, Doppler, finer RSSI, and drop of dead connections"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse options of which one makes no sense with or without another."""
        if bool(self.host) == bool(self.listen):
            raise ValueError("give either host (we connect to the reader) or listen (the reader connects to us)")
        if bool(self.listen) != bool(self.identification):
            raise ValueError("listen and identification belong together: several readers may come to one port")
        if self.listen and self.tls:
            raise ValueError("tls is for connections to the reader (host), not for those that it opens (listen)")
        if self.tls_key_file and not self.tls_certificate_file:
            raise ValueError("tls_key_file is set, but tls_certificate_file is missing")
        idle = [name for name in _TLS_OPTIONS if getattr(self, name) and not self.tls]
        if idle or not (self.tls or self.tls_verify):
            raise ValueError(f"{(*idle, 'tls_verify')[0]} has no effect without tls = true")
        return self

    @model_validator(mode="after")
    def _radio_agrees(self) -> Self:
        """Refuse settings of the radio that cannot take effect."""
        unread = sorted(set(self.antenna_settings) - set(self.antennas)) if self.antennas else []
        if unread:
            raise ValueError(f"antenna_settings is for antenna {unread[0]}, which antennas does not name")
        if (self.start_trigger is None) != (self.stop_trigger is None):
            raise ValueError("start_trigger and stop_trigger belong together: reading would never end, or never begin")
        radios: tuple[RadioOptions, ...] = (self, *self.antenna_settings.values())
        for radio in radios:
            mode = radio.impinj_search_mode or self.impinj_search_mode
            session = self.session if radio.session is None else radio.session
            if mode == "tag_focus" and session != 1:
                raise ValueError("impinj_search_mode = 'tag_focus' works in session 1 only; set session = 1")
        return self
