"""The command line `rfid-simulator`: simulated readers for testers. The only module here that prints."""

import socket
import ssl
from dataclasses import replace
from pathlib import Path

import click

from rfid_gateway.stop_signal import StopSignal
from rfid_simulators.fault_names import PlannedFault
from rfid_simulators.faults import Fault
from rfid_simulators.llrp import refusals
from rfid_simulators.llrp.fault_names import FAULTS
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import PROFILES, ReaderProfile
from rfid_simulators.llrp.recorded import RecordedReports, load_reports
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.scene_options import chosen_scene, scene_options, tell
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
@scene_options
@click.option(
    "--record",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Play the recorded reports of this folder (ROAccessReport*.bytes) instead of a field of tags.",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), default="impinj-r420", show_default=True)
@click.option("--clock-offset", default=0.0, help="Seconds by which the reader's own clock is ahead.")
@click.option("--clock-drift", default=0, help="Parts per million by which the reader's own clock goes too fast.")
@click.option("--report-buffer", type=click.IntRange(1), help="Tags that the reader can hold for its client.")
@click.option("--refuse", multiple=True, metavar="NAME", help=f"Refuse a setting: {', '.join(refusals.NAMES)}.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:VALUE][@SECONDS]",
    help=f"Let something go wrong, at once or SECONDS after the start: {', '.join(FAULTS.names)}.",
)
@click.option("--connect-to", metavar="HOST:PORT", help="Open the connection to this client, again and again.")
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False), help="PEM file: encrypt connections.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="PEM file with the certificate's key.")
@click.option("--quiet", is_flag=True, help="No counters while it runs.")
def reader(
    port: int,
    rate: float,
    tags: int,
    scene: str | None,
    seed: int,
    scene_reader: str | None,
    scene_after: float,
    record: Path | None,
    profile: str,
    clock_offset: float,
    clock_drift: int,
    report_buffer: int | None,
    refuse: tuple[str, ...],
    faults: tuple[str, ...],
    connect_to: str | None,
    tls_certificate: str | None,
    tls_key: str | None,
    quiet: bool,  # noqa: FBT001  # click hands options over by name
) -> None:
    """Run an LLRP reader until interrupted."""
    if rate <= 0 or tags <= 0:
        raise click.UsageError(f"--rate is {rate} and --tags is {tags}, expected both above 0")
    planned = _planned(faults)
    world = chosen_scene(scene, seed, scene_reader, scene_after)
    if world and record:
        raise click.UsageError("give either --scene or --record")
    sources = Sources(world.radio) if world else _sources(record, rate, tags, seed)
    try:
        server = LlrpReaderServer(
            _profile(profile, report_buffer, refuse),
            sources,
            port=port,
            offset_us=int(clock_offset * SECOND),
            drift_ppm=clock_drift,
            connect_to=_target(connect_to),
            tls=_tls(tls_certificate, tls_key, is_client=connect_to is not None),
        )
    except socket.gaierror as error:
        raise click.UsageError(f"--connect-to {connect_to}: {error.strerror}") from error
    try:
        server.start()
    except OSError as error:
        raise click.ClickException(f"port {port} on 127.0.0.1: {error.strerror}") from error
    host, listening = server.address
    click.echo(f"{profile} on {host}:{listening}")
    tell(world)
    with StopSignal() as ending:
        try:
            _watch(server, ending, planned, quiet=quiet)
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


def _profile(name: str, report_buffer: int | None, refuse: tuple[str, ...]) -> ReaderProfile:
    profile = PROFILES[name]
    try:
        refusals.check_names(refuse)
    except ValueError as error:
        raise click.UsageError(f"--refuse: {error}") from error
    return replace(
        profile,
        report_buffer_reads=report_buffer or profile.report_buffer_reads,
        refuses=profile.refuses | set(refuse),
    )


def _planned(faults: tuple[str, ...]) -> list[PlannedFault[Fault]]:
    try:
        return FAULTS.plan(faults)
    except ValueError as error:
        raise click.UsageError(f"--fault: {error}") from error


def _target(connect_to: str | None) -> tuple[str, int] | None:
    if connect_to is None:
        return None
    host, _, port = connect_to.rpartition(":")
    if not host or not port.isdecimal():
        raise click.UsageError(f"--connect-to is {connect_to!r}, expected HOST:PORT")
    return host.strip("[]"), int(port)


def _tls(certificate: str | None, key: str | None, *, is_client: bool) -> ssl.SSLContext | None:
    """Make a server's TLS, or that of a reader which opens the connection and takes any certificate of its client."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if is_client else ssl.PROTOCOL_TLS_SERVER)
    if is_client:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise click.UsageError(f"--tls-certificate {certificate}: no PEM certificate with its key: {error}") from error
    return context


def _watch(server: LlrpReaderServer, ending: StopSignal, planned: list[PlannedFault[Fault]], *, quiet: bool) -> None:
    """Let faults begin when they are due, and print the counters once a second where they have changed."""
    before = ""
    seconds = 0
    while True:
        while planned and planned[0].after_s <= seconds:
            server.inject(planned.pop(0).fault)
        if ending.wait(1):
            return
        seconds += 1
        counters = server.counters
        line = f"{counters.reports} reports, {counters.tags} tags sent, {counters.lost_tags} lost"
        if line != before and not quiet:
            click.echo(line)
        before = line
