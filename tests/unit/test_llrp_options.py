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


def test_encrypted_llrp_has_a_port_of_its_own() -> None:
    assert options('host = "r1"\ntls = true').port == 5085
    assert options('host = "r1"\ntls = true\nport = 6000').port == 6000


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("", "either host .* or listen"),
        ('host = "r1"\nlisten = "0.0.0.0:5084"\nidentification = "00"', "either host .* or listen"),
        ('listen = "0.0.0.0:5084"', "identification"),
        ('host = "r1"\nidentification = "00:16"', "belong together"),
        ('listen = "0.0.0.0:5084"\nidentification = "00"\ntls = true', "tls is for connections to the reader"),
        ('host = "r1"\ntls = true\ntls_key_file = "k"', "tls_certificate_file is missing"),
        ('host = "r1"\ntls_ca_file = "ca.pem"', "tls_ca_file has no effect"),
        ('host = "r1"\ntls_verify = false', "tls_verify has no effect"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_words(toml: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        options(toml)


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
        ('listen = "5084"', "listen"),
        ('identification = "dock"', "identification"),
        ('version = "2.0"', "version"),
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
