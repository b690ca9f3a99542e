"""What `rfid-gateway top` shows: made of two states of the gateway and a size. Pure."""

from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rfid_gateway.cli.output import local_time
from rfid_gateway.cli.status_cells import NUMBERS, State, headline, reader_cells, troubles
from rfid_gateway.reads import ReaderState

_COLUMNS = ("reader", "state", "reads/s", "last read")
_WIDE = ("reader", "state", "reads/s", "reads", "last read", "returns")
_WIDE_FROM = 100
"""Columns of a terminal that has room for more than a reader's trouble."""
_LEAST_READERS = 3
"""Lines that readers have in any case; troubles of the gateway itself are cut before."""
_COLOURS = {ReaderState.ONLINE.value: "green", ReaderState.DEGRADED.value: "yellow"}
_STEADY = 0.05
"""Events per second: less is neither rising nor falling."""
_DAY_S = 86_400


def view(before: State, now: State, size: tuple[int, int]) -> Group:
    """Lines for a terminal of `size` (columns, rows), never more.

    Args:
        before: how the gateway was some seconds ago; the same as `now` where that is not known.
        now: how it is.
        size: columns and rows.
    """
    width, height = size
    words, colour = headline(now)
    lines = [
        Text.assemble(("rfid-gateway ", "bold"), (words, f"bold {colour}"), f"   {local_time(now['at'])[11:]}"),
        _line("broker", now["broker"], "" if now["broker"].startswith("connected") else "bold red"),
        _line("waiting", f"{now['backlog']} events{_trend(before, now)}"),
        _line("so far", _so_far(before, now)),
        _line("disk", _room(now)),
        _line("clock", f"{now['clock']}, {now['clock_apart_s']:+.3f} s apart from the PC's"),
    ]
    room = max(0, height - len(lines) - _LEAST_READERS - 2)
    wrong = [_line(name, trouble, "bold red") for name, trouble in troubles(now)]
    lines += wrong[:room]
    lines = lines[: max(0, height - 1)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Group(*lines, *_readers(now["readers"], width, height - len(lines) - 1), _footer(width))


def rate(before: State, now: State, name: str) -> float | None:
    """How fast a figure grows, per second; None where the two states do not tell."""
    seconds = float(now["at"] - before["at"]) / 1e6
    if seconds <= 0 or before["started"] != now["started"] or not now["running"]:
        return None
    if before[name] is None or now[name] is None:
        return None
    change = float(now[name]) - float(before[name])
    return change / seconds


def by_trouble(readers: Mapping[str, State]) -> list[str]:
    """Readers' ids, those that need a person first; the others as they are configured."""
    return sorted(readers, key=lambda reader: _trouble(readers[reader]))


def _trouble(row: State) -> int:
    if row["state"] == ReaderState.ONLINE.value:
        return 3 if not row["detail"] else 2
    return 1 if row["state"] == ReaderState.DEGRADED.value else 0


def _trend(before: State, now: State) -> str:
    change = rate(before, now, "backlog")
    if change is None:
        return ""
    if change > _STEADY:
        return f", rising {change:.1f}/s"
    if change < -_STEADY:
        return f", falling {-change:.1f}/s, none left in {_duration(now['backlog'] / -change)}"
    return ", steady" if now["backlog"] else ""


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole >= _DAY_S:
        return f"{whole // _DAY_S} d {whole % _DAY_S // 3600} h"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"


def _so_far(before: State, now: State) -> str:
    parts = []
    for name, what in (("reads", "reads"), ("events", "events"), ("published", "published")):
        speed = rate(before, now, name)
        parts.append(f"{now[name]} {what}" + ("" if speed is None else f" {speed:.1f}/s"))
    return ", ".join(parts)


def _room(now: State) -> str:
    """Free room, the database and what is wrong with neither."""
    well = "ok" if now["database"] == "ok" else "in trouble"
    return f"{_size(now['disk_free_bytes'])} free, database {_size(now['database_bytes'])}, {well}"


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MB"


def _line(name: str, words: str, style: str = "") -> Text:
    return Text(f"{name:<10}{words}", style=style, no_wrap=True, end="\n")


def _readers(readers: Mapping[str, State], width: int, rows: int) -> Sequence[Table | Text]:
    """At most so many lines, with the heading and with one for those that have no room."""
    if rows < 2:  # noqa: PLR2004 - the heading and one reader
        return ()
    order = by_trouble(readers)
    fit = len(order) if len(order) <= rows - 1 else rows - 2
    table = Table(box=None, pad_edge=False, header_style="bold", width=width, expand=True)
    columns = _WIDE if width >= _WIDE_FROM else _COLUMNS
    for column in columns:
        right = column in NUMBERS
        table.add_column(column, no_wrap=True, justify="right" if right else "left", max_width=24, overflow="ellipsis")
    table.add_column("trouble", no_wrap=True, overflow="ellipsis", ratio=1)
    for reader in order[:fit]:
        row = readers[reader]
        cells = reader_cells(reader, row) | {"last read": _time_of_day(row["last_read_at"])}
        state = Text(cells["state"], style=_COLOURS.get(row["state"], "bold red"))
        texts = [state if column == "state" else Text(cells[column]) for column in columns]
        table.add_row(*texts, Text(row["detail"], style="red"))
    rest = [readers[reader] for reader in order[fit:]]
    if not rest:
        return (table,)
    online = sum(row["state"] == ReaderState.ONLINE.value for row in rest)
    speed = sum(row["reads_per_second"] for row in rest)
    more = f"and {len(rest)} more readers, {online} of them online, {speed:.1f} reads/s"
    return (table, Text(more, style="italic", no_wrap=True, overflow="ellipsis"))


def _time_of_day(at: int | None) -> str:
    return "never" if at is None else local_time(at)[11:]


def _footer(width: int) -> Text:
    footer = Text("q or Ctrl-C ends", style="reverse", no_wrap=True, end="")
    footer.truncate(width)
    return footer
