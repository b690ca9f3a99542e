"""How listings look: a table for people, one JSON object per line for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]
_WIDTH = 500


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a listing command its `--json` option."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")(command)


def json_line(row: Row) -> None:
    """Print one object and flush, so that a program at the other end of the pipe has it now."""
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def listing(rows: Iterable[Row], columns: Sequence[str], *, as_json: bool, nothing: str) -> None:
    """Print rows: all their fields as JSON lines, or the named columns as a table.

    Args:
        rows: what to print.
        columns: the fields that people get to see, in order.
        as_json: JSON lines instead of a table.
        nothing: what to tell people when there are no rows.
    """
    if as_json:
        for row in rows:
            json_line(row)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    if table.row_count:
        print_table(table)
    else:
        click.echo(nothing, err=True)


def print_table(table: Table) -> None:
    """Print a table wide: rather a line that the terminal wraps than a number of which half is missing."""
    Console(width=max(Console().width, _WIDTH)).print(table)


def local_time(utc_us: int) -> str:
    """A time as people here read it: local date and time to the second."""
    return datetime.fromtimestamp(utc_us / 1e6, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
