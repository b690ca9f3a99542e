"""A page of docs/ as steps for a terminal: which commands it shows, and what it says they answer. Pure.

How a page is written so that it can be run:

    ```console          a terminal: `$ ` begins a command, what follows is the answer. `...` stands for what is
    $ rfid-gateway ...  left out: within a line for any text, alone on a line for any number of lines.
    ```
    <!-- file: /etc/rfid-gateway/gateway.toml -->     the next block is what this file is to hold
    <!-- site: reader-off -->                         the state in which a warehouse PC is from here to the next heading
    <!-- fragment -->                                 the next block is part of a configuration

A block without any of these marks is a mistake, for nothing would run it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADING = re.compile(r"^(#{2,4}) +(.*)$")
_MARK = re.compile(r"^<!-- (?:(site|file): (.+)|(fragment)) -->$")
_FENCE = re.compile(r"^( *)```(\w*)$")
_PROMPT = "$ "


class PageError(Exception):
    """A page cannot be run as it stands; names its line."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed, and what is answered."""

    line: int
    words: str
    answer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """What a file is to hold."""

    line: int
    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Fragment:
    """Part of a configuration."""

    line: int
    content: str


Step = Command | File | Fragment


@dataclass(slots=True)
class Section:
    """What stands under one heading."""

    title: str
    line: int
    site: str = ""
    steps: list[Step] = field(default_factory=list)
    text: str = ""

    @property
    def anchor(self) -> str:
        """Where a link to it leads, as GitHub makes it from the title."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")

    @property
    def commands(self) -> list[Command]:
        return [step for step in self.steps if isinstance(step, Command)]


def parse(text: str) -> list[Section]:
    """Sections of a page, in order; the first is what stands before any heading.

    Raises:
        PageError: a block that nothing would run, or a mark without its block.
    """
    sections = [Section("", 1)]
    mark: tuple[str, str] | None = None
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        section = sections[-1]
        if heading := _HEADING.match(line):
            sections.append(Section(heading[2], number))
        elif found := _MARK.match(line):
            if found[1] == "site":
                section.site = found[2]
            else:
                mark = (found[1] or found[3], found[2] or "")
        elif fence := _FENCE.match(line):
            content = _block(lines, fence[1], number)
            section.steps += _steps(number, fence[2], mark, content)
            mark = None
        elif line.startswith("    ") and section.text.endswith("\n\n"):
            raise PageError(f"line {number}: an indented block is run by nothing; use ```console")
        else:
            section.text += line + "\n"
        if mark and line.strip() and not _MARK.match(line):
            raise PageError(f"line {number}: <!-- {mark[0]} --> is not followed by a block")
    return sections


def _block(lines: Iterator[tuple[int, str]], indent: str, begin: int) -> list[str]:
    content: list[str] = []
    for _, line in lines:
        if line == f"{indent}```":
            return content
        content.append(line.removeprefix(indent))
    raise PageError(f"line {begin}: the block has no end")


def _steps(line: int, language: str, mark: tuple[str, str] | None, content: list[str]) -> list[Step]:
    text = "\n".join(content) + "\n"
    if mark and mark[0] == "file":
        return [File(line, mark[1], text)]
    if mark:
        return [Fragment(line, text)]
    if language != "console":
        raise PageError(f"line {line}: nothing says how this block is run; see {__name__}")
    return _commands(line, content)


def _commands(begin: int, content: list[str]) -> list[Step]:
    commands: list[Step] = []
    words, at, answer = "", 0, list[str]()
    for number, line in enumerate(content, start=begin + 1):
        if words.endswith("\\"):
            words = words[:-1] + line.strip()
        elif line.startswith(_PROMPT):
            if words:
                commands.append(Command(at, words, tuple(answer)))
            words, at, answer = line.removeprefix(_PROMPT), number, []
        elif not words:
            raise PageError(f"line {number}: an answer without a command")
        else:
            answer.append(line)
    if words:
        commands.append(Command(at, words, tuple(answer)))
    return commands


def matches(answer: tuple[str, ...], said: str) -> bool:
    """Whether a program said what the page shows; blanks in a row count as one, and at a line's end as none."""
    pattern = ""
    for line in answer:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(_plain(part)) for part in _plain(line).split("...")) + r"\n"
    return re.fullmatch(pattern, "".join(_plain(line) + "\n" for line in said.splitlines())) is not None


def _plain(line: str) -> str:
    return " ".join(line.split())
