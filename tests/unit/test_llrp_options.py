import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from rfid_drivers.llrp.options import LlrpOptions


def options(toml: str) -> LlrpOptions:
    return LlrpOptions.model_validate(tomllib.loads(toml))


def test_a_host_is_enough() -> None:
    assert options('host = "r1"').port == 5084


def test_antennas_are_a_list_in_toml() -> None:
    assert options('host = "r1"\nantennas = [2, 1]').antennas == (2, 1)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("antenas = [1]", "antenas"),
        ("antennas = [0]", "antennas"),
        ('antennas = ["1"]', "antennas"),
        ("port = 0", "port"),
        ('port = "5084"', "port"),
        ("session = 4", "session"),
        ("keepalive_s = 0", "keepalive_s"),
        ("report_every_n = 0", "report_every_n"),
        ("tx_power_dbm = 60", "tx_power_dbm"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(line: str, key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        options(f'host = "r1"\n{line}')
    assert refused.value.errors()[0]["loc"][0] == key


def test_every_option_is_described_and_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/llrp.md").read_text()
    for name, field in LlrpOptions.model_fields.items():
        assert field.description
        assert f"| `{name}` |" in page
