"""`+` and `++` schemes: what the vectors of the standard leave out."""

import pytest

from rfid_gateway.epc.bits import BitReader, CannotDecodeError
from rfid_gateway.epc.decode import decode
from rfid_gateway.epc.hostname import read_hostname
from rfid_gateway.epc.text import alphanumeric, delimited


def reader(bits: str) -> BitReader:
    return BitReader(int(bits, 2), len(bits))


def sequences(*codes: int) -> BitReader:
    return reader(f"1{len(codes):06b}" + "".join(f"{code:07b}" for code in codes))


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000010001011000101110", "5678"),
        ("000000010000", "0"),
        ("00100011101000001111", "A0F"),
        ("01000011101000001111", "a0f"),
        ("01100011011010111110111111", "a-_"),
        ("1000001001010000101001", "()"),
        # 1600 * 1 + 40 * 27 + 30 + 1
        ("10100011" + f"{2711:016b}", "A-0"),
        ("10100001" + f"{1601:016b}", "A"),
    ],
)
def test_every_encoding_indicator_has_its_characters(bits: str, text: str) -> None:
    assert alphanumeric(20)(reader(bits)) == (text,)


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        ("110000010000000", "indicator 6 is reserved"),
        ("00000000", "value has 0 characters"),
        ("000000011010", "more than 1 digits"),
        ("00100110" + "0000" * 6, "value has 6 characters, 1 to 5"),
        ("100000010100000", "20 is no 7-bit character"),
        ("101000010000000000000000", "no URN Code 40"),
        ("10100011" + f"{1601:016b}", "no URN Code 40"),
        ("10100001" + f"{2711:016b}", "no URN Code 40"),
        ("101000011111111111111111", "no URN Code 40"),
        ("001000110000", "12 more bits expected"),
    ],
)
def test_text_that_breaks_its_encoding_is_refused(bits: str, reason: str) -> None:
    with pytest.raises(CannotDecodeError, match=reason):
        alphanumeric(5)(reader(bits))


def test_digits_end_at_f_or_turn_into_text_at_e() -> None:
    assert delimited(30)(BitReader(0x0419029F, 32)) == ("0419029",)
    assert delimited(30)(reader("00011110100000011100001")) == ("1a",)
    with pytest.raises(CannotDecodeError, match="nibble A"):
        delimited(30)(BitReader(0x0A, 8))


def test_hostname_counts_sequences_not_characters() -> None:
    assert read_hostname(sequences(0x20, *b"acme", 0x5B)) == "id.acme.com"
    assert read_hostname(sequences(*b"acme", 0x00, 55)) == "acme.de"
    assert read_hostname(sequences(*b"acme", 0x01, 0)) == "acme.lk"
    assert read_hostname(sequences(*b"acme", 0x02, 25)) == "acme.co.uk"
    assert read_hostname(sequences(*b"acme", 0x03, 0)) == "acme.tech"


def test_hostname_in_code_40_is_given_in_lower_case() -> None:
    assert read_hostname(reader("0000011" + f"{1600 * 1 + 40 * 28 + 2 + 1:016b}")) == "a.b"


@pytest.mark.parametrize("codes", [(), (0x04,), (*b"acme", 0x00), (*b"acme", 0x03, 1)])
def test_broken_hostname_is_refused(codes: tuple[int, ...]) -> None:
    with pytest.raises(CannotDecodeError, match="hostname"):
        read_hostname(sequences(*codes))


def test_hostname_is_in_the_digital_link_but_not_in_the_key() -> None:
    decoded = decode("EF009520123456789123592832F8C3B786CCB6C0")
    assert decoded.uri == "https://id.example.com/00/095201234567891235"
    assert decoded.key == "(00)095201234567891235"
    assert decoded.sscc == "095201234567891235"


def test_date_of_a_dsgtin_is_neither_in_uri_nor_in_key() -> None:
    decoded = decode("FB342CDE795211411234538566CB0AFC4")
    assert decoded.uri == "https://id.gs1.org/01/79521141123453/21/32a%2Fb"
    assert decoded.key == "(01)79521141123453(21)32a/b"
    assert decoded.element_string == "(01)79521141123453(21)32a/b(17)220630"


@pytest.mark.parametrize("date", ["7" + "2CDE", "4" + "2C1E", "4" + "FCDE"])
def test_date_that_no_calendar_has_is_refused(date: str) -> None:
    assert "DSGTIN+: " in (decode(f"FB3{date}795211411234538566CB0AFC4").error or "")


def test_location_without_extension_has_no_ai_254() -> None:
    decoded = decode("F2395211411234540100")
    assert decoded.element_string == "(414)9521141123454"
    assert decoded.digital_link == "https://id.gs1.org/414/9521141123454"


def test_aidc_data_behind_the_key_is_left_alone() -> None:
    decoded = decode("F98340123450000000017" + "17" + "A0A1")
    assert decoded.element_string == "(00)340123450000000017"
    assert decoded.filter == 0
