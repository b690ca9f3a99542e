"""Short texts, as options and questions take them, become tables of the configuration. Pure.

    reader   dock-1=llrp://10.0.0.5              a driver that is reached over the network: DRIVER://HOST[:PORT]
             gate=serial:///dev/ttyUSB0?protocol=chafon&baud=57600
             gate=socket://10.0.0.7:4001?protocol=chafon      a serial reader behind TCP
    door     door-1=dock-1:1/dock-1:2            antennas inside / antennas outside, several with commas
    zone     packing=gate                        antennas; of a reader alone: all of them

What follows a ? are further keys: of a reader those of its driver, of a place `read_point`, `biz_location` and the
business steps (of a zone `step`, of a door `in` and `out`).
"""

import contextlib
import json
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv6Address
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from rfid_gateway.config_checks import nearest
from rfid_gateway.config_tables import Door, GatewayTable, Name, Reader, Step, Uri, Zone, antenna_of
from rfid_gateway.driver import DriverType
from rfid_gateway.mqtt.settings import MqttSettings, TlsSettings, host_and_port
from rfid_gateway.setup import names

_Model = TypeVar("_Model", bound=BaseModel)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_URI: TypeAdapter[str] = TypeAdapter(Uri)
_SERIAL = {"serial": "", "socket": "socket://", "rfc2217": "rfc2217://"}
"""What stands before a port in `[[readers]]`, by the scheme of a reader's address."""
PORT, TLS_PORT = 1883, 8883


class UnfitNameError(ValueError):
    """A text cannot be a name; `better` is one that is made of it, or empty."""

    def __init__(self, words: str, better: str) -> None:
        super().__init__(f"{words}; {better!r} would do" if better else words)
        self.better = better


def checked_name(text: str, what: str) -> str:
    """Return a text that can be a name of the configuration.

    Raises:
        UnfitNameError: it cannot; with a name that can, made of it.
    """
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        reason = "it becomes a level of MQTT topics: A-Z a-z 0-9 - _ . and at most 64 of them"
        words = f"{text!r} cannot be the name of {what}, because {reason}" if text else f"{what} needs a name"
        raise UnfitNameError(words, names.name_of(text)) from None


def checked_uri(text: str) -> str:
    """Return a text that can be a read point or a business location; ValueError for anything else."""
    try:
        return _URI.validate_python(text)
    except ValidationError:
        raise ValueError(
            f"{text!r} is no URI (no blanks, no umlauts); expected such as urn:... or https://..."
        ) from None


def gateway(site: str, name: str, time_zone: str, state_dir: str) -> GatewayTable:
    """`[gateway]`."""
    return GatewayTable(
        site=checked_name(site, "a site"), id=checked_name(name, "a gateway"), time_zone=time_zone, state_dir=state_dir
    )


def broker(
    address: str, tls: TlsSettings | None, username: str | None = None, password_file: str | None = None
) -> MqttSettings:
    """`[mqtt]`; the port is 1883, or 8883 with TLS, where the address has none.

    Raises:
        ValueError: the address is none, or a password has no user.
    """
    host, port = split_address(address)
    values: dict[str, Any] = {"host": host, "port": port or (TLS_PORT if tls is not None else PORT)}
    if username:
        values["username"] = username
    if password_file:
        values["password_file"] = password_file
    if tls is not None:
        values["tls"] = tls
    return _validated(MqttSettings, values)


