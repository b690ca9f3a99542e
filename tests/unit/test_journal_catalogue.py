"""Every kind of log event is in systemd/journal.toml, and nothing else; what is made of it is up to date."""

import re
import shutil
import subprocess
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from rfid_gateway.alerts import Alert
from rfid_gateway.cli.service import service_files
from rfid_gateway.commands.reply import Outcome
from rfid_gateway.journal import message_id
from rfid_gateway.status_report import Summary
from tests.conftest import skip_or_fail
from tests.log_events import LogCall, calls_in, log_calls

ROOT = Path(__file__).resolve().parents[2]
ONLY_WHEN_RUNNING = {"command.*": [f"command.{outcome}" for outcome in Outcome]}
NOT_WRITTEN_OUT = {
    "alert.raised": {field.name for field in fields(Alert)},
    "gateway.stop": {field.name for field in fields(Summary)},
    "reload.applied": {"readers_added", "readers_removed", "readers_changed", "broker"},
}


@pytest.fixture(scope="module")
def catalogue() -> ModuleType:
    spec = spec_from_file_location("journal_catalogue", ROOT / "debian/journal_catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written() -> dict[str, list[LogCall]]:
    """Each kind of log event with the places that write it."""
    found: dict[str, list[LogCall]] = {}
    for call in log_calls():
        for name in ONLY_WHEN_RUNNING.get(call.name, [call.name]):
            found.setdefault(name, []).append(call)
    return found


def test_the_source_and_the_catalogue_have_the_same_events(
    catalogue: ModuleType, written: dict[str, list[LogCall]]
) -> None:
    listed = set(catalogue.load())
    missing = {name: [call.place for call in calls] for name, calls in written.items() if name not in listed}
    assert missing == {}, "not in systemd/journal.toml"
    assert listed - set(written) == set(), "in systemd/journal.toml, but nobody writes them"


def test_names_are_uniform(written: dict[str, list[LogCall]]) -> None:
    assert [name for name in written if not re.fullmatch(r"[a-z]+\.[a-z_]+", name)] == []


def test_levels_and_fields_are_those_of_the_source(catalogue: ModuleType, written: dict[str, list[LogCall]]) -> None:
    for name, kind in catalogue.load().items():
        levels = frozenset().union(*(call.levels for call in written[name]))
        assert kind["level"] in levels, name
        assert len(levels) == 1 or name.startswith("command."), name
        named = frozenset().union(*(call.fields for call in written[name]))
        if "**" in named:
            named = named - {"**"} | NOT_WRITTEN_OUT[name]
        assert set(kind["fields"]) == named, name


def test_explanations_name_only_fields_that_there_are(catalogue: ModuleType) -> None:
    for name, kind in catalogue.load().items():
        for words in (kind, kind.get("de", kind)):
            assert set(words) >= {"subject", "means", "do"}, name
            for text in (words["subject"], words["means"], words["do"]):
                assert {field.lower() for field in re.findall(r"@RFID_(\w+?)@", text)} <= set(kind["fields"]), name


def test_whatever_is_a_warning_or_worse_is_explained_in_german(catalogue: ModuleType) -> None:
    kinds = catalogue.load()
    assert [name for name, kind in kinds.items() if kind["level"] in {"warning", "error"} and "de" not in kind] == []


def test_the_document_is_up_to_date_and_has_the_right_ids(catalogue: ModuleType) -> None:
    text = (ROOT / "docs/journal.md").read_text(encoding="utf-8")
    assert text == catalogue.document(catalogue.load()), "python debian/journal_catalogue.py docs docs/journal.md"
    ids = dict(re.findall(r"^## (\S+)\n\n`([0-9a-f]{32})`", text, flags=re.MULTILINE))
    assert ids == {name: message_id(name) for name in catalogue.load()}


def test_systemd_takes_the_catalogues(catalogue: ModuleType, tmp_path: Path) -> None:
    if shutil.which("journalctl") is None:
        skip_or_fail("journalctl is not installed")
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    for file in service_files(Path("/opt/rfid-gateway/bin/rfid-gateway")):
        target = tmp_path / file.target
        if target.suffix == ".catalog":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.content)
    updated = journalctl(tmp_path, "--update-catalog")
    assert (updated.returncode, updated.stderr) == (0, "")
    listed = dict(line.split(" ", 1) for line in journalctl(tmp_path, "--list-catalog").stdout.splitlines())
    assert set(listed) == {message_id(name) for name in catalogue.load()}
    assert listed[message_id("store.recovered")] == "rfid-gateway: Events are kept again"
    # The catalogue's database has both languages, whichever this system can show.
    database = (tmp_path / "var/lib/systemd/catalog/database").read_bytes().decode(errors="replace")
    assert "Ereignisse werden wieder gespeichert" in database


def journalctl(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["journalctl", f"--root={root}", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )


def test_the_walk_over_the_source_finds_every_way_of_writing_an_event() -> None:
    source = """
log = structlog.get_logger(__name__)
def f(x):
    log.info("a.b", one=1)
    _log.exception("a.c", **x)
    log.error("a.d" if x else "a.e", two=2)
    level = log.info if x else log.warning
    level(f"a.{x}", three=3)
    math.log("no")
"""
    found = {(call.name, call.levels, call.fields) for call in calls_in(source, "x.py")}
    assert found == {
        ("a.b", frozenset({"info"}), frozenset({"one"})),
        ("a.c", frozenset({"error"}), frozenset({"**"})),
        ("a.d", frozenset({"error"}), frozenset({"two"})),
        ("a.e", frozenset({"error"}), frozenset({"two"})),
        ("a.*", frozenset({"info", "warning"}), frozenset({"three"})),
    }
    with pytest.raises(AssertionError, match=r"x\.py:2: the name of a log event is not written there"):
        list(calls_in("structlog.get_logger()\nlog.info(name)", "x.py"))
