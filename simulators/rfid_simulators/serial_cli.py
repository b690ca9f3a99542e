"""`rfid-simulator serial`: a simulated serial reader for a terminal and a gateway beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from rfid_gateway.stop_signal import StopSignal
from rfid_simulators.fault_names import PlannedFault
from rfid_simulators.scene_options import chosen_scene, scene_options, tell
from rfid_simulators.serial.bus import ADDRESSED, SimulatedBus
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.fault_names import FAULTS
from rfid_simulators.serial.faults import Fault
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import RDM6300, LineSetting, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.noise import NoiseLevel
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, SerialReaderServer
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.serial.wires import PtyWire, TcpWire
from rfid_simulators.world.sighting import Radio, Sighting

_FIRMWARE: dict[str, Callable[[], Firmware]] = {
    "cfprime": lambda: SimulatedCfPrime(CfPrimeSetting()),
    "chafon": lambda: SimulatedChafon(ChafonSetting(pushing=True)),
    "gx5a": lambda: SimulatedGx5a(Gx5aSetting()),
    "line": lambda: SimulatedLineReader(LineSetting()),
    "m100": lambda: SimulatedM100(M100Setting()),
    "mercury": lambda: SimulatedMercury(MercurySetting()),
    "r2000": lambda: SimulatedR2000(R2000Setting()),
    "rdm6300": lambda: SimulatedLineReader(RDM6300),
    "swct": lambda: SimulatedSwct(SwctSetting()),
    "tsl": lambda: SimulatedTsl(TslSetting()),
}

_EPCS = {"rdm6300": ("6F00538E12",)}
_TWO_LABELS = ("303400000000000000000001", "303400000000000000000002")


def standing_tags(epcs: Sequence[str], every_us: int) -> Radio:
    """Make a radio that hears each of these tags at antenna 1, at -55 dBm, once per period."""

    def radio(start: int, end: int) -> list[Sighting]:
        first = -(-start // every_us) * every_us
        return [Sighting(at, "serial", 1, epc, -55.0) for at in range(first, end, every_us) for epc in epcs]

    return radio


def tags_by_address(addresses: Sequence[int], epcs: Sequence[str], every_us: int) -> Radio:
    """Make a radio for a bus that deals the tags to the readers in turn; without any, each has one of its own."""
    epcs = epcs or [f"3034{address:020X}" for address in addresses]

    def radio(start: int, end: int) -> list[Sighting]:
        heard = standing_tags(epcs, every_us)(start, end)
        return [tag._replace(reader_id=str(addresses[epcs.index(tag.epc) % len(addresses)])) for tag in heard]

    return radio


@click.command("serial")
@click.option("--protocol", type=click.Choice(sorted(_FIRMWARE)), required=True, help="What the reader speaks.")
@click.option("--link", type=click.Path(path_type=Path), help="Symbolic link to make to a pseudo-terminal.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port on 127.0.0.1 instead; 0 picks a free one.")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    type=click.IntRange(0, 254),
    help="Make a polled reader with this address; repeat for several on one line.",
)
@click.option("--echo", is_flag=True, help="With --address: the line echoes commands, as some RS-485 adapters do.")
@click.option("--epc", "epcs", multiple=True, help="Hex EPC of a tag before the antenna; repeat for several.")
@click.option("--every-ms", type=click.IntRange(1), default=500, show_default=True, help="Period of each tag.")
@scene_options
@click.option("--junk", type=click.FloatRange(0, 1), default=0.0, help="Share of frames with noise before them.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:VALUE][@SECONDS]",
    help=f"Let something go wrong, at once or SECONDS after the start: {', '.join(FAULTS.names)}.",
)
@click.option("--seconds", type=click.FloatRange(0), default=0.0, help="End after this long; 0: at Ctrl-C.")
def serial(
    *,
    protocol: str,
    link: Path | None,
    port: int | None,
    addresses: tuple[int, ...],
    echo: bool,
    epcs: tuple[str, ...],
    every_ms: int,
    scene: str | None,
    seed: int,
    scene_reader: str | None,
    scene_after: float,
    junk: float,
    faults: tuple[str, ...],
    seconds: float,
) -> None:
    """Simulate a serial reader with tags standing before it, or one of a scene, until Ctrl-C."""
    if (link is None) == (port is None):
        raise click.UsageError("give either --link PATH or --port N")
    if addresses and protocol not in ADDRESSED:
        raise click.UsageError(f"--address goes with {', '.join(sorted(ADDRESSED))}")
    if addresses and scene:
        raise click.UsageError("give either --scene or --address")
    world = chosen_scene(scene, seed, scene_reader, scene_after)
    if world and epcs:
        raise click.UsageError("give either --scene or --epc")
    firmware: Firmware
    if addresses:
        firmware = SimulatedBus({str(address): ADDRESSED[protocol](address) for address in addresses}, echo=echo)
        standing = tags_by_address(addresses, epcs, every_ms * 1000)
    else:
        firmware = _FIRMWARE[protocol]()
        standing = standing_tags(epcs or _EPCS.get(protocol, _TWO_LABELS), every_ms * 1000)
    planned = _planned(faults)
    try:
        wire = PtyWire(link) if link else TcpWire(port or 0)
    except OSError as error:
        raise click.ClickException(f"{link or port}: {error.strerror}") from error
    server = SerialReaderServer(firmware, world.radio if world else standing, wire, NoiseLevel(junk=junk, seed=seed))
    try:
        for _, fault in planned:
            server.check(fault)
    except ValueError as error:
        wire.close()
        raise click.UsageError(f"--fault: {error}") from error
    with StopSignal() as ending, server:
        click.echo(f"{protocol} reader at {server.url}")
        tell(world)
        _wait(server, ending, planned, seconds)


def _planned(faults: tuple[str, ...]) -> list[PlannedFault[Fault]]:
    try:
        return FAULTS.plan(faults)
    except ValueError as error:
        raise click.UsageError(f"--fault: {error}") from error


def _wait(server: SerialReaderServer, ending: StopSignal, planned: list[PlannedFault[Fault]], seconds: float) -> None:
    """Let faults begin when they are due, until the end."""
    passed = 0.0
    for after_s, fault in planned:
        if seconds and after_s >= seconds:
            break
        if ending.wait(after_s - passed):
            return
        passed = after_s
        server.inject(fault)
        click.echo(f"{after_s:g} s: {fault}")
    ending.wait(seconds - passed if seconds else None)
