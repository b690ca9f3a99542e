"""Nothing secret leaves the PC: the redaction of configurations, whole and broken, and of any other text."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.cli.packaged import FILES
from rfid_gateway.cli.support_bundle import _known_names
from rfid_gateway.support.redaction import GONE, redact, redact_configuration, redact_goods

KNOWN = frozenset(_known_names())
SECRET = "hunter2-Zürich"

PLACES = {
    "a comment": "# the old password was hunter2-Zürich\n",
    "a comment behind a value": '[mqtt]\nhost = "broker" # hunter2-Zürich\n',
    "what was commented out": '[mqtt]\n# password = "hunter2-Zürich"\n',
    "the user name": '[mqtt]\nusername = "hunter2-Zürich"\n',
    "a key that does not exist": '[mqtt]\npassword = "hunter2-Zürich"\n',
    "a key that nobody knows": '[mqtt]\nmode = "x"\ncolour = "hunter2-Zürich"\n',
    "a quoted key": '[mqtt]\n"pass word" = "hunter2-Zürich"\n',
    "a dotted key": 'mqtt.auth.password = "hunter2-Zürich"\n',
    "a dotted key with a known end": 'mqtt.auth.host = "hunter2-Zürich"\n',
    "a table that does not exist": '[secrets]\nhost = "hunter2-Zürich"\n',
    "the name of a table": '["hunter2-Zürich"]\nhost = "broker"\n',
    "an inline table": '[mqtt]\ntls = { ca_file = "/etc/ca.pem", key_password = "hunter2-Zürich" }\n',
    "an unknown inline table": 'secrets = { host = "hunter2-Zürich" }\n',
    "a list": '[commands]\ntokens = [ "one",\n  "hunter2-Zürich", # and\n]\n',
    "a list of tables": 'clients = [{ name = "wms", token = "hunter2-Zürich" }]\n',
    "a single-quoted string": "[mqtt]\npassword = 'hunter2-Zürich'\n",
    "a long string": '[mqtt]\nhost = """\nhunter2-Zürich"""\nport = 1\n',
    "a long literal": "[mqtt]\nhost = '''\nhunter2-Zürich\n'''\n",
    "an escaped string": '[mqtt]\npassword = "hunter2-Z\\u00fcrich"\n',
    "a file that is no file": '[mqtt]\npassword_file = "hunter2-Zürich"\n',
    "a token that is no file": '[[commands.clients]]\nname = "wms"\ntoken_file = "hunter2-Zürich"\n',
    "the user of a URL": '[mqtt]\nhost = "mqtt://hunter2-Zürich:x@broker"\n',
    "the password of a URL": '[[readers]]\nport = "socket://anna:hunter2-Zürich@10.0.0.1:4001"\n',
    "a password with an at": '[[readers]]\nport = "socket://anna:p@hunter2-Zürich@10.0.0.1:4001"\n',
    "an address without scheme": '[mqtt]\nfallbacks = ["anna:hunter2-Zürich@b:1883", "c"]\n',
    "a query of a URL": '[[readers]]\nport = "rfc2217://10.0.0.1:4001?key=hunter2-Zürich"\n',
    "a table that is not closed": '[mqtt\npassword = "hunter2-Zürich"\n',
    "a string that is not closed": '[mqtt]\npassword = "hunter2-Zürich\nhost = "broker"\n',
    "a long string that is not closed": '[mqtt]\nhost = """hunter2-Zürich\n',
    "no string at all": "[mqtt]\npassword = hunter2-Zürich\n",
    "a known key without quotes": "[mqtt]\nhost = hunter2-Zürich\n",
    "no key at all": "[mqtt]\nhunter2-Zürich\n",
    "a colon for the equals sign": '[mqtt]\npassword: "hunter2-Zürich"\n',
    "a list that is not closed": '[commands]\nallow = ["status"\nname = "x"\npassword = "hunter2-Zürich"\n',
    "a stray bracket": '[mqtt]\n] password = "hunter2-Zürich"\n',
    "no TOML but JSON": '{"mqtt": {"password": "hunter2-Zürich"}}\n',
    "no TOML but YAML": "mqtt:\n  password: hunter2-Zürich\n",
    "windows line ends": '[mqtt]\r\npassword = "hunter2-Zürich"\r\n',
}


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_goes_wherever_it_stands(place: str) -> None:
    text = PLACES[place]
    clean = redact_configuration(text, KNOWN)
    assert "hunter2" not in clean.text, clean.text
    assert clean.text.count("\n") == text.count("\n"), "lines keep their numbers"


