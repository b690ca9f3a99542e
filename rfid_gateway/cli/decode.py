"""`rfid-gateway decode`."""

import sys
from collections.abc import Iterator

import click

from rfid_gateway.cli.output import Row, json_line, json_option
from rfid_gateway.epc.decode import DecodedEpc
from rfid_gateway.epc.decode import decode as decode_epc

_FIELDS = ("hex", "scheme", "filter", "epc_uri", "tag_uri", "element_string", "digital_link", "error")


@click.command()
@click.argument("epcs", metavar="HEX...", nargs=-1)
@json_option
def decode(epcs: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Say what EPCs stand for, by the GS1 Tag Data Standard. Reads standard input where no HEX is given.

    A tag that no scheme fits is told as such; the exit code is 1 only for text that is no hex.
    """
    no_hex = False
    for text in epcs or _standard_input():
        decoded = decode_epc(text)
        no_hex |= decoded.epc_uri is None and decoded.digital_link is None
        if as_json:
            json_line(_row(decoded))
        else:
            _explain(decoded)
    if no_hex:
        raise click.exceptions.Exit(1)


def _standard_input() -> Iterator[str]:
    for line in sys.stdin:
        yield from line.split()


def _row(decoded: DecodedEpc) -> Row:
    return {field: getattr(decoded, field) for field in _FIELDS}


def _explain(decoded: DecodedEpc) -> None:
    click.secho(decoded.hex, bold=True)
    for field in _FIELDS[1:]:
        if (value := getattr(decoded, field)) is not None:
            click.secho(f"  {field.replace('_', ' '):15}{value}", fg="red" if field == "error" else None)
