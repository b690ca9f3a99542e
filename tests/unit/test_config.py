from pathlib import Path

import pytest

from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.config import Config, ConfigError, antenna_of, parse

REFERENCE = Path(__file__).resolve().parents[2] / "config" / "gateway.toml"

WITHOUT_DEFAULT = ("username", "password_file", "# gln", "min_rssi_dbm", "antennas = [1", "# biz_step")

GOOD = """\
[gateway]
site = "hamburg"
id = "gate-1"

[mqtt]
host = "127.0.0.1"

[[readers]]
id = "dock-1"
driver = "llrp"
host = "10.0.0.1"

[[zones]]
id = "storage"
antennas = ["dock-1:3"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"

[[doors]]
id = "door-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
[doors.out]
biz_step = "departing"
"""


def checked(text: str) -> Config:
    return parse(text, "gateway.toml", InstalledDrivers())


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        checked(text)
    return caught.value.mistakes


def test_the_annotated_reference_is_a_good_configuration() -> None:
    config = checked(REFERENCE.read_text())
    assert [reader.id for reader in config.readers] == ["dock-1", "storage-1", "packing-1"]
    assert config.zone_info.key == "Europe/Berlin"


def test_the_reference_shows_every_default_as_it_is() -> None:
    """Enabling every commented `key = value` line changes nothing but the keys that have no default."""
    plain = checked(REFERENCE.read_text())
    enabled = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line.partition("#")[2].partition("#")[0] else line
        for line in REFERENCE.read_text().splitlines()
        if not any(word in line for word in WITHOUT_DEFAULT)
    )
    full = checked(enabled)
    assert full.zones == plain.zones
    assert full.doors == plain.doors
    assert full.gateway == plain.gateway
    assert full.mqtt == plain.mqtt
    assert full.shipments == plain.shipments


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('host = "127.0.0.1"', 'hots = "127.0.0.1"', "gateway.toml:6: mqtt.hots: unknown key, did you mean 'host'?"),
        ('host = "10.0.0.1"', 'hosst = "x"', "gateway.toml:11: readers[0].hosst: unknown key, did you mean 'host'?"),
        ('driver = "llrp"', 'driver = "lrp"', "gateway.toml:10: readers[0].driver: unknown driver 'lrp', did you mean"),
        (
            '"dock-1:3"',
            '"dock-2:3"',
            "gateway.toml:15: zones[0].antennas: 'dock-2:3': no reader 'dock-2', did you mean",
        ),
        ('"dock-1:3"', '"dock-1:0"', "gateway.toml:15: zones[0].antennas: 'dock-1:0': expected reader:antenna"),
        ('"storing"', '"sorting"', "gateway.toml:18: zones[0].arrived.biz_step: 'sorting' is no business step"),
        (
            '["dock-1:2"]',
            '["dock-1:1"]',
            "gateway.toml:20: doors[0]: door 'door-1': antenna 1 of reader 'dock-1' is on",
        ),
        ('site = "hamburg"', "site = 7", "gateway.toml:2: gateway.site: expected a valid string, found 7"),
        ('id = "gate-1"', 'id = "gate/1"', "gateway.toml:3: gateway.id: String should match pattern"),
        ('id = "gate-1"', 'time_zone = "UTC"', "gateway.toml:1: gateway.id: missing (name of this gateway"),
        ("[doors.out]", "quiet_s = 20.0\n[doors.out]", "gateway.toml:20: doors[0]: door 'door-1': cap (15000000"),
        ("[[zones]]", "[[zones", "gateway.toml: not TOML: "),
    ],
)
def test_every_mistake_names_its_line_its_key_and_what_was_meant(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    found = mistakes(GOOD.replace(old, new, 1))
    assert any(mistake.startswith(expected) for mistake in found), found


def test_all_mistakes_come_at_once() -> None:
    found = mistakes(
        GOOD.replace("127.0.0.1", "1").replace("[mqtt]", "[mqt]").replace('driver = "llrp"', 'driver = "x"')
    )
    assert [mistake.split(": ")[1] for mistake in found] == ["mqtt", "mqt", "readers[0].driver"]


def test_steps_that_exclude_each_other_are_refused() -> None:
    found = mistakes(GOOD.replace('"storing"', '"shipping"'))
    assert any("shipping" in mistake and "departing" in mistake for mistake in found), found


def test_an_antenna_counts_from_one_and_a_reader_alone_means_all() -> None:
    assert antenna_of("dock-1:2") == ("dock-1", 2)
    assert antenna_of("dock-1") == ("dock-1", 0)
    with pytest.raises(ValueError, match="expected reader:antenna"):
        antenna_of("dock-1:x")
