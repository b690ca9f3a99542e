"""`rfid-gateway detect`: what the reader behind a port speaks, ready to be written into the configuration."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import PurePosixPath

import click
from rich.console import Console
from rich.progress import Progress

from rfid_gateway.cli.output import Row, json_line, json_option
from rfid_gateway.cli.reader_table import reader_id, reader_table
from rfid_gateway.driver import (
    AboutToAsk,
    DetectedReader,
    DetectionRequest,
    Detector,
    DiscoveryProgress,
    NothingDetected,
    ReaderError,
)

_SHOWN = ("driver", "model", "firmware", "baud", "parity", "antennas", "sample_epc", "certainty", "evidence", "detail")


@click.command()
@click.argument("port")
@click.option("--listen-only", is_flag=True, help="Send nothing at all.")
@click.option(
    "--parity",
    type=click.Choice(["none", "even", "odd"]),
    default="none",
    show_default=True,
    help="Parity of the line.",
)
@json_option
def detect(port: str, listen_only: bool, parity: str, as_json: bool) -> None:  # noqa: FBT001 - click's way
    """Find out what the reader behind PORT speaks, and print the lines for the configuration.

    PORT is a path (/dev/ttyUSB0), socket://host:port or rfc2217://host:port. It must not be in use, so stop a gateway
    that reads from it.

    Listens first, 1.5 s at each baud rate. If nothing identifies itself it asks, with the commands of many protocols
    that only read.

    WARNING: asking is hostile to whatever is no RFID reader: a scale or a PLC may take one of the questions for a
    command. Where you are not sure what is behind PORT, use --listen-only.

    The result is only printed. Exit code 0 if a reader was recognised, 1 if not, 2 for wrong use.
    """
    answers = search(DetectionRequest(port, parity, listen_only))
    rows = [_row(answer) for answer in answers if isinstance(answer, DetectedReader)]
    for row in rows:
        if as_json:
            json_line(row)
        else:
            _say(row)
    if not rows:
        for answer in answers:
            if isinstance(answer, NothingDetected):
                say_nothing(answer)
        raise click.exceptions.Exit(1)


def search(request: DetectionRequest) -> list[DetectedReader | NothingDetected]:
    """Let every driver package look until one recognises the reader, with a bar on the terminal."""
    answers: list[DetectedReader | NothingDetected] = []
    refusals: list[str] = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for entry in entry_points(group="rfid_gateway.detectors"):
            try:
                answers += _look(entry.load(), request, bar)
            except ReaderError as error:
                raise click.ClickException(str(error)) from error
            except ValueError as error:
                refusals.append(str(error))
            if any(isinstance(answer, DetectedReader) for answer in answers):
                break
    if not answers:
        raise click.BadParameter("; ".join(refusals) or "no installed driver detects readers", param_hint="PORT")
    return answers


def _look(detector: Detector, request: DetectionRequest, bar: Progress) -> Iterator[DetectedReader | NothingDetected]:
    task = bar.add_task("opening the port", total=None)
    warned = request.listen_only
    with closing(detector(request)) as items:
        for item in items:
            if not warned:
                warned = True
                bar.console.print(_WARNING, highlight=False, soft_wrap=True)
            if isinstance(item, DiscoveryProgress):
                bar.update(task, description=item.stage, completed=item.done, total=item.total)
            elif isinstance(item, AboutToAsk):
                bar.console.print(_asking(item), highlight=False, soft_wrap=True)
            else:
                yield item


_WARNING = (
    "Listening. If nothing identifies itself, whatever is behind this port is asked: "
    "if that may be a scale or a PLC, end it now (Ctrl-C) and use --listen-only."
)


def _asking(item: AboutToAsk) -> str:
    return f"Nothing identified itself. Now asking with commands of {', '.join(item.drivers)} that only read."


def _row(found: DetectedReader) -> Row:
    place = found.port.partition("://")[2] or PurePosixPath(found.port).name
    name = reader_id(f"{found.driver}-{place}")
    parity = None if found.baud is None else found.parity
    return {**asdict(found), "parity": parity, "id": name, "toml": reader_table(name, found.driver, found.options)}


def _say(row: Row) -> None:
    """Print a line for each thing that is known, then the table to paste."""
    for key in _SHOWN:
        value = row[key]
        if value not in (None, "", ()):
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else value
            click.echo(f"{key.replace('_', ' '):<11} {text}")
    click.echo(f"\n{row['toml']}", nl=False)


def say_nothing(answer: NothingDetected) -> None:
    """Say what it may be, on standard error."""
    click.echo(f"nothing recognised: {answer.detail}", err=True)
    for heard in answer.heard:
        where = "" if heard.baud is None else f"at {heard.baud} baud "
        text = bytes.fromhex(heard.sample).decode("latin-1")
        readable = f"  {text!r}" if text.isascii() and text.replace("\r", "").replace("\n", "").isprintable() else ""
        click.echo(f"  {where}{heard.count} bytes: {heard.sample}{readable}", err=True)
