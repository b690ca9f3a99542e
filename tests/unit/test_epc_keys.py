"""What people and backends write, to keys of the shipment directory."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.epc.check_digit import check_digit
from rfid_gateway.epc.decode import decode
from rfid_gateway.epc.keys import digital_link, parse_unit_key

SSCC = "340123450000000017"
SSCC_KEY = f"(00){SSCC}"
SGTIN_KEY = "(01)04012345123456(21)A/1"
GRAI_KEY = "(8003)04012345123456R7"
GIAI_KEY = "(8004)4012345TRUCK-1"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SSCC, SSCC_KEY),
        (f"  {SSCC}\n", SSCC_KEY),
        (SSCC_KEY, SSCC_KEY),
        (f"{SSCC_KEY}(02)04012345123456(37)12", SSCC_KEY),
        (f"00{SSCC}", SSCC_KEY),
        (f"]C100{SSCC}", SSCC_KEY),
        (f"https://id.gs1.org/00/{SSCC}", SSCC_KEY),
        (f"https://example.com/track/00/{SSCC}?linkType=all", SSCC_KEY),
        ("urn:epc:id:sscc:4012345.3000000001", SSCC_KEY),
        ("urn:epc:id:sscc:401234.35000000001", SSCC_KEY),
        ("urn:epc:tag:sscc-96:2.4012345.3000000001", SSCC_KEY),
        ("3154F4E4E4B2D05E01000000", SSCC_KEY),
        ("epc:3154f4e4e4b2d05e01000000", SSCC_KEY),
        (f"F90{SSCC}0", SSCC_KEY),
        ("urn:epc:raw:96.x3154F4E4E4B2D05E01000000", SSCC_KEY),
        (SGTIN_KEY, SGTIN_KEY),
        ("010401234512345621A/1", SGTIN_KEY),
        ("010401234512345621A/1\x1d17260101", SGTIN_KEY),
        ("(01)04012345123456(17)260101(10)LOT(21)A/1", SGTIN_KEY),
        ("(01)04012345123456(21)A/1(17)260101", SGTIN_KEY),
        ("https://id.gs1.org/01/04012345123456/21/A%2F1", SGTIN_KEY),
        ("https://example.com/01/04012345123456/10/LOT/21/A%2F1?17=260101", SGTIN_KEY),
        ("urn:epc:id:sgtin:4012345.012345.A%2F1", SGTIN_KEY),
        ("4012345123456 A/1", SGTIN_KEY),
        ("04012345123456+A/1", SGTIN_KEY),
        (GRAI_KEY, GRAI_KEY),
        ("800304012345123456R7", GRAI_KEY),
        ("urn:epc:id:grai:4012345.12345.R7", GRAI_KEY),
        ("https://id.gs1.org/8003/04012345123456R7", GRAI_KEY),
        (GIAI_KEY, GIAI_KEY),
        ("80044012345TRUCK-1", GIAI_KEY),
        ("urn:epc:id:giai:4012345.TRUCK-1", GIAI_KEY),
        ("tid:e2801160600002054CE9A1B2", "tid:E2801160600002054CE9A1B2"),
        ("E2009A9040060AF000000372", "epc:E2009A9040060AF000000372"),
        ("000000000000000000000001", "epc:000000000000000000000001"),
        ("0A1B2C3D4E", "epc:0A1B2C3D4E"),
        ("epc:4012345123456", "epc:4012345123456"),
    ],
)
def test_every_way_to_write_a_unit_gives_its_key(text: str, key: str) -> None:
    assert parse_unit_key(text) == key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("340123450000000018", "check digit 8 is wrong, 7 would be right"),
        ("(00)340123450000000018", "check digit 8 is wrong, 7 would be right"),
        ("https://id.gs1.org/00/340123450000000018", "check digit 8 is wrong, 7 would be right"),
        ("34012345000000001", "its check digit would be 7"),
        ("(01)04012345123450(21)1", "GTIN 04012345123450: check digit 0 is wrong, 6 would be right"),
        ("(8003)040123451234577", "GRAI 04012345123457: check digit 7 is wrong, 6 would be right"),
        ("(00)34", "SSCC '34' must have 18 digits"),
        ("(00)34012345000000001X", "must have 18 digits"),
        ("4012345123456", "expected its serial number behind it, as in (01)04012345123456(21)SERIAL"),
        ("https://id.gs1.org/01/04012345123456", "must have 1 to 20 characters"),
        ("(01)04012345123456(21)" + "1" * 21, "must have 1 to 20 characters"),
        ("(01)04012345123456(21)ü", "may not hold 'ü'"),
        ("(8003)04012345123456", "must have 1 to 16 characters"),
        ("(8003)14012345123456R7", "must begin with 0"),
        ("urn:epc:id:sscc:4012345.300000000", "expected urn:epc:id:sscc:"),
        ("urn:epc:id:sgln:4012345.00010.0", "names no unit"),
        ("urn:epc:id:upui:857834.7838473.8398439", "names no unit"),
        ("https://id.gs1.org/414/4012345000108", "expected /00/"),
        ("3154F4E4E4B2D05E0100000", "odd number of hex digits"),
        ("epc:XYZ", "expected an SSCC of 18 digits"),
        ("ABC", "expected an SSCC of 18 digits"),
        ("pallet 7", "expected an SSCC of 18 digits"),
        ("", "expected an SSCC of 18 digits"),
    ],
)
def test_what_names_no_unit_is_refused_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_unit_key(text)
    assert message in str(refused.value)


def test_tag_and_all_its_names_have_the_same_key(shared: Path) -> None:
    vectors = json.loads((shared / "vectors" / "tds.json").read_text())["positive"]
    compared = 0
    for decoded in (decode(vector["hex"]) for vector in vectors):
        if decoded.key.startswith("epc:"):
            assert parse_unit_key(decoded.key) == decoded.key
            continue
        names = (decoded.hex, decoded.epc_uri, decoded.tag_uri, decoded.element_string, decoded.digital_link)
        assert {parse_unit_key(name) for name in (*names, decoded.key) if name} == {decoded.key}
        compared += 1
    assert compared > 200


@given(st.text("0123456789", min_size=17, max_size=17))
def test_every_sscc_with_its_check_digit_is_a_key(digits: str) -> None:
    sscc = digits + check_digit(digits)
    assert parse_unit_key(sscc) == parse_unit_key(f"00{sscc}") == f"(00){sscc}"


@given(st.text(max_size=40))
def test_any_text_gives_a_key_or_a_value_error(text: str) -> None:
    try:
        key = parse_unit_key(text)
    except ValueError:
        return
    assert key.startswith(("(", "epc:", "tid:"))


def test_every_urn_has_its_canonical_digital_link(shared: Path) -> None:
    vectors = json.loads((shared / "vectors" / "urn_digital_link.json").read_text())
    assert vectors
    assert {row["urn"]: digital_link(row["urn"]) for row in vectors} == {
        row["urn"]: row["digital_link"] for row in vectors
    }


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://id.gs1.org/00/340123450000000017",
        "urn:epc:raw:96.xE2009A9040060AF000000372",
        "urn:epc:tag:sscc-96:2.4012345.3000000001",
        "urn:epc:id:gid:268435455.16777215.68719476735",
        "urn:epc:id:usdod:2S194.68719476735",
        "urn:epc:id:sscc:4012345.300000000",
        "urn:epc:id:sscc:4012345.30000000x1",
        "urn:epc:id:sscc:4012345",
        "urn:epc:id:sgtin:4012345.012345.",
        "urn:epc:id:giai:4012345.",
        "urn:epc:id:sgln:40123.4500010.0",
        "urn:epc:id:bizloc:1.2.3",
        "urn:epc:idpat:sgtin:4012345.012345.*",
    ],
)
def test_what_is_no_epc_urn_of_a_gs1_key_has_no_digital_link(uri: str) -> None:
    assert digital_link(uri) is None


@given(st.text("urn:epcidsgtl.0123456789%", max_size=60))
def test_no_text_makes_digital_link_raise(text: str) -> None:
    link = digital_link(f"urn:epc:id:{text}")
    assert link is None or link.startswith("https://id.gs1.org/")
