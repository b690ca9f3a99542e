"""What this PC has: networks, serial ports, a name and a time zone. I/O only; nothing is sent anywhere."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import ifaddr

_VIRTUAL = ("docker", "br-", "veth", "virbr", "tun", "tap")
_LARGEST_PREFIX = 22
"""Of a network that `discover` looks through; of a larger one the part around this PC is."""
_AROUND = 24
_NAMED = ("serial/by-id", "serial/by-path")
_DEVICES = ("ttyUSB*", "ttyACM*")


@dataclass(frozen=True, slots=True)
class LocalNetwork:
    """An IPv4 network that this PC is in."""

    network: IPv4Network
    interface: str


def local_networks() -> list[LocalNetwork]:
    """Networks in which readers may be: not loopback, not those of containers and tunnels."""
    found: dict[IPv4Network, LocalNetwork] = {}
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            if isinstance(address.ip, str) and not adapter.name.startswith(_VIRTUAL):
                own = IPv4Interface(f"{address.ip}/{address.network_prefix}")
                if not own.is_loopback:
                    found.setdefault(_searchable(own), LocalNetwork(_searchable(own), adapter.name))
    return list(found.values())


def _searchable(own: IPv4Interface) -> IPv4Network:
    if own.network.prefixlen >= _LARGEST_PREFIX:
        return own.network
    return IPv4Interface(f"{own.ip}/{_AROUND}").network


def serial_ports(devices: Path = Path("/dev")) -> list[str]:
    """Serial adapters, each once, under the name that it keeps over a replug where it has one. Opens none."""
    ports: dict[Path, str] = {}
    for port in _candidates(devices):
        ports.setdefault(port.resolve(), str(port))
    return list(ports.values())


def _candidates(devices: Path) -> Iterator[Path]:
    for folder in _NAMED:
        yield from sorted((devices / folder).glob("*"))
    for pattern in _DEVICES:
        yield from sorted(devices.glob(pattern))


def host_name() -> str:
    """This PC's name, without its domain."""
    return socket.gethostname().partition(".")[0]


def time_zone(etc: Path = Path("/etc")) -> str:
    """The IANA name of this PC's time zone; UTC where it does not say."""
    try:
        return (etc / "timezone").read_text(encoding="utf-8").strip() or "UTC"
    except OSError:
        _, found, name = str((etc / "localtime").resolve()).partition("zoneinfo/")
        return name if found else "UTC"
