"""`rfid-gateway analyse`: what observation makes of recorded reads, at full speed."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rfid_gateway.cli.configuration import config_option, load
from rfid_gateway.cli.output import Row, json_line, json_option, local_time
from rfid_gateway.config import Config
from rfid_gateway.observe.observations import Observation, Passage
from rfid_gateway.observe.observer import Observer
from rfid_gateway.reads import GpiEdge, TagRead, TagReport

_END_US = 24 * 3_600_000_000
"""Time that is let pass behind the last read, so that everything that was open is decided."""


class RecordedRead(BaseModel):
    """One line of a recording."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    reader_id: str
    received_at: int
    epc: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2})+$")]
    antenna_id: int
    peak_rssi: float | None = None
    phase: float | None = None
    doppler: float | None = None
    channel: int | None = None


class RecordedEdge(BaseModel):
    """One line of a recording: an input of a reader changed (a photo-eye)."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    reader_id: str
    received_at: int
    port: Annotated[int, Field(ge=1)]
    high: bool


Recorded = RecordedRead | RecordedEdge


@click.command()
@click.argument("reads", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@config_option
@json_option
def analyse(reads: Path, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Run recorded READS through the zones and doors of a configuration and print what they amount to.

    READS has a JSON object on each line: reader_id, received_at, epc, antenna_id, peak_rssi, phase, doppler, channel;
    times in microseconds, in rising order. Lines with port and high instead of a tag are edges of a reader's inputs
    (photo-eyes). A dash reads standard input.
    """
    config = load(config_file)
    with click.open_file(str(reads), encoding="utf-8") as lines:
        say = json_line if as_json else _say
        for observation in observe(config, _parse(lines, reads.name)):
            say(_row(observation))


def observe(config: Config, recorded: Iterable[Recorded]) -> Iterator[Observation]:
    """Observations of recorded reads, each when it is decided; time is that of the recording."""
    observer = Observer([zone.rules for zone in config.zones], [door.rules for door in config.doors])
    now = 0
    for line in recorded:
        now = max(now, line.received_at)
        if isinstance(line, RecordedEdge):
            yield from observer.edge(GpiEdge(line.reader_id, line.received_at, now, line.port, line.high))
        else:
            yield from observer.report(_report(line, now))
    end = now + _END_US
    while (deadline := observer.next_deadline()) is not None and deadline <= end:
        yield from observer.expire(deadline)


def _parse(lines: Iterable[str], name: str) -> Iterator[Recorded]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _parse_line(line)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "line"
            raise click.ClickException(f"{name}:{number}: {key}: {first['msg']}") from error


def _parse_line(line: str) -> Recorded:
    """A line that has a port and no tag is an edge; anything else should be a read."""
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        values = None
    kind = RecordedEdge if isinstance(values, dict) and "port" in values and "epc" not in values else RecordedRead
    return kind.model_validate_json(line)


def _report(read: RecordedRead, now: int) -> TagReport:
    tag_read = TagRead(
        epc=read.epc.upper(),
        antenna_id=read.antenna_id,
        first_seen=read.received_at,
        last_seen=read.received_at,
        peak_rssi=read.peak_rssi,
        phase=read.phase,
        doppler=read.doppler,
        channel=read.channel,
    )
    return TagReport(read.reader_id, read.received_at, now, (tag_read,))


def _row(observation: Observation) -> Row:
    kind = "passage" if isinstance(observation, Passage) else "presence"
    values = asdict(observation)
    return {
        "kind": kind,
        **values,
        **({"evidence": dict(observation.evidence)} if isinstance(observation, Passage) else {}),
    }


def _say(row: Row) -> None:
    if row["kind"] == "passage":
        when, what = row["ended"], f"{row['direction']} at {row['door']}, confidence {row['confidence']:.2f}"
        evidence = json.dumps(row["evidence"])
    else:
        when, what = row["at"], f"{row['change']} {row['zone']}"
        evidence = f"from {row['previous_zone']}" if row["previous_zone"] else ""
    click.echo(f"{local_time(when)}  {row['epc']}  {what}  {evidence}".rstrip())
