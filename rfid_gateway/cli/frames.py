"""`rfid-gateway frames`: what a protocol's decoder makes of recorded bytes."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import click

from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.cli.output import Row, json_option, listing
from rfid_gateway.driver import Explainer

_COLUMNS = ("offset", "kind", "type", "status", "epc", "antenna", "rssi", "words")


@click.command()
@click.argument("protocol")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--hex", "as_hex", is_flag=True, help="FILE holds lines of hex digits; # begins a comment.")
@json_option
def frames(protocol: str, file: Path | None, as_hex: bool, as_json: bool) -> None:  # noqa: FBT001 - click's way
    """Say what PROTOCOL (the name of a driver) makes of the bytes in FILE: each tag, frame and rejected run.

    Without FILE, hex lines come from standard input.
    """
    explainer = _explainer(protocol)
    if file is None or str(file) == "-":
        data = _from_hex(sys.stdin, "standard input")
    elif as_hex:
        with file.open(encoding="ascii", errors="replace") as lines:
            data = _from_hex(lines, str(file))
    else:
        data = file.read_bytes()
    rows = list(_rows(protocol, data, explainer.explain_recording(data)))
    shown = [{**row, "words": row.get("reason") or row.get("detail")} for row in rows]
    listing(rows if as_json else shown, _COLUMNS, as_json=as_json, nothing="no bytes, no frames")


def _explainer(protocol: str) -> Explainer:
    drivers = InstalledDrivers()
    names = ", ".join(sorted(drivers))
    if protocol not in drivers:
        raise click.BadParameter(f"{protocol!r} is no protocol, expected one of: {names}", param_hint="PROTOCOL")
    driver = drivers[protocol]
    if not hasattr(driver, "explain_recording"):
        raise click.BadParameter(f"the driver {protocol!r} explains no bytes", param_hint="PROTOCOL")
    return cast("Explainer", driver)


def _from_hex(lines: Iterable[str], name: str) -> bytes:
    data = bytearray()
    for number, line in enumerate(lines, start=1):
        try:
            data += bytes.fromhex(line.partition("#")[0])
        except ValueError as error:
            raise click.ClickException(f"{name}:{number}: expected pairs of hex digits: {error}") from error
    return bytes(data)


def _rows(protocol: str, data: bytes, records: Iterable[Row]) -> Iterator[Row]:
    """Give every record its protocol and its place; several tags of one frame share their bytes and so their place."""
    start = end = 0
    previous = None
    for record in records:
        raw = bytes.fromhex(record.get("raw", ""))
        shared = raw == previous and "epc" in record and data[end : end + len(raw)] != raw
        if raw and not shared:
            found = data.find(raw, end)
            if found >= 0:
                start, end = found, found + len(raw)
        previous = raw
        yield {"protocol": protocol, "offset": start, **record}
