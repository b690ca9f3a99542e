"""EPC binary encodings, against the vectors of the Tag Data Standard and against what readers really deliver."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfid_gateway.epc.decode import DecodedEpc, decode

FIELDS = ("scheme", "filter", "epc_uri", "tag_uri", "element_string", "digital_link")
HEADERS = [f"{header:02X}" for header in range(256)]
SSCC = "340123450000000017"
ONE_SSCC_THREE_PREFIXES = ("314D7EA5A441C9C381000000", "3154F4E4E4B2D05E01000000", "315987D48826299E01000000")


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, list[dict[str, Any]]]:
    content: dict[str, list[dict[str, Any]]] = json.loads((shared / "vectors" / "tds.json").read_text())
    return content


def test_every_positive_vector_decodes_to_its_representations(vectors: dict[str, list[dict[str, Any]]]) -> None:
    wrong = []
    for vector in vectors["positive"]:
        decoded = decode(vector["hex"])
        got = {name: getattr(decoded, name) for name in FIELDS} | {"error": decoded.error}
        expected = {name: vector[name] for name in FIELDS} | {"error": None}
        if got != expected:
            wrong.append((vector["hex"], got, expected))
    assert wrong == []
    assert len(vectors["positive"]) == 381


def test_every_negative_vector_becomes_a_raw_epc_with_a_reason(vectors: dict[str, list[dict[str, Any]]]) -> None:
    assert len(vectors["negative"]) == 23
    for vector in vectors["negative"]:
        decoded = decode(vector["hex"])
        is_hex = set(vector["hex"]) <= set("0123456789ABCDEF")
        raw_uri = f"urn:epc:raw:{4 * len(vector['hex'])}.x{vector['hex']}"
        assert decoded.error, vector["reason"]
        assert decoded.epc_uri == (raw_uri if is_hex else None)
        assert decoded.key == f"epc:{vector['hex']}"
        assert (decoded.scheme, decoded.filter, decoded.tag_uri) == (None, None, None)
        assert (decoded.element_string, decoded.digital_link, decoded.sscc) == (None, None, None)


def test_lower_case_hex_decodes_like_upper_case() -> None:
    assert decode("3154f4e4e4b2d05e01000000") == decode("3154F4E4E4B2D05E01000000")


@pytest.mark.parametrize(
    ("epc_hex", "reason"),
    [
        ("", "no EPC"),
        ("3", "header"),
        ("0x30", "hex digits"),
        ("30_00", "hex digits"),
        (" 3034257BF7194E4000001A85", "hex digits"),
        ("\uff130", "hex digits"),
        ("30", "SGTIN-96: too short"),
        ("000000000000000000000000", "not programmed"),
        ("E2009A9040060AF000000372", "header E2"),
        ("FE3795211411234538566CB0", "header FE is reserved"),
        ("301C00004000004000000001", "partition value 7"),
        ("301BFFFFFFFFFF4000000001", "company prefix 1048575 has more than 6 digits"),
        ("300000181C2CCA93A8B43711", "reference 10 has more than 1 digits"),
        ("3174257BF4499602D2000001", "24 reserved bits"),
        ("2D14257BF4499602D2000001", "24 reserved bits"),
        ("3674257BF6B7A6000000000000000000000000000000000000", "string has 0 characters"),
        ("36044032EAC191A465D9B37A176C5EB1769D72E557D5200CBC", "7-bit character"),
        ("3F76451FD612640000000007", "must be a 1 followed by"),
    ],
)
def test_the_error_says_what_is_wrong(epc_hex: str, reason: str) -> None:
    assert reason in (decode(epc_hex).error or "")


def test_characters_behind_the_first_null_are_refused() -> None:
    # SGTIN-198 with the serial "1", a null, and "1" again.
    serial = (0x31 << 133) | (0x31 << 119)
    item = 0x36 << 190 | 3 << 187 | 5 << 184 | 614141 << 160 | 812345 << 140
    assert "behind the end" in (decode(f"{(item | serial) << 2:050X}").error or "")


def six_bits(text: str) -> str:
    return "".join(f"{ord(character) & 0x3F:06b}" for character in text)


@pytest.mark.parametrize(
    ("part_number", "serial", "error"),
    [
        ("PN-1/2", "#9", None),
        ("", "9", None),
        ("PN", "9#", "ADI-var: # in 9# is out of place"),
        ("P#", "9", "ADI-var: # in P# is out of place"),
        ("PN", "", "ADI-var: string has 0 characters, 1 to 30 expected"),
        ("PN", "9" * 31, "ADI-var: string has 31 characters, 1 to 30 expected"),
    ],
)
def test_number_sign_stands_only_in_front_of_an_adi_serial(part_number: str, serial: str, error: str | None) -> None:
    bits = f"{0x3B:08b}{0:06b}" + six_bits(f" 35962{part_number}@{serial}@")
    decoded = decode(f"{int(bits.ljust(-len(bits) % 4 + len(bits), '0'), 2):X}")
    assert decoded.error == error


@pytest.mark.parametrize("cage", ["35I62", "3596O", "35-62"])
def test_cage_code_of_other_characters_is_refused(cage: str) -> None:
    bits = f"{0x3B:08b}{0:06b}" + six_bits(f" {cage}PN@1@")
    assert "no CAGE code character" in (decode(f"{int(bits.ljust(112, '0'), 2):X}").error or "")


def test_location_reference_of_no_digits_leaves_two_dots() -> None:
    decoded = decode("320039318D8401FFFFFFFFFF")
    assert decoded.epc_uri == "urn:epc:id:sgln:061411123456..2199023255551"


def test_location_reference_of_no_digits_must_be_zero() -> None:
    # The one bit that is left for the reference is set.
    assert "more than 0 digits" in (decode("320039318D8403FFFFFFFFFF").error or "")


def test_brackets_stay_and_slashes_are_escaped_in_urns() -> None:
    serial = "".join(f"{ord(character):07b}" for character in "a(1)/").ljust(140, "0")
    bits = f"{0x36:08b}{3:03b}{5:03b}{614141:024b}{812345:020b}{serial}00"
    decoded = decode(f"{int(bits, 2):050X}")
    assert decoded.epc_uri == "urn:epc:id:sgtin:0614141.812345.a(1)%2F"
    assert decoded.element_string == "(01)80614141123458(21)a(1)/"
    assert decoded.digital_link == "https://id.gs1.org/01/80614141123458/21/a%281%29%2F"


def test_pc_word_in_front_of_an_epc_makes_a_tag_that_does_not_exist() -> None:
    # No decoder can tell, so drivers strip the PC word by its place in the protocol, never by its looks.
    decoded = decode("3000E2009A9040060AF00000")
    assert decoded.epc_uri == "urn:epc:id:sgtin:242668184592.0.25953304576"


def test_one_sscc_has_several_urns_but_one_key() -> None:
    decoded = [decode(epc_hex) for epc_hex in (*ONE_SSCC_THREE_PREFIXES, f"F90{SSCC}0")]
    assert {each.key for each in decoded} == {f"(00){SSCC}"}
    assert {each.sscc for each in decoded} == {SSCC}
    assert len({each.epc_uri for each in decoded}) == 4


def test_padding_of_whole_words_changes_nothing_but_the_hex() -> None:
    epc_hex = "36D4257BF7194E58B266D1A800000000000000000000000000"
    assert decode(epc_hex + "00").epc_uri == decode(epc_hex).epc_uri
    assert decode(f"F90{SSCC}0000000").key == f"(00){SSCC}"


def test_key_is_the_element_string_of_what_travels_and_the_hex_of_everything_else() -> None:
    keys = {
        "3154F4E4E4B2D05E01000000": f"(00){SSCC}",
        "3074257BF7194E4000001A85": "(01)80614141123458(21)6789",
        "3376451FD40C0E400000162E": "(8003)095211411234545678",
        "3476451FD40000000000162E": "(8004)95211415678",
        "FA3952114132E83C2BF10": "(8004)952114132a/b",
        "3274257BF46072000000162E": "epc:3274257BF46072000000162E",
        "35FFFFFFFFFFFFFFFFFFFFFF": "epc:35FFFFFFFFFFFFFFFFFFFFFF",
        "E2009A9040060AF000000372": "epc:E2009A9040060AF000000372",
    }
    assert {epc_hex: decode(epc_hex).key for epc_hex in keys} == keys


def test_uri_is_urn_then_digital_link_then_raw() -> None:
    assert decode("3154F4E4E4B2D05E01000000").uri == "urn:epc:id:sscc:4012345.3000000001"
    assert decode(f"F90{SSCC}0").uri == f"https://id.gs1.org/00/{SSCC}"
    assert decode("E2009A9040060AF000000372").uri == "urn:epc:raw:96.xE2009A9040060AF000000372"
    assert decode("no hex").uri == "urn:epc:raw:24.xno%20hex"


def test_toggle_bit_makes_a_raw_uri_with_the_afi() -> None:
    decoded = decode("3154F4E4E4B2D05E01000000", afi=0xA1)
    assert decoded.epc_uri == "urn:epc:raw:96.xA1.x3154F4E4E4B2D05E01000000"
    assert decoded.scheme is None
    assert decoded.key == "epc:3154F4E4E4B2D05E01000000"


def test_what_is_decoded_once_is_kept() -> None:
    assert decode("3154F4E4E4B2D05E01000000") is decode("3154F4E4E4B2D05E01000000")


def assert_complete(decoded: DecodedEpc, text: str) -> None:
    assert decoded.hex.upper() == text.upper()
    assert (decoded.error is None) == (decoded.scheme is not None)
    assert decoded.uri
    assert decoded.key
    if decoded.error is None:
        assert decoded.epc_uri or decoded.digital_link


@given(st.text(max_size=60))
@example("\ud800")
def test_no_text_makes_decode_raise(text: str) -> None:
    decoded = decode(text)
    assert decoded.uri
    assert decoded.key.startswith(("epc:", "("))


@given(st.sampled_from(HEADERS), st.text("0123456789ABCDEF", max_size=130))
def test_no_hex_of_any_length_makes_decode_raise(header: str, rest: str) -> None:
    assert_complete(decode(header + rest), header + rest)


@given(st.sampled_from(["30", "31", "33", "34", "36", "37", "38", "F7", "F9", "FB", "EF"]), st.binary(min_size=30))
def test_no_content_of_a_unit_makes_decode_raise(header: str, rest: bytes) -> None:
    epc_hex = header + rest.hex().upper()
    assert_complete(decode(epc_hex), epc_hex)
