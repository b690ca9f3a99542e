from pathlib import Path

import pytest
from click.testing import CliRunner

from rfid_simulators.serial_cli import serial


@pytest.mark.parametrize("protocol", ["cfprime", "chafon", "gx5a", "line", "r2000", "rdm6300", "swct", "tsl"])
def test_a_simulated_reader_says_where_it_is_and_takes_its_link_away_again(protocol: str, tmp_path: Path) -> None:
    link = tmp_path / "reader"
    result = CliRunner().invoke(serial, ["--protocol", protocol, "--link", str(link), "--seconds", "0.01"])
    assert (result.exit_code, result.output) == (0, f"{protocol} reader at {link}\n")
    assert not link.is_symlink()


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
