import re
from pathlib import Path
from typing import cast

import pytest

from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.config import Config, ConfigError, antenna_of, parse
from rfid_gateway.config_tables import Output
from rfid_gateway.driver import DriverType
from rfid_gateway.outputs import Occasion, OutputRule

REFERENCE = Path(__file__).resolve().parents[2] / "config" / "gateway.toml"

WITHOUT_DEFAULT = (
    "ca_file",
    "certificate_file",
    "key_file",
    "fallbacks",
    "client_id",
    "username",
    "password_file",
    "# gln",
    "min_rssi_dbm",
    "antennas = [1",
    "# biz_step",
    "# photo_eyes =",
)
OPTIONAL_TABLE = re.compile(r"^# \[\[.+?(?=^$)", re.MULTILINE | re.DOTALL)


class Lamps(LlrpReader):
    """An LLRP reader whose outputs nobody watches."""

    def set_output(self, port: int, *, high: bool) -> None:
        raise AssertionError(f"a check switches nothing, nor output {port} to {high}")


WITH_OUTPUTS: dict[str, DriverType] = {**InstalledDrivers(), "llrp": cast("DriverType", Lamps)}

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
        for line in OPTIONAL_TABLE.sub("", REFERENCE.read_text()).splitlines()
        if not any(word in line for word in WITHOUT_DEFAULT)
    )
    full = checked(enabled)
    assert full.zones == plain.zones
    assert full.doors == plain.doors
    assert full.gateway == plain.gateway
    assert full.mqtt == plain.mqtt
    assert full.shipments == plain.shipments
    assert full.alerts == plain.alerts


def test_the_outputs_of_the_reference_are_a_good_configuration() -> None:
    text = OPTIONAL_TABLE.sub(
        lambda found: found.group().replace("# ", "", 1).replace("\n# ", "\n"), REFERENCE.read_text()
    )
    (output,) = parse(text, "gateway.toml", WITH_OUTPUTS).outputs
    assert output.rule == OutputRule(
        "dock-1", 1, frozenset({Occasion.WRONG_DOOR, Occasion.UNDECIDED}), "door-1", 3_000_000
    )
    assert Output(reader="dock-1", port=1, on=output.on).seconds == output.seconds


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


OUTPUT = '[[outputs]]\nreader = "dock-1"\nport = 1\non = ["ok"]\n'
EYES = 'photo_eyes = ["dock-1:1", "dock-1:2"]'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"dock-1"', '"dock-2"', "gateway.toml:28: outputs[0].reader: no reader 'dock-2', did you mean 'dock-1'?"),
        ('"ok"', '"okay"', "gateway.toml:30: outputs[0].on[0]: expected 'ok', 'wrong_door'"),
        ("port = 1", "port = 0", "gateway.toml:29: outputs[0].port: expected"),
        ("port = 1", 'port = 1\ndoor = "door-2"', "gateway.toml:30: outputs[0].door: no door 'door-2', did you mean"),
    ],
)
def test_a_mistake_in_an_output_names_its_line(old: str, new: str, expected: str) -> None:
    assert old in OUTPUT
    with pytest.raises(ConfigError) as caught:
        parse(GOOD + OUTPUT.replace(old, new, 1), "gateway.toml", WITH_OUTPUTS)
    assert any(mistake.startswith(expected) for mistake in caught.value.mistakes), caught.value.mistakes


def test_an_output_of_a_reader_that_has_none_is_refused() -> None:
    text = GOOD.replace('driver = "llrp"\nhost = "10.0.0.1"', 'driver = "line"\nport = "/dev/ttyUSB0"') + OUTPUT
    (mistake,) = mistakes(text)
    assert mistake == (
        "gateway.toml:28: outputs[0].reader: reader 'dock-1' has no outputs: driver 'line' cannot switch any"
    )


def test_photo_eyes_are_read_with_their_level() -> None:
    eyes = f'{EYES}\nphoto_eye_active = "high"'
    rules = checked(GOOD.replace('outside = ["dock-1:2"]', eyes)).doors[0].rules
    assert rules.photo_eyes == (("dock-1", 1), ("dock-1", 2))
    assert rules.photo_eye_active_high
    assert rules.outside == frozenset()


def test_a_door_with_photo_eyes_may_name_its_antennas_in_one_list() -> None:
    sides = 'inside = ["dock-1:1"]\noutside = ["dock-1:2"]'
    (door,) = checked(GOOD.replace(sides, f'antennas = ["dock-1:1", "dock-1:2"]\n{EYES}')).doors
    assert door.rules.inside == frozenset({("dock-1", 1), ("dock-1", 2)})
    assert door.readers == {"dock-1"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('outside = ["dock-1:2"]', "", "gateway.toml:20: doors[0]: door 'door-1': outside needs at least one antenna"),
        ('inside = ["dock-1:1"]', "", "gateway.toml:20: doors[0].inside: missing; expected inside and outside, or"),
        ("[doors.out]", 'antennas = ["dock-1:4"]\n[doors.out]', "gateway.toml:25: doors[0].antennas: stands for the"),
        ("[doors.out]", 'photo_eyes = ["dock-1"]\n[doors.out]', "gateway.toml:25: doors[0].photo_eyes: 'dock-1': exp"),
        ("[doors.out]", 'photo_eyes = ["dock-2:1"]\n[doors.out]', "gateway.toml:25: doors[0].photo_eyes: 'dock-2:1'"),
        ("[doors.out]", 'photo_eye_active = "up"\n[doors.out]', "gateway.toml:25: doors[0].photo_eye_active: expected"),
    ],
)
def test_a_mistake_at_a_door_names_its_line(old: str, new: str, expected: str) -> None:
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
