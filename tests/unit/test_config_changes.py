import pytest

from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.config import Config, parse, placed
from rfid_gateway.config_changes import Changes, changes, needing_restart

TEXT = """\
[gateway]
site = "hamburg"
id = "gate-1"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "dock-1"
driver = "llrp"
host = "10.0.0.1"
[[readers]]
id = "shelf"
driver = "llrp"
host = "10.0.0.2"
[[zones]]
id = "storage"
antennas = ["shelf"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"
[[doors]]
id = "door-1"
inside = ["dock-1:1"]
outside = ["dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
"""
TABLE = '[[readers]]\nid = "table"\ndriver = "chafon"\nport = "/dev/ttyUSB0"\n'
TEXT_CHANGES = [
    ("", "", Changes()),
    ('"10.0.0.2"', '"10.0.0.3"', Changes(tables=("readers",), readers_changed=("shelf",))),
    (
        'driver = "llrp"\nhost = "10.0.0.2"',
        'driver = "chafon"\nport = "/dev/ttyUSB0"',
        Changes(("readers",), (), (), ("shelf",)),
    ),
    ("[[zones]]", f"{TABLE}[[zones]]", Changes(tables=("readers",), readers_added=("table",))),
    ('"shelf"', '"rack"', Changes(("readers", "zones"), ("rack",), ("shelf",), places=True)),
    ('host = "127.0.0.1"', 'host = "127.0.0.1"\nwindow = 5', Changes(tables=("mqtt",), broker=True)),
    ('host = "127.0.0.1"', 'host = "127.0.0.1"\nport = 1883', Changes()),
    ('"storing"', '"packing"', Changes(tables=("zones",))),
    ('00010.door-1"', '00010.door-7"', Changes(tables=("doors",))),
    ('00010.door-1"', '00010.door-1"\nquiet_s = 1.0', Changes(tables=("doors",), places=True)),
    ('antennas = ["shelf"]', 'antennas = ["shelf:1"]', Changes(tables=("zones",), places=True)),
    ("[mqtt]", '[alerts]\nreader_down_after_s = 1\n[log]\nlevel = "debug"\n[mqtt]', Changes(tables=("alerts", "log"))),
    ("[mqtt]", 'time_zone = "Europe/Berlin"\n[mqtt]', Changes(tables=("gateway",))),
]


def read(text: str) -> Config:
    return parse(text, "gateway.toml", InstalledDrivers())


@pytest.mark.parametrize(("old", "new", "expected"), TEXT_CHANGES)
def test_a_difference_leads_to_what_has_to_be_done_and_to_nothing_else(old: str, new: str, expected: Changes) -> None:
    assert changes(read(TEXT), read(TEXT.replace(old, new) if old else TEXT)) == expected


def test_the_order_of_readers_is_no_change() -> None:
    first, dock, shelf, rest = TEXT.partition("[[readers]]")[0], *TEXT.split("[[readers]]")[1:], ""
    shelf, zones, rest = shelf.partition("[[zones]]")
    turned = f"{first}[[readers]]{shelf}[[readers]]{dock}{zones}{rest}"
    found = changes(read(TEXT), read(turned))
    assert (found.readers_ended, found.readers_added, found.places) == ((), (), False)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ('"hamburg"', '"bremen"', "gateway.toml:2: gateway.site", "'hamburg', found 'bremen'"),
        ('"gate-1"', '"gate-2"', "gateway.toml:3: gateway.id", "'gate-1', found 'gate-2'"),
        ("[mqtt]", 'state_dir = "/srv"\n[mqtt]', "gateway.toml:4: gateway.state_dir", "found '/srv'"),
        ("[mqtt]", '[mqtt]\nprefix = "goods"', "gateway.toml:5: mqtt.prefix", "'rfid', found 'goods'"),
    ],
)
def test_what_needs_a_restart_is_named_with_its_line(old: str, new: str, place: str, said: str) -> None:
    text = TEXT.replace(old, new)
    (mistake,) = placed(needing_restart(read(TEXT), read(text)), text, "gateway.toml")
    assert mistake.startswith(f"{place}: needs a restart: the gateway runs with ")
    assert mistake.endswith(said)


def test_a_restart_key_that_was_taken_out_of_the_file_is_placed_at_its_table() -> None:
    before = read(TEXT.replace("[mqtt]", '[mqtt]\nprefix = "goods"'))
    assert [each[:20] for each in placed(needing_restart(before, read(TEXT)), TEXT, "gateway.toml")] == [
        "gateway.toml:4: mqtt"
    ]


def test_nothing_else_needs_a_restart() -> None:
    for old, new, _ in TEXT_CHANGES:
        text = TEXT.replace(old, new) if old else TEXT
        assert list(needing_restart(read(TEXT), read(text))) == []
