"""Which serial readers may share a port, as `rfid-gateway check` says it."""

from pathlib import Path

import pytest

from rfid_gateway.cli.configuration import InstalledDrivers
from rfid_gateway.config import ConfigError, parse

TWO = """\
[gateway]
site = "hamburg"
id = "gate-1"

[mqtt]
host = "127.0.0.1"

[[readers]]
id = "a"
driver = "chafon"
port = "/dev/ttyUSB0"
mode = "poll"
address = 1

[[readers]]
id = "b"
driver = "chafon"
port = "/dev/ttyUSB0"
mode = "poll"
address = 2

[[zones]]
id = "storage"
antennas = ["a", "b"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
"""

SHARED = "g.toml:{}: readers[1].{}: the port is shared with reader 'a': "


def second(old: str, new: str) -> str:
    """The configuration with a change in its second reader."""
    at = TWO.index('id = "b"')
    assert old in TWO[at:]
    return TWO[:at] + TWO[at:].replace(old, new, 1)


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "g.toml", InstalledDrivers())
    return list(caught.value.mistakes)


def readers(driver: str, options: str) -> str:
    one, other = (TWO.index('id = "a"'), TWO.index("[[zones]]"))
    return (
        TWO[:one]
        + "[[readers]]\n".join(
            f'id = "{name}"\ndriver = "{driver}"\nport = "socket://10.0.0.1:4001"\n{options.format(number)}\n\n'
            for number, name in enumerate("ab", start=1)
        )
        + TWO[other:]
    )


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("chafon", 'mode = "poll"\naddress = {}'),
        ("swct", 'mode = "poll"\naddress = {}'),
        ("cfprime", 'mode = "poll"\naddress = {}'),
        ("gx5a", 'mode = "poll"\naddress = {}'),
        ("r2000", "address = {}"),
    ],
)
def test_polled_readers_with_addresses_may_share_a_port(driver: str, options: str) -> None:
    assert len(parse(readers(driver, options), "g.toml", InstalledDrivers()).readers) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            second('mode = "poll"', 'mode = "push"'),
            SHARED.format(19, "mode") + 'a reader that sends tags unasked needs a port of its own; expected "poll"',
        ),
        (
            second("address = 2", "address = 1"),
            "g.toml:20: readers[1].address: 1 is the address of reader 'a' on this port; expected another",
        ),
        (
            second("address = 2", ""),
            SHARED.format(15, "address")
            + "expected this reader's own address: on a shared port every reader would answer",
        ),
        (
            second("address = 2", "address = 2\nbaud = 9600"),
            "g.toml:21: readers[1].baud: 9600 differs from reader 'a' on this port; expected 57600",
        ),
        (
            second("address = 2", 'address = 2\nparity = "even"'),
            "g.toml:21: readers[1].parity: 'even' differs from reader 'a' on this port; expected 'none'",
        ),
        (
            second('"chafon"', '"swct"'),
            "g.toml:18: readers[1].port: reader 'a' on this port has another driver; expected the same",
        ),
    ],
)
def test_readers_that_cannot_share_are_refused_with_line_and_key(text: str, expected: str) -> None:
    assert expected in mistakes(text)


def test_both_readers_without_addresses_are_refused() -> None:
    text = readers("m100", "").replace("10.0.0.1:4001", "Reader.example:4001", 1).replace("10.0.0.1", "reader.EXAMPLE")
    found = mistakes(text)
    assert [mistake.split(": ")[1] for mistake in found] == ["readers[0].port", "readers[1].port"]
    assert all("no address, so each needs a port of its own" in mistake for mistake in found)


def test_a_gx5a_that_streams_needs_a_line_of_its_own() -> None:
    assert all('expected "poll"' in mistake for mistake in mistakes(readers("gx5a", "address = {}")))


def test_a_link_and_its_target_are_one_port(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    text = TWO.replace("/dev/ttyUSB0", str(tmp_path / "ttyUSB0"), 1).replace("/dev/ttyUSB0", str(tmp_path / "by-id"))
    assert len(parse(text, "g.toml", InstalledDrivers()).readers) == 2
    assert any("1 is the address" in mistake for mistake in mistakes(text.replace("address = 2", "address = 1")))


def test_ports_of_their_own_need_no_addresses() -> None:
    text = second("/dev/ttyUSB0", "/dev/ttyUSB1").replace('mode = "poll"', 'mode = "push"')
    assert len(parse(text, "g.toml", InstalledDrivers()).readers) == 2
