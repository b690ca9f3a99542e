"""URIs of directory keys."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.epc.check_digit import check_digit
from rfid_gateway.epc.key_uris import company_prefix, uri_of_key
from rfid_gateway.epc.keys import parse_unit_key
from rfid_gateway.events.canonical import canonical_uri

digits = st.text(string.digits, min_size=12, max_size=12)
serials = st.text(string.ascii_letters + string.digits + "!\"%&'()*+,-./:;<=>?_", min_size=1, max_size=12)


@st.composite
def keys(draw: st.DrawFn) -> tuple[str, str]:
    """A directory key, and the digits that begin with its company prefix."""
    number, serial, first = draw(digits), draw(serials), draw(st.sampled_from(string.digits))
    gtin, asset, sscc = first + number, f"0{number}{check_digit(number)}", f"{first}{number}{number[:4]}"
    return draw(
        st.sampled_from(
            [
                (f"(00){sscc}{check_digit(sscc)}", number),
                (f"(01){gtin}{check_digit(gtin)}(21){serial}", number),
                (f"(8003){asset}{serial}", number),
                (f"(8004){number}{serial}", number),
            ]
        )
    )


@pytest.mark.parametrize(
    ("key", "urn", "link"),
    [
        (
            "(00)340123450000000017",
            "urn:epc:id:sscc:4012345.3000000001",
            "https://id.gs1.org/00/340123450000000017",
        ),
        (
            "(01)04012345777811(21)1001",
            "urn:epc:id:sgtin:4012345.077781.1001",
            "https://id.gs1.org/01/04012345777811/21/1001",
        ),
        ("(8003)0401234500042977", "urn:epc:id:grai:4012345.00042.77", "https://id.gs1.org/8003/0401234500042977"),
        ("(8004)4012345ROLL/7", "urn:epc:id:giai:4012345.ROLL%2F7", "https://id.gs1.org/8004/4012345ROLL%2F7"),
    ],
)
def test_key_becomes_a_urn_where_its_company_prefix_is_known_and_a_link_otherwise(
    key: str, urn: str, link: str
) -> None:
    assert uri_of_key(key, ("9990000", "4012345")) == urn
    assert uri_of_key(key, ()) == uri_of_key(key, ("9990000",)) == link


@given(keys(), st.integers(6, 12))
def test_urn_and_link_of_a_key_lead_back_to_it_and_to_one_event_hash(key: tuple[str, str], length: int) -> None:
    name, number = key
    urn, link = uri_of_key(name, (number[:length],)), uri_of_key(name, ())
    assert urn is not None
    assert link is not None
    assert urn.startswith("urn:epc:id:")
    assert company_prefix(urn) == number[:length]
    assert parse_unit_key(urn) == parse_unit_key(link) == name
    assert canonical_uri(urn) == canonical_uri(link)


def test_raw_tag_has_the_uri_that_it_decodes_to_and_a_chip_number_has_none() -> None:
    assert uri_of_key("epc:E2009A9040060AF000000000", ()) == "urn:epc:raw:96.xE2009A9040060AF000000000"
    assert uri_of_key("tid:E2801160600002054CE9A1B2", ("4012345",)) is None


@pytest.mark.parametrize("uri", [None, "urn:epc:id:gid:1.2.3", "urn:epc:raw:16.xE200", "https://id.gs1.org/00/1"])
def test_what_has_no_company_prefix_tells_none(uri: str | None) -> None:
    assert company_prefix(uri) is None
