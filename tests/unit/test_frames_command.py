"""`rfid-gateway frames` for every installed protocol."""

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rfid_gateway.cli.frames import frames
from tests.llrp_messages import message, usual_tag

RDM6300 = "02 31 37 30 30 36 36 32 38 42 35 45 43 03"


def run(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(frames, arguments, input=text)


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("protocol", sorted(entry.name for entry in entry_points(group="rfid_gateway.drivers")))
def test_every_installed_driver_explains_junk(protocol: str) -> None:
    found = rows(run(protocol, "--json", text="00 11 22 33 0D 0A FF FE FD 03"))
    assert found
    assert all(row["protocol"] == protocol and isinstance(row["offset"], int) and row["kind"] for row in found)


def test_rejected_bytes_and_the_tag_behind_them_keep_their_places() -> None:
    rejected, tag = rows(run("rdm6300", "--json", text=f"FF EE # noise\n{RDM6300}\n"))
    assert (rejected["kind"], rejected["offset"], rejected["raw"]) == ("rejected", 0, "FFEE")
    assert (tag["kind"], tag["offset"], tag["epc"]) == ("tags", 3, "17006628B5")


def test_a_file_is_binary_unless_it_is_called_hex(tmp_path: Path) -> None:
    data = message(61, usual_tag() + usual_tag())
    binary, text = tmp_path / "a.bin", tmp_path / "a.txt"
    binary.write_bytes(data)
    text.write_text(data.hex(" ", 2))
    first = rows(run("llrp", str(binary), "--json"))
    assert [row["offset"] for row in first] == [10, 53]
    assert rows(run("llrp", str(text), "--hex", "--json")) == first


def test_a_table_shows_the_tag_and_why_bytes_were_rejected() -> None:
    shown = run("rdm6300", text=f"FF EE {RDM6300}").output
    assert "17006628B5" in shown
    assert "before its end" in shown


def test_text_that_is_no_hex_is_named_by_its_line() -> None:
    result = run("line", text="00\nxy\n")
    assert result.exit_code == 1
    assert "standard input:2: expected pairs of hex digits" in result.output


def test_an_unknown_protocol_is_refused_with_those_there_are() -> None:
    result = run("morse")
    assert result.exit_code == 2
    assert "'morse' is no protocol, expected one of:" in result.output
    assert "llrp" in result.output
