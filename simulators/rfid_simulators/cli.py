"""The command line `rfid-simulator`: simulated readers for testers. The only module here that prints."""

from pathlib import Path
from threading import Event

import click

from rfid_simulators.ending import told_to_end
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import PROFILES
from rfid_simulators.llrp.recorded import RecordedReports, load_reports
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial_cli import serial
from rfid_simulators.steady_field import steady_field

SECOND = 1_000_000
LLRP_PORT = 5084


@click.group()
def main() -> None:
    """Simulated RFID readers on real wire protocols."""


main.add_command(serial)


@main.command()
@click.option("--port", default=LLRP_PORT, show_default=True, help="TCP port on 127.0.0.1; 0 takes a free one.")
@click.option("--rate", default=100.0, show_default=True, help="Tag reads per second, or recorded reports per second.")
@click.option("--tags", default=20, show_default=True, help="Tags in the field.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same tags and reads.")
@click.option(
    "--record",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Play the recorded reports of this folder (ROAccessReport*.bytes) instead of a field of tags.",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), default="impinj-r420", show_default=True)
@click.option("--clock-offset", default=0.0, help="Seconds by which the reader's own clock is ahead.")
@click.option("--quiet", is_flag=True, help="No counters while it runs.")
def reader(
    port: int,
    rate: float,
    tags: int,
    seed: int,
    record: Path | None,
    profile: str,
    clock_offset: float,
    quiet: bool,  # noqa: FBT001  # click hands options over by name
) -> None:
    """Run an LLRP reader until interrupted."""
    if rate <= 0 or tags <= 0:
        raise click.UsageError(f"--rate is {rate} and --tags is {tags}, expected both above 0")
    sources = _sources(record, rate, tags, seed)
    server = LlrpReaderServer(PROFILES[profile], sources, port=port, offset_us=int(clock_offset * SECOND))
    try:
        server.start()
    except OSError as error:
        raise click.ClickException(f"port {port} on 127.0.0.1: {error.strerror}") from error
    host, listening = server.address
    click.echo(f"{profile} on {host}:{listening}")
    ending = told_to_end()
    try:
        _watch(server, ending, quiet=quiet)
    finally:
        server.stop()
    click.echo("stopped", err=True)


def _sources(record: Path | None, rate: float, tags: int, seed: int) -> Sources:
    if record is None:
        return Sources(radio=steady_field("simulated", rate=rate, tags=tags, seed=seed))
    try:
        return Sources(recorded=RecordedReports(load_reports(record), int(SECOND / rate)))
    except FileNotFoundError as error:
        raise click.UsageError(str(error)) from error


def _watch(server: LlrpReaderServer, ending: Event, *, quiet: bool) -> None:
    """Print the counters once a second where they have changed, until told to end."""
    before = ""
    while not ending.wait(1):
        counters = server.counters
        line = f"{counters.reports} reports, {counters.tags} tags sent, {counters.lost_tags} lost"
        if line != before and not quiet:
            click.echo(line)
        before = line