def split_address(text: str) -> tuple[str, int | None]:
    """Split `host`, `host:port`, `[IPv6]:port`, and an IPv6 address without brackets, which has no port.

    Raises:
        ValueError: it is no such address.
    """
    with contextlib.suppress(AddressValueError):
        return str(IPv6Address(text)), None
    try:
        return host_and_port(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


def reader(text: str, drivers: Mapping[str, DriverType]) -> Reader:
    """One `[[readers]]` table of `NAME=ADDRESS`; the module's text says what an address is.

    Raises:
        ValueError: what is wrong with it, and what was expected.
    """
    name, address = _named(text, "reader", "dock-1=llrp://10.0.0.5 or gate=serial:///dev/ttyUSB0?protocol=chafon")
    return reader_at(name, address, drivers)


def reader_at(name: str, address: str, drivers: Mapping[str, DriverType]) -> Reader:
    """One `[[readers]]` table.

    Raises:
        ValueError: what is wrong with the address, and what was expected.
    """
    parts = urlsplit(address)
    given = _query(parts.query, address)
    if parts.scheme in _SERIAL:
        driver, values = given.pop("protocol", ""), _serial(parts, address)
        if not driver:
            raise ValueError(f"{address!r} does not say ?protocol=; rfid-gateway detect finds it out")
    elif parts.scheme and parts.netloc:
        driver, values = parts.scheme, _on_network(parts.netloc)
    else:
        raise ValueError(f"{address!r}: expected llrp://HOST or serial:///dev/...?protocol=...")
    if driver not in drivers:
        raise ValueError(f"{address!r}: no driver {driver!r}{nearest(driver, list(drivers))}")
    options = drivers[driver].Options
    if "host" in values and "host" not in options.model_fields:
        raise ValueError(f"{address!r}: {driver} readers have a serial port: serial:///dev/...?protocol={driver}")
    if "host" not in values and "host" in options.model_fields:
        raise ValueError(f"{address!r}: {driver} readers are on the network: {driver}://HOST")
    for key, value in given.items():
        if key not in options.model_fields:
            raise ValueError(f"{address!r}: unknown key {key!r}{nearest(key, options.model_fields)}")
        values[key] = _value(options, key, value)
    _validated(options, values)
    return Reader(id=checked_name(name, "a reader"), driver=driver, **values)


def zone(text: str, locations: str) -> Zone:
    """One `[[zones]]` table of `NAME=ANTENNAS[?...]`.

    Raises:
        ValueError: what is wrong with it, and what was expected.
    """
    name, place = _named(text, "zone", "packing=gate or storage=dock-1:3,dock-1:4")
    antennas, given = _place(place, {"step"})
    return zone_of(name, antennas, locations, **given)


def zone_of(
    name: str,
    antennas: str,
    locations: str,
    *,
    step: str = "",
    read_point: str = "",
    biz_location: str = "",
) -> Zone:
    """One `[[zones]]` table; what is left out is suggested."""
    checked_name(name, "a zone")
    arrived = _step(step or names.biz_step_of(name), biz_location or f"{locations}{name}")
    place = read_point or f"{locations}{name}"
    return _validated(Zone, {"id": name, "antennas": _antennas(antennas), "read_point": place, "arrived": arrived})


def door(text: str, locations: str) -> Door:
    """One `[[doors]]` table of `NAME=INSIDE/OUTSIDE[?...]`.

    Raises:
        ValueError: what is wrong with it, and what was expected.
    """
    name, place = _named(text, "door", "door-1=dock-1:1/dock-1:2 (antennas inside / outside)")
    antennas, given = _place(place, {"in", "out"})
    inside, slash, outside = antennas.partition("/")
    if not slash or "/" in outside:
        raise ValueError(f"{text!r}: expected antennas inside / outside, such as door-1=dock-1:1/dock-1:2")
    return door_of(name, inside, outside, locations, into=given.pop("in", ""), **given)


def door_of(
    name: str,
    inside: str,
    outside: str,
    locations: str,
    *,
    into: str = "",
    out: str = "",
    read_point: str = "",
    biz_location: str = "",
) -> Door:
    """One `[[doors]]` table; what is left out is suggested. Goods that went out have no place, being on their way."""
    checked_name(name, "a door")
    return _validated(
        Door,
        {
            "id": name,
            "inside": _antennas(inside),
            "outside": _antennas(outside),
            "read_point": read_point or f"{locations}{name}",
            "in": _step(into or "arriving", biz_location or names.site_location(locations)),
            "out": _step(out or "departing", ""),
        },
    )


def described(error: ValueError) -> str:
    """What went wrong, in words, also where pydantic says it."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors()[0]
    key = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        return f"unknown key {key!r}"
    words = found["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    seen = f", found {found['input']!r}" if isinstance(found["input"], str | int) else ""
    return f"{key}: {words}{seen}" if key else words


def _serial(parts: SplitResult, address: str) -> dict[str, Any]:
    place = parts.netloc + parts.path if parts.scheme == "serial" else parts.netloc
    if parts.scheme == "serial" and not place.startswith("/"):
        raise ValueError(f"{address!r}: expected three slashes before a device, such as serial:///dev/ttyUSB0")
    return {"port": _SERIAL[parts.scheme] + unquote(place)}


def _on_network(place: str) -> dict[str, Any]:
    host, port = split_address(place)
    return {"host": host} if port is None else {"host": host, "port": port}


def _step(biz_step: str, biz_location: str) -> Step:
    values = {"biz_step": biz_step, "disposition": names.disposition_of(biz_step)}
    return _validated(Step, {**values, **({"biz_location": biz_location} if biz_location else {})})


def _antennas(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise ValueError("no antennas; expected reader:antenna, several with commas")
    for antenna in found:
        antenna_of(antenna)
    return found


def _place(text: str, steps: set[str]) -> tuple[str, dict[str, str]]:
    antennas, _, query = text.partition("?")
    given = _query(query, text)
    known = steps | {"read_point", "biz_location"}
    for key in given:
        if key not in known:
            raise ValueError(f"{text!r}: unknown key {key!r}{nearest(key, known)}")
    return antennas, given


def _query(query: str, whole: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        raise ValueError(f"{whole!r}: expected key=value behind the ?, several with &") from None


def _named(text: str, what: str, example: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    if not (name and equals and rest):
        raise ValueError(f"{text!r}: expected a {what} such as {example}")
    return name, rest


def _value(options: type[BaseModel], key: str, text: str) -> object:
    """The value that the driver's option takes: the text, or what it says as a number, a list, true or false."""
    field = options.model_fields[key]
    # A model of this option alone: other options may still be missing.
    one = create_model(key, __config__=ConfigDict(strict=True), **{key: (field.annotation, field)})  # type: ignore[call-overload]  # no overload fits a dict
    for read in (str, json.loads, lambda words: json.loads(f"[{words}]")):
        try:
            value = read(text)
            _validated(one, {key: value})
        except ValueError:
            continue
        return value
    return text


def _validated(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValueError(described(error)) from None
