"""`rfid-gateway demo`: the whole path on embedded parts, without hardware."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import click

from rfid_gateway.cli import logs
from rfid_gateway.cli.configuration import load, load_next
from rfid_gateway.cli.hangup import Hangup
from rfid_gateway.clock import SystemClock
from rfid_gateway.service import Service
from rfid_gateway.stop_signal import StopSignal

OnEvent = Callable[[dict[str, Any]], None]
_WHAT = {"in": "in through", "out": "out through", "undecided": "undecided at"}


class Plant(Protocol):
    """A site that is simulated: readers, a broker and an order backend, all started."""

    def configuration(self, state_dir: Path) -> str:
        """The TOML of a gateway for it."""
        ...

    @property
    def parts(self) -> str:
        """What is running, on one line."""
        ...

    @property
    def subscribe_command(self) -> str:
        """How to look at the broker's traffic from another terminal."""
        ...

    @property
    def received(self) -> int:
        """Location events that reached the order backend."""
        ...

    @property
    def shipments(self) -> int:
        """Shipments whose status reached the order backend."""
        ...


PlantType = Callable[[OnEvent], AbstractContextManager[Plant]]
"""What an entry point of `rfid_gateway.demos` names."""


@click.command()
@click.option("--seconds", default=0.0, help="End by itself after so long; 0 waits for Ctrl-C.")
@click.option("--log-level", type=click.Choice(["info", "warning", "error"]), default="error", show_default=True)
def demo(seconds: float, log_level: str) -> None:
    """Run a warehouse without hardware and print the location events that reach its order backend.

    Exit code 0 only if events got there.
    """
    logs.configure(log_level)
    stop = click.get_current_context().with_resource(StopSignal())
    hangup = Hangup(stop)
    plant_type: PlantType = next(iter(entry_points(group="rfid_gateway.demos", name="warehouse"))).load()
    with tempfile.TemporaryDirectory(prefix="rfid-gateway-demo-") as folder, plant_type(_print_event) as plant:
        file = Path(folder) / "gateway.toml"
        file.write_text(plant.configuration(Path(folder)), encoding="utf-8")
        settings = load(file)
        service = Service(settings, SystemClock(), partial(load_next, file))
        service.start()
        click.secho(f"running  {plant.parts}", bold=True)
        click.secho(f"look     rfid-gateway status --config {file}   or   {plant.subscribe_command}", bold=True)
        if settings.web is not None:
            click.secho(f"monitor  curl http://{settings.web.address}:{settings.web.port}/metrics", bold=True)
        _wait(stop, hangup, seconds, service)
        summary = service.stop()
        click.echo()
        click.secho(f"{summary.sentence()}; {plant.received} reached the order backend", bold=True)
        click.secho(f"the order backend knows where {plant.shipments} shipments are", bold=True)
        if not plant.received:
            raise click.ClickException("no event reached the order backend")


def _wait(stop: StopSignal, hangup: Hangup, seconds: float, service: Service) -> None:
    """Wait for Ctrl-C, the end of the time, or a part that died."""
    clock = SystemClock()
    until = clock.monotonic_us() + seconds * 1e6 if seconds else float("inf")
    while clock.monotonic_us() < until and service.alive() and not stop.wait(0.1):
        if not service.reloading and (hangup.take() or service.take_wish()):
            service.reload()


def _print_event(event: dict[str, Any]) -> None:
    """One line for a person: time, shipment, what happened where."""
    epcis = event["epcis"]
    when = epcis["eventTime"][11:19]
    unit = event["logistic_unit"] or epcis["epcList"][0]
    what = _WHAT.get(event["direction"] or "", "seen at")
    place = epcis["readPoint"]["id"].rsplit(".", 1)[-1]
    colour = {"ok": None, "undecided": "yellow"}.get(event["verdict"], "red")
    verdict = "" if event["verdict"] == "ok" else event["verdict"].replace("_", " ").upper()
    step = epcis.get("bizStep", "")
    orders = ", ".join(event["orders"])
    click.secho(
        f"{when}  {event['shipment_id']:<10} {unit:<18}  {what:<12} {place:<10} {step:<10} {orders:<8} {verdict}",
        fg=colour,
    )
