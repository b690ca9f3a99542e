"""Where in a TOML text a key stands, so that an error can name its line. Parses, opens nothing.

`tomllib` gives values without lines. This walks the same text once more and only looks for table headers and keys;
whether the text is TOML at all has been settled by `tomllib` before.
"""

import re

Path = tuple[str | int, ...]
"""Keys and list positions from the root: `("readers", 0, "host")`."""

_HEADER = re.compile(r"^\s*(\[\[?)([^\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


def lines_of_keys(text: str) -> dict[Path, int]:
    """Map every table and key of a TOML text to its line, counted from 1.

    Args:
        text: valid TOML.

    Returns:
        Paths to lines. Tables in arrays are counted from 0, in the order in which they stand.
    """
    lines: dict[Path, int] = {}
    array_lengths: dict[Path, int] = {}
    table: Path = ()
    inside = _Value()
    for number, line in enumerate(text.splitlines(), start=1):
        if inside.open:
            inside.feed(line)
            continue
        if header := _HEADER.match(line):
            table = _resolve(_parts(header[2]), array_lengths, opens_element=header[1] == "[[")
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(table + _parts(key[1]), number)
            inside.feed(line[key.end() :])
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """Line of a path, or of the nearest table around it; 1 where even that is unknown."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


def dotted(path: Path) -> str:
    """How messages write a path: `readers[0].host`; `file` for the root."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "file"


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(dotted))


def _resolve(parts: Path, array_lengths: dict[Path, int], *, opens_element: bool) -> Path:
    """Path of a table header: `[doors.out]` belongs to the latest `[[doors]]`."""
    path: Path = ()
    for index, part in enumerate(parts):
        path += (part,)
        if opens_element and index == len(parts) - 1:
            array_lengths[path] = array_lengths.get(path, 0) + 1
        if path in array_lengths:
            path += (array_lengths[path] - 1,)
    return path


class _Value:
    """Tells whether a value goes on behind the end of its line. Owner: one call of `lines_of_keys`."""

    def __init__(self) -> None:
        self._brackets = 0
        self._quotes = ""

    @property
    def open(self) -> bool:
        return bool(self._brackets > 0 or self._quotes)

    def feed(self, line: str) -> None:
        if self._quotes:
            _, closed, line = line.partition(self._quotes)
            if not closed:
                return
            self._quotes = ""
        for quotes in ('"""', "'''"):
            before, opened, after = line.partition(quotes)
            if opened:
                if quotes not in after:
                    self._quotes = quotes
                    line = before
                else:
                    line = before + after.partition(quotes)[2]
        bare = _STRING.sub("", line).partition("#")[0]
        self._brackets += sum(bare.count(char) for char in "[{") - sum(bare.count(char) for char in "]}")
