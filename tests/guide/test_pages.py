"""What an administrator's pages name: every command is run by a test, and nothing is missing or invented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rfid_gateway.cli import cli
from rfid_gateway.reads import ReaderState
from rfid_gateway.shipments.loads import Kind
from rfid_gateway.store.database import _IN_WORDS
from tests.guide.page import Command, PageError, Section, matches, parse
from tests.guide.pc import ELSEWHERE, SYSTEM, program, runs_here
from tests.guide.running import DOCS, PAGES, sections
from tests.guide.sites import SITES

ROOT = DOCS.parent
UNITS = {"rfid-gateway", "rfid-gateway@north", "ModemManager"}
TROUBLE = "troubleshooting.md"


def commands() -> Iterator[tuple[str, Section, Command]]:
    for page in PAGES:
        for section in sections(page):
            for command in section.commands:
                yield f"docs/{page}:{command.line}: {command.words}", section, command


def table(title: str) -> list[list[str]]:
    """Rows of the table under a heading, without its head."""
    (section,) = [each for each in sections(TROUBLE) if each.title == title]
    rows = [line.strip("| ").split(" | ") for line in section.text.splitlines() if line.startswith("|")]
    return rows[2:]


def named(title: str) -> set[str]:
    """What the first column of a table has in back-quotes."""
    return {word for row in table(title) for word in re.findall(r"`([^`]+)`", row[0])}


# Commands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("where", "section", "command"), list(commands()), ids=lambda value: str(value)[:60])
def test_every_command_is_run_by_a_test(where: str, section: Section, command: Command) -> None:
    if command.words in ELSEWHERE:
        return
    if section.site and runs_here(command.words):
        assert section.site in SITES, f"{where}: {section.site} is no site of tests/guide/sites.py"
    else:
        assert program(command.words) in SYSTEM, f"{where}: nothing runs it: without a site only {SYSTEM}"
        assert not command.answer, f"{where}: only make test compares answers"


def test_sites_are_all_used_and_known() -> None:
    used = {section.site for page in PAGES for section in sections(page) if section.site}
    assert used == set(SITES)


def test_commands_with_tests_of_their_own_are_still_there() -> None:
    assert set(ELSEWHERE) <= {command.words for _, _, command in commands()}


def test_units_and_files_of_the_package_exist() -> None:
    for where, _, command in commands():
        found = re.search(r"\bsystemctl (?:[\w-]+ )?(?:--now |-p \w+ )*(\S+)$", command.words)
        assert found is None or found[1] in UNITS, where
    assert (ROOT / "systemd/rfid-gateway.service").exists()
    assert (ROOT / "systemd/rfid-gateway@.service").exists()
    for page in PAGES:
        for path in re.findall(r"/lib/udev/rules.d/([\w.-]+)", (DOCS / page).read_text()):
            assert list(ROOT.glob(f"*/{path.removeprefix('70-')}*")) or list(ROOT.glob(f"*/*{path}*")), path


def test_commands_within_sentences_exist() -> None:
    for page in PAGES:
        for line in re.findall(r"`(?:sudo (?:-u rfid-gateway )?)?(rfid-gateway [^`]+)`", (DOCS / page).read_text()):
            words = line.split()[1:]
            node: click.Command = cli
            while (
                words
                and isinstance(node, click.Group)
                and (found := node.commands.get(words[0]) or _lazy(node, words[0]))
            ):
                node, words = found, words[1:]
            assert node is not cli, f"docs/{page}: {line}"
            options = {option for parameter in node.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, f"docs/{page}: {line}"


def _lazy(group: click.Group, name: str) -> click.Command | None:
    return group.get_command(click.Context(group), name)


# Words ---------------------------------------------------------------------------------------------------------------


def alert_kinds() -> set[str]:
    """Kinds of alerts in the code: what `Alert(...)` and `note(...)` are called with."""
    kinds: set[str] = set()
    dynamic: set[str] = set()
    files = [ROOT / "rfid_gateway/alerts.py", *(ROOT / "drivers").rglob("*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _called(node) in {"Alert", "note", "_trouble"} and node.args:
                match node.args[0]:
                    case ast.Constant(str(kind)):
                        kinds.add(kind)
                    case other:
                        dynamic.add(f"{file.name}: {ast.unparse(other)}")
    # What is not written out: a reader's state, a driver's own alert, a passage's verdict, a unit of another load.
    assert dynamic == {
        "alerts.py: kind",
        "alerts.py: alert.kind",
        "alerts.py: event.verdict",
        "alerts.py: misplaced.kind.value",
        "alerts.py: status",
        "reader.py: kind",
        "session.py: kind",
    }
    text = (ROOT / "rfid_gateway/alerts.py").read_text()
    kinds |= set(re.findall(r'ReaderState\.\w+: "(\w+)"', text))
    kinds |= set(re.findall(r'^    "(\w+)": "shipment', text, re.MULTILINE))
    return kinds | {Kind.MISROUTED.value, Kind.OVER.value}


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_every_alert_is_explained_and_none_invented() -> None:
    assert named("Alerts") == alert_kinds()


def test_every_state_of_a_reader_is_explained() -> None:
    assert named("States of readers") == {state.value for state in ReaderState}


def test_every_exit_code_is_explained() -> None:
    codes = set(re.findall(r"sys\.exit\((\d)\)", (ROOT / "rfid_gateway/cli/__init__.py").read_text()))
    assert named("Exit codes") == codes | {str(click.ClickException.exit_code), "0"}


def test_every_error_of_the_database_is_explained_and_none_invented() -> None:
    schema = (ROOT / "rfid_gateway/store/schema.py").read_text()
    words = named("Errors of the database")
    assert words >= {sentence for _, sentence in _IN_WORDS.values()}
    invented = words - {sentence for _, sentence in _IN_WORDS.values()}
    assert {each for each in invented if each not in schema} == set()
    assert len(invented) == len(re.findall(r"raise (?:Older|Newer)SchemaError\(", schema)) == 2


def test_the_table_of_symptoms_leads_to_every_section_and_links_lead_somewhere() -> None:
    anchors = {page: {section.anchor for section in sections(page)} for page in PAGES}
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", (DOCS / page).read_text()):
            if not target or target in PAGES:
                assert anchor in anchors[target or page], f"docs/{page}: #{anchor}"
            else:
                text = (DOCS / target).read_text()
                titles = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
                assert anchor in {Section(title, 0).anchor for title in titles}, f"docs/{page}: {target}#{anchor}"
    trouble = sections(TROUBLE)
    head = trouble[0].text
    unlisted = {
        section.title
        for section in trouble
        if section.site and f"(#{section.anchor})" not in head and section.line > 80
    }
    assert unlisted == {"The database has reached its quota", "A reader's clock"}


# The parser ----------------------------------------------------------------------------------------------------------


def test_commands_and_answers_of_a_terminal() -> None:
    text = "## A title!\n<!-- site: there -->\n```console\n$ one \\\n  two\nsaid\n$ three\n```\n"
    _, section = parse(text)
    assert (section.title, section.anchor, section.site) == ("A title!", "a-title", "there")
    assert section.commands == [Command(4, "one two", ("said",)), Command(7, "three", ())]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```\nls\n```\n", "line 1: nothing says how this block is run"),
        ("some words:\n\n    ls\n", "line 3: an indented block is run by nothing"),
        ("```console\nls\n```\n", "line 2: an answer without a command"),
        ("```console\n$ ls\n", "line 1: the block has no end"),
        ("<!-- file: x -->\nwords\n", "line 2: <!-- file --> is not followed by a block"),
    ],
)
def test_what_nothing_would_run_is_a_mistake(text: str, words: str) -> None:
    with pytest.raises(PageError, match=re.escape(words)):
        parse(text)


@pytest.mark.parametrize(
    ("answer", "said", "same"),
    [
        (("a ... d", "..."), "a b  c d\ne\nf\n", True),
        (("...", "e"), "a\nb\ne\n", True),
        (("a",), "a\nb\n", False),
        (("a", "b"), "a\n", False),
        ((), "", True),
        ((), "x\n", False),
        (("waiting   0",), "waiting 0   \n", True),
        (("waiting 0",), "waiting 10\n", False),
    ],
)
def test_an_answer_is_compared_whole(answer: tuple[str, ...], said: str, same: bool) -> None:  # noqa: FBT001
    assert matches(answer, said) is same


def test_the_readme_lists_the_pages() -> None:
    readme = Path(ROOT / "README.md").read_text()
    assert [page for page in PAGES if f"(docs/{page})" not in readme] == []
