"""Short texts become tables, or are refused with what was expected."""

from collections.abc import Callable

import pytest

from rfid_gateway.cli.asking import numbers
from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.mqtt.settings import TlsSettings
from rfid_gateway.setup import answers, names

DRIVERS = InstalledDrivers()
HERE = "urn:x:"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dock-1=llrp://10.0.0.5", {"id": "dock-1", "driver": "llrp", "host": "10.0.0.5"}),
        ("dock-1=llrp://reader.lan:5085", {"id": "dock-1", "driver": "llrp", "host": "reader.lan", "port": 5085}),
        ("d=llrp://[fd00::5]", {"id": "d", "driver": "llrp", "host": "fd00::5"}),
        (
            "d=llrp://[fd00::5]:1?tls=true&antennas=1,2&version=1.1",
            {
                "id": "d",
                "driver": "llrp",
                "host": "fd00::5",
                "port": 1,
                "tls": True,
                "antennas": [1, 2],
                "version": "1.1",
            },
        ),
        ("d=llrp://h?antennas=3", {"id": "d", "driver": "llrp", "host": "h", "antennas": [3]}),
        ("g=serial:///dev/ttyUSB0?protocol=chafon", {"id": "g", "driver": "chafon", "port": "/dev/ttyUSB0"}),
        (
            "g=serial:///dev/serial/by-id/usb-A_B%20C-if00?protocol=mercury&baud=9600",
            {"id": "g", "driver": "mercury", "port": "/dev/serial/by-id/usb-A_B C-if00", "baud": 9600},
        ),
        ("g=socket://10.0.0.7:4001?protocol=m100", {"id": "g", "driver": "m100", "port": "socket://10.0.0.7:4001"}),
        ("g=rfc2217://h:1?protocol=m100", {"id": "g", "driver": "m100", "port": "rfc2217://h:1"}),
    ],
)
def test_an_address_is_a_reader(text: str, expected: dict[str, object]) -> None:
    assert answers.reader(text, DRIVERS).model_dump() == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("llrp://10.0.0.5", "expected a reader such as dock-1=llrp://"),
        ("d=10.0.0.5", "expected llrp://HOST or serial:///dev/"),
        ("d=llpr://h", "no driver 'llpr', did you mean 'llrp'"),
        ("d=llrp://h:0", "the port from 1 to 65535"),
        ("d=llrp://[fd00::5", "Invalid IPv6 URL"),
        ("d=llrp://h?anntennas=1", "unknown key 'anntennas', did you mean 'antennas'"),
        ("d=llrp://h?antennas=x", "antennas"),
        ("d=llrp://h?tls", "expected key=value behind the ?"),
        ("d=llrp://h?keepalive_s=100", "keepalive_s"),
        ("d=chafon://h", "serial:///dev/...?protocol=chafon"),
        ("d=serial:///dev/x?protocol=llrp", "llrp://HOST"),
        ("d=serial:///dev/x", "rfid-gateway detect finds it out"),
        ("d=serial://dev/x?protocol=chafon", "three slashes"),
        ("Tür=llrp://h", "'tuer' would do"),
    ],
)
def test_an_address_that_is_none_is_explained(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        answers.reader(text, DRIVERS)
    assert told in str(caught.value)


def test_a_door_and_a_zone_take_what_usually_is_meant() -> None:
    door = answers.door("door-1=dock-1:1/dock-1:2,dock-1:3", HERE)
    assert (door.inside, door.outside, door.read_point) == (("dock-1:1",), ("dock-1:2", "dock-1:3"), "urn:x:door-1")
    assert door.into is not None
    assert (door.into.biz_step, door.into.biz_location) == ("arriving", "urn:x:site")
    assert door.out is not None
    assert (door.out.biz_step, door.out.disposition, door.out.biz_location) == ("departing", "in_transit", None)
    zone = answers.zone("packtisch=table", HERE)
    assert (zone.antennas, zone.read_point) == (("table",), "urn:x:packtisch")
    assert zone.arrived is not None
    assert (zone.arrived.biz_step, zone.arrived.biz_location) == ("packing", "urn:x:packtisch")


def test_what_is_meant_otherwise_is_said_behind_a_question_mark() -> None:
    door = answers.door("d=a:1/a:2?in=receiving&out=shipping&read_point=urn:y:d&biz_location=urn:y:0", HERE)
    assert door.into is not None
    assert door.out is not None
    assert (door.into.biz_step, door.out.biz_step, door.read_point) == ("receiving", "shipping", "urn:y:d")
    assert door.into.biz_location == "urn:y:0"
    zone = answers.zone("z=a:3,a:4?step=staging_outbound", HERE)
    assert zone.arrived is not None
    assert (zone.antennas, zone.arrived.biz_step) == (("a:3", "a:4"), "staging_outbound")


@pytest.mark.parametrize(
    ("make", "text", "told"),
    [
        (answers.zone, "z", "expected a zone such as"),
        (answers.zone, "z=", "expected a zone such as"),
        (answers.zone, "z=,", "no antennas"),
        (answers.zone, "z=a:x", "reader:antenna"),
        (answers.zone, "z=a?stepp=packing", "did you mean 'step'"),
        (answers.zone, "z=a?read_point=Tür", "read_point"),
        (answers.zone, "Zoné 1=a", "'zone-1' would do"),
        (answers.door, "d=a:1", "inside / outside"),
        (answers.door, "d=a:1/a:2/a:3", "inside / outside"),
        (answers.door, "d=a:1/", "no antennas"),
        (answers.door, "d=a:1/a:2?step=packing", "unknown key 'step'"),
    ],
)
def test_a_place_that_is_none_is_explained(make: Callable[[str, str], object], text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        make(text, HERE)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("address", "tls", "expected"),
    [
        ("broker", None, ("broker", 1883)),
        ("broker", TlsSettings(), ("broker", 8883)),
        ("broker:8884", TlsSettings(), ("broker", 8884)),
        ("fd00::1", None, ("fd00::1", 1883)),
        ("[fd00::1]:99", None, ("fd00::1", 99)),
    ],
)
def test_a_brokers_address(address: str, tls: TlsSettings | None, expected: tuple[str, int]) -> None:
    broker = answers.broker(address, tls)
    assert (broker.host, broker.port) == expected
    assert broker.model_fields_set == {"host", "port"} | ({"tls"} if tls else set())


def test_a_password_without_a_user_is_refused() -> None:
    with pytest.raises(ValueError, match="password_file without username"):
        answers.broker("broker", None, None, "/etc/password")


@pytest.mark.parametrize(
    ("text", "name"),
    [("Tor Süd 1", "tor-sued-1"), ("Größe", "groesse"), ("  a__b  ", "a-b"), ("東京", ""), ("x" * 80, "x" * 64)],
)
def test_any_text_makes_a_name_or_none(text: str, name: str) -> None:
    assert names.name_of(text) == name
    if name:
        assert answers.checked_name(name, "a site") == name


@pytest.mark.parametrize(
    ("given", "place", "site"),
    [
        ("", "urn:rfid-gateway:bremen:door-1", "urn:rfid-gateway:bremen:site"),
        (
            "4012345000009",
            "https://id.gs1.org/414/4012345000009/254/door-1",
            "https://id.gs1.org/414/4012345000009",
        ),
        ("https://example.com/places", "https://example.com/places/door-1", "https://example.com/places/site"),
        (
            "urn:epc:id:sgln:4012345.00010.",
            "urn:epc:id:sgln:4012345.00010.door-1",
            "urn:epc:id:sgln:4012345.00010.site",
        ),
    ],
)
def test_read_points_are_made_of_a_gln_or_a_uri(given: str, place: str, site: str) -> None:
    locations = names.locations_of(given, "bremen")
    assert answers.checked_uri(f"{locations}door-1") == place
    assert answers.checked_uri(names.site_location(locations)) == site


@pytest.mark.parametrize(("text", "told"), [("401234500000", "a GLN has 13"), ("4012345000008", "would be 9")])
def test_digits_that_are_no_gln_are_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        names.locations_of(text, "bremen")


def test_numbers_choose_among_what_is_there() -> None:
    assert numbers("all", 3) == [0, 1, 2]
    assert numbers("none", 3) == numbers("", 3) == []
    assert numbers("3, 1,3", 3) == [2, 0]
    for text, told in (("4", "from 1 to 3"), ("0", "from 1 to 3"), ("x", "from 1 to 3"), ("²", "from 1 to 3")):
        with pytest.raises(ValueError, match=told):
            numbers(text, 3)
    with pytest.raises(ValueError, match="none to choose"):
        numbers("1", 0)
