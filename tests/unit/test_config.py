import re
from pathlib import Path
from typing import cast

import pytest

from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.config import Config, ConfigError, antenna_of, parse
from rfid_gateway.config_tables import Output, WebTable
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
    "# company_prefixes",
    "# persistent_disposition",
    '# event = "association"',
    "# parent",
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
    assert full.web == plain.web
    assert plain.web == WebTable()


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


def test_nothing_is_served_without_the_table_and_with_it_on_this_pc_alone() -> None:
    assert checked(GOOD).web is None
    assert checked(f"{GOOD}[web]\n").web == WebTable(address="127.0.0.1", port=8684)
    assert checked(f'{GOOD}[web]\naddress = "::"\nport = 80').web == WebTable(address="::", port=80)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('address = "localhost"', "address: expected an IP address of this PC, such as 127.0.0.1, or 0.0.0.0 for all"),
        ("address = 7", "address: expected a valid string, found 7"),
        ("port = 0", "port: expected greater than or equal to 1, found 0"),
        ("port = 65536", "port: expected less than or equal to 65535, found 65536"),
        ("prot = 80", "prot: unknown key, did you mean 'port'?"),
    ],
)
def test_a_mistake_in_the_web_table_names_its_line(line: str, expected: str) -> None:
    (found,) = mistakes(f"{GOOD}[web]\n{line}\n")
    assert found.startswith(f"gateway.toml:{GOOD.count(chr(10)) + 2}: web.{expected}")


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


def test_steps_that_exclude_each_other_in_one_flow_are_refused_where_the_coarse_one_stands() -> None:
    (mistake,) = mistakes(GOOD.replace('"storing"', '"shipping"'))
    assert mistake == (
        "gateway.toml:18: zones[0].arrived.biz_step: shipping stands for the whole of staging_outbound, loading, "
        "departing; use either it or departing, not both in the flow 'goods' (see doors[0].out)"
    )


def test_steps_that_exclude_each_other_may_stand_in_two_flows() -> None:
    config = checked(GOOD.replace('"storing"', '"shipping"').replace('id = "storage"', 'id = "storage"\nflow = "post"'))
    assert (config.zones[0].flow, config.doors[0].flow) == ("post", "goods")


STEP = 'biz_step = "storing"'


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (
            'biz_step = "storring"',
            "biz_step: 'storring' is no business step of CBV 2.0, and no URI of your own, did you",
        ),
        (
            'biz_step = "urn:epcglobal:cbv:bizstep:storing"',
            "biz_step: 'urn:epcglobal:cbv:bizstep:storing' is CBV's own value, which events write as a bare word: 'st",
        ),
        (f'{STEP}\ndisposition = "in_transport"', "disposition: 'in_transport' is no disposition of CBV 2.0, and no U"),
        (f'{STEP}\nevent = "aggregate"', "event: expected 'object', 'aggregation', 'association' or 'transaction', f"),
        (
            f'{STEP}\nevent = "aggregation"\nparent = "urn:x:1"',
            "parent: belongs to event = 'association', found event = 'aggregation': an aggregation takes its parent f",
        ),
        (f'{STEP}\nparent = "urn:x:1"', "parent: belongs to event = 'association', found event = 'object': it has no"),
        (f'{STEP}\nparent = "trailer 7"\nevent = "association"', "parent: String should match pattern"),
        (f'{STEP}\nparent = "urn:x:Anhänger"\nevent = "association"', "parent: String should match pattern"),
        (
            f'{STEP}\nevent = "aggregation"\npersistent_disposition = {{ set = ["damaged"] }}',
            "persistent_disposition: belongs to event = 'object', found event = 'aggregation' (EPCIS 2.0)",
        ),
        (f"{STEP}\npersistent_disposition = {{}}", "persistent_disposition: is empty; expected set, unset or both"),
        (
            f'{STEP}\npersistent_disposition = {{ set = ["damaged"], unset = ["damaged"] }}',
            "persistent_disposition: 'damaged' stands there twice",
        ),
        (
            f'{STEP}\npersistent_disposition = {{ set = ["damage"] }}',
            "persistent_disposition: 'damage' is no disposition of CBV 2.0, and no URI of your own, did you mean 'dama",
        ),
    ],
)
def test_a_mistake_in_a_step_names_its_line_and_what_was_meant(step: str, expected: str) -> None:
    assert STEP in GOOD
    (mistake,) = mistakes(GOOD.replace(STEP, step))
    line = 18 + next(n for n, text in enumerate(step.splitlines()) if text.startswith(expected.partition(":")[0]))
    assert mistake.startswith(f"gateway.toml:{line}: zones[0].arrived.{expected}"), mistake


def test_a_step_says_its_type_of_event_and_may_use_values_of_the_site() -> None:
    step = (
        'biz_step = "https://a.example/weighing"\ndisposition = "urn:x:dry"\nevent = "association"\nparent = "urn:x:1"'
    )
    arrived = checked(GOOD.replace(STEP, step)).zones[0].arrived
    assert arrived is not None
    assert (arrived.event_type, arrived.parent, arrived.biz_step) == (
        "AssociationEvent",
        "urn:x:1",
        "https://a.example/weighing",
    )


def test_bare_epcis_over_mqtt_3_is_refused_because_the_rest_would_be_lost() -> None:
    text = GOOD.replace("[mqtt]", '[mqtt]\nformat = "epcis"')
    assert checked(text).mqtt.format == "epcis"
    (mistake,) = mistakes(text.replace("[mqtt]", '[mqtt]\nprotocol = "3.1.1"'))
    assert mistake.startswith("gateway.toml:7: mqtt.format: 'epcis' needs protocol '5' or 'auto', found '3.1.1': ship")


def test_an_antenna_counts_from_one_and_a_reader_alone_means_all() -> None:
    assert antenna_of("dock-1:2") == ("dock-1", 2)
    assert antenna_of("dock-1") == ("dock-1", 0)
    with pytest.raises(ValueError, match="expected reader:antenna"):
        antenna_of("dock-1:x")