FOUND_AGAIN = set(PLACES) - {"a comment", "a comment behind a value", "the name of a table"}


@pytest.mark.parametrize("place", sorted(FOUND_AGAIN))
def test_what_went_is_looked_for_in_every_other_text(place: str) -> None:
    secrets = redact_configuration(PLACES[place], KNOWN).secrets
    for said in (
        f"event=check reason='found {SECRET!r}' port=1",
        f"GET /{SECRET} HTTP/1.1",
        'reason="Z\\u00fcrich: hunter2-Z\\u00fcrich"',
        "url=http://x/hunter2-Z%C3%BCrich",
    ):
        assert "hunter2" not in redact(said, secrets), (said, secrets)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=200))
def test_any_text_at_all_is_walked_through_and_keeps_its_lines(text: str) -> None:
    assert redact_configuration(text, KNOWN).text.count("\n") == text.count("\n")


@given(st.lists(st.sampled_from(["[", "]", "{", "}", "=", '"', "'", '"""', "\\", "#", "\n", ",", " ", "mqtt", "x."])))
def test_whatever_stands_around_a_secret_lets_none_out(before: list[str]) -> None:
    text = "".join(before) + '\npassword = "hunter2-Zürich"\n'
    clean = redact_configuration(text, KNOWN).text
    assert "hunter2" not in clean, clean


def test_what_is_no_secret_stays() -> None:
    text = (FILES / "gateway.toml").read_text(encoding="utf-8")
    clean = redact_configuration(text, KNOWN)
    assert tomllib.loads(clean.text) == tomllib.loads(text), "the example has no secret"
    assert clean.secrets == frozenset()
    kept = '[mqtt]\nhost = "b"\npassword_file = "credential:mqtt-password"\n[mqtt.tls]\nca_file = "/etc/x/ca.pem"\n'
    assert redact_configuration(kept, KNOWN).text == kept
    assert redact_configuration(kept, KNOWN).files == ("credential:mqtt-password", "/etc/x/ca.pem")


@pytest.mark.parametrize(
    "text",
    [
        "connecting to mqtt://anna:hunter2@broker:1883",
        "anna:hunter2@broker refused",
        "mqtt.password=hunter2",
        'password = "hunter2 and more"',
        "{'token': 'hunter2'}",
        '{"api_key": "hunter2"}',
        "Environment=MQTT=hunter2 OTHER=hunter2",
        "SetCredential=mqtt-password:hunter2",
        "Authorization: Bearer hunter2hunter2",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2",
    ],
)
def test_what_looks_like_a_secret_goes_from_any_text(text: str) -> None:
    assert "hunter2" not in redact(text, ())


def test_names_of_files_and_ordinary_lines_stay() -> None:
    for line in (
        "mqtt.password_file: /etc/rfid-gateway/mqtt-password: Permission denied",
        "LoadCredential=mqtt-password:/etc/rfid-gateway/mqtt-password",
        "event=mqtt.connected broker=10.0.0.7:1883 protocol=5",
        "2026-11-25T10:00:00.000001+01:00 pc rfid-gateway[7]: event=gateway.start site=hamburg",
        "urn:epc:id:sgln:4012345.00010.store",
    ):
        assert redact(line, {"hunter2"}) == line


def test_a_short_secret_goes_only_as_a_word_of_its_own() -> None:
    assert redact("the pass abc of abcdef is abc.", {"abc"}) == f"the pass {GONE} of abcdef is abc."
    assert redact("a ab", {"a", "ab"}) == "a ab", "two letters hide nothing and take every text with them"


def test_goods_go_from_the_log_and_the_rest_stays() -> None:
    line = (
        'event=alert.raised kind=wrong_door severity=warning detail="shipment S-1 went out" door=d shipment=S-1 '
        "epc=3034257BF7194E4000001A85"
    )
    clean = redact_goods(f"{line}\nevent=reader.down reader=dock reason=away")
    assert "S-1" not in clean
    assert "3034" not in clean
    assert "kind=wrong_door" in clean
    assert "door=d" in clean
    assert clean.endswith("event=reader.down reader=dock reason=away")
