import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rfid_simulators.serial_cli import serial, tags_by_address


@pytest.mark.parametrize(
    "protocol", ["cfprime", "chafon", "gx5a", "line", "m100", "mercury", "r2000", "rdm6300", "swct", "tsl"]
)
def test_a_simulated_reader_says_where_it_is_and_takes_its_link_away_again(protocol: str, tmp_path: Path) -> None:
    link = tmp_path / "reader"
    result = CliRunner().invoke(serial, ["--protocol", protocol, "--link", str(link), "--seconds", "0.01"])
    assert (result.exit_code, result.output) == (0, f"{protocol} reader at {link}\n")
    assert not link.is_symlink()


@pytest.mark.parametrize("protocol", ["cfprime", "chafon", "gx5a", "r2000", "swct"])
def test_several_simulated_readers_share_a_line(protocol: str, tmp_path: Path) -> None:
    link = tmp_path / "bus"
    arguments = ["--protocol", protocol, "--link", str(link), "--address", "3", "--address", "7", "--echo"]
    result = CliRunner().invoke(serial, [*arguments, "--seconds", "0.01"])
    assert (result.exit_code, result.output) == (0, f"{protocol} reader at {link}\n")


def test_the_tags_of_a_bus_are_dealt_to_its_readers() -> None:
    heard = tags_by_address((3, 7), ("AA01", "BB02", "CC03"), 1000)(0, 1000)
    assert [(tag.reader_id, tag.epc) for tag in heard] == [("3", "AA01"), ("7", "BB02"), ("3", "CC03")]
    own = tags_by_address((3, 7), (), 1000)(0, 1000)
    assert [(tag.reader_id, tag.epc[-2:]) for tag in own] == [("3", "03"), ("7", "07")]


def test_a_reader_without_addresses_cannot_be_given_one(tmp_path: Path) -> None:
    arguments = ["--protocol", "line", "--link", str(tmp_path / "bus"), "--address", "3"]
    result = CliRunner().invoke(serial, arguments)
    assert result.exit_code == 2
    assert "--address goes with cfprime, chafon, gx5a, r2000, swct" in result.output


def test_a_simulated_reader_has_either_a_link_or_a_port() -> None:
    result = CliRunner().invoke(serial, ["--protocol", "line"])
    assert result.exit_code == 2
    assert "give either --link PATH or --port N" in result.output


def test_a_link_never_replaces_a_file(tmp_path: Path) -> None:
    taken = tmp_path / "reader"
    taken.write_text("mine")
    result = CliRunner().invoke(serial, ["--protocol", "line", "--link", str(taken)])
    assert result.exit_code == 1
    assert taken.read_text() == "mine"


def test_a_scene_is_told_and_a_fault_begins_when_it_is_due(tmp_path: Path) -> None:
    link = str(tmp_path / "reader")
    options = ["--link", link, "--seconds", "0.3", "--scene", "clean-pass", "--seed", "3", "--fault", "unplug:0.05@0.1"]
    result = CliRunner().invoke(serial, ["--protocol", "chafon", *options])
    first, truth, fault = result.output.splitlines()
    assert (result.exit_code, first) == (0, f"chafon reader at {link}")
    assert re.fullmatch(r"31[0-9A-F]{22} goes (in|out) through door-1 at [0-9.]+ s", truth)
    assert fault == "0.1 s: Unplug(out_us=50000)"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--fault", "explode"], "'explode' is no fault (the names are break-off"),
        (["--fault", "tags-per-frame"], "TagsPerFrame(count=1) has no meaning for SimulatedLineReader"),
        (["--fault", "cut"], "a pseudo-terminal has none"),
        (["--scene", "clean-pass", "--reader", "gate"], "no reader 'gate', expected one of dock-1"),
        (["--scene", "clean-pass", "--epc", "3034"], "give either --scene or --epc"),
        (["--reader", "dock-1"], "expected it with --scene only"),
    ],
)
def test_wrong_use_is_exit_code_2_and_leaves_no_link(options: list[str], text: str, tmp_path: Path) -> None:
    link = tmp_path / "reader"
    result = CliRunner().invoke(serial, ["--protocol", "line", "--link", str(link), *options])
    assert result.exit_code == 2
    assert text in result.output
    assert not link.is_symlink()
