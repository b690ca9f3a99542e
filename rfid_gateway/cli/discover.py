"""`rfid-gateway discover`: readers on the network, ready to be written into the configuration."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import entry_points
from ipaddress import IPv4Network

import click
from rich.console import Console
from rich.progress import Progress

from rfid_gateway.cli.output import Row, json_line, json_option, listing
from rfid_gateway.cli.reader_table import reader_table
from rfid_gateway.driver import Discoverer, DiscoveryProgress, DiscoveryRequest, FoundReader, ReaderError

_COLUMNS = ("host", "port", "state", "name", "model", "firmware", "identification", "detail")
_SMALLEST_PREFIX = 22


def _network(_ctx: click.Context, _param: click.Parameter, value: str | None) -> IPv4Network | None:
    """Check --subnet."""
    return None if value is None else checked_network(value)


def checked_network(value: str) -> IPv4Network:
    """Return an IPv4 network of at most 1024 addresses; BadParameter for anything else."""
    try:
        network = IPv4Network(value, strict=False)
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected something like 192.168.1.0/24") from error
    if network.prefixlen < _SMALLEST_PREFIX:
        raise click.BadParameter(f"{network} has {network.num_addresses} addresses, expected /22 (1024) or less")
    return network


@click.command()
@click.option(
    "--subnet",
    metavar="NETWORK",
    callback=_network,
    help="Also connect to each of these addresses, such as 192.168.1.0/24.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port to try in the subnet instead of the usual ones.")
@click.option("--seconds", default=5.0, show_default=True, help="How long to listen for announcements.")
@click.option("--interface", help="Address of the network interface to listen on, instead of all.")
@json_option
def discover(
    subnet: IPv4Network | None,
    port: int | None,
    seconds: float,
    interface: str | None,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Find readers that announce themselves, and with --subnet those that only answer.

    Each is asked who it is, unless another client holds it. Exit code 1 if there was none.
    """
    rows = []
    for found in search(DiscoveryRequest(subnet, port, seconds, interface)):
        rows.append(_row(found))
        if as_json:
            json_line(rows[-1])
    if not as_json:
        listing(rows, _COLUMNS, as_json=False, nothing="no readers found")
        for row in rows:
            click.echo(f"\n{row['toml']}", nl=False)
    if not rows:
        raise click.exceptions.Exit(1)


def search(request: DiscoveryRequest) -> Iterator[FoundReader]:
    """Let every driver package look, one after the other, with a bar on the terminal."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for entry in entry_points(group="rfid_gateway.discoverers"):
            discoverer: Discoverer = entry.load()
            task = bar.add_task(entry.name)
            try:
                for item in discoverer(request):
                    if isinstance(item, DiscoveryProgress):
                        bar.update(task, description=f"{entry.name}: {item.stage}", completed=item.done)
                        bar.update(task, total=item.total)
                    else:
                        yield item
            except ReaderError as error:
                raise click.ClickException(f"{entry.name}: {error}") from error


def _row(found: FoundReader) -> Row:
    name = found.name or f"reader-{found.host}"
    return {**asdict(found), "toml": reader_table(name, found.driver, found.options)}
