import base64
import json
import math
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfid_drivers.llrp.reports import DecodedReport, ReportDecoder
from rfid_gateway.reads import TagRead
from tests.llrp_messages import EPC, UTC, custom, epc96, epc_data, tag, tlv, tv, usual_tag
from tests.llrp_plain_decoder import PlainReader, plain_reading

NOW = UTC + 12345
HEX = EPC.hex().upper()


def decode(*tags: bytes) -> DecodedReport:
    return ReportDecoder().decode(b"".join(tags), NOW)


def only_read(*parameters: bytes) -> TagRead:
    report = decode(tag(*parameters))
    assert report.errors == ()
    (read,) = report.tag_reads
    return read


@pytest.mark.parametrize("number", ["001", "003", "005", "007", "009"])
def test_recorded_reports_decode_as_recorded(shared: Path, number: str) -> None:
    stem = shared / "vectors/llrp" / f"ROAccessReport-{number}"
    expected = json.loads(stem.with_suffix(".json").read_text())["TagReportData"]
    report = ReportDecoder().decode(stem.with_suffix(".bytes").read_bytes(), NOW)
    assert [
        (read.epc, read.antenna_id, read.peak_rssi, read.first_seen, read.last_seen) for read in report.tag_reads
    ] == [
        (
            base64.b64decode(one["EPC96"]["EPC"]).hex().upper(),
            one["AntennaID"],
            one["PeakRSSI"],
            one["FirstSeenUTC"],
            one["FirstSeenUTC"],
        )
        for one in expected
    ]


def test_every_standard_value_arrives() -> None:
    read = only_read(
        epc96(),
        tv(9, "I", 1),
        tv(14, "H", 2),
        tv(10, "H", 3),
        tv(1, "H", 4),
        tv(6, "b", -61),
        tv(7, "H", 5),
        tv(2, "Q", UTC),
        tv(4, "Q", UTC + 7),
        tv(8, "H", 6),
        tv(12, "H", 0x3000),
        tv(11, "H", 0xBEEF),
        tv(19, "H", 1),
        tv(20, "H", 2),
        tv(16, "I", 9),
    )
    assert read == TagRead(HEX, 4, UTC, UTC + 7, peak_rssi=-61.0, tag_seen_count=6, pc=0x3000, channel=5)


def test_impinj_values_arrive_in_radians_dbm_and_hertz() -> None:
    read = only_read(
        epc96(),
        tv(6, "b", -55),
        custom(56, struct.pack("!H", 1024)),
        custom(57, struct.pack("!h", -5512)),
        custom(68, struct.pack("!h", -40)),
        custom(55, struct.pack("!H", 2) + b"\xe2\x80\x11\x60"),
    )
    assert read.phase == pytest.approx(math.pi / 2)
    assert (read.peak_rssi, read.doppler, read.tid) == (-55.12, -2.5, "E2801160")


def test_a_whole_turn_of_phase_stays_below_two_pi() -> None:
    read = only_read(epc96(), custom(56, struct.pack("!H", 4095)))
    assert read.phase is not None
    assert math.tau - 0.002 < read.phase < math.tau


@pytest.mark.parametrize(
    ("bits", "encoded", "expected"),
    [
        (128, bytes(range(16)), bytes(range(16)).hex().upper()),
        (96, EPC, HEX),
        (100, EPC + b"\xa0", HEX + "A"),
        (16, b"\xab\xcd", "ABCD"),
        (496, bytes(62), "00" * 62),
    ],
)
def test_an_epc_has_the_digits_of_its_bit_length(bits: int, encoded: bytes, expected: str) -> None:
    assert only_read(epc_data(bits, encoded)).epc == expected


def test_uptime_stands_in_for_utc_and_is_told() -> None:
    report = decode(tag(epc96(), tv(3, "Q", 17), tv(5, "Q", 19)))
    assert report.clock == "uptime"
    assert (report.tag_reads[0].first_seen, report.tag_reads[0].last_seen) == (17, 19)


def test_utc_is_preferred_where_a_tag_has_both() -> None:
    report = decode(tag(epc96(), tv(3, "Q", 17), tv(2, "Q", UTC), tv(5, "Q", 19)))
    assert report.clock == "utc"
    assert (report.tag_reads[0].first_seen, report.tag_reads[0].last_seen) == (UTC, UTC)


def test_a_tag_without_a_time_was_seen_now() -> None:
    report = decode(tag(epc96()))
    assert report.clock is None
    assert report.tag_reads == (TagRead(HEX, 0, NOW, NOW),)


def test_a_time_beyond_all_clocks_counts_as_none() -> None:
    report = decode(tag(epc96(), tv(2, "Q", 0xFFFF_FFFF_FFFF_FFFF)), usual_tag())
    assert [read.first_seen for read in report.tag_reads] == [NOW, UTC]


def test_unknown_tlv_and_foreign_custom_parameters_are_stepped_over() -> None:
    read = only_read(
        epc96(),
        tlv(777, b"odd"),
        custom(709, b"\x01\x02", vendor=161),
        custom(9999, b""),
        tlv(349, b"\0" * 5),
        tv(1, "H", 2),
    )
    assert (read.epc, read.antenna_id) == (HEX, 2)


def test_other_parameters_of_the_report_are_stepped_over() -> None:
    report = decode(tlv(242, b"survey"), usual_tag(), custom(1, b"x"), usual_tag(antenna=2))
    assert [read.antenna_id for read in report.tag_reads] == [1, 2]
    assert report.errors == ()


def test_an_empty_report_is_no_error() -> None:
    assert decode() == DecodedReport((), None)


@pytest.mark.parametrize("count", [1, 2, 128, 129, 1000])
def test_long_reports_are_decoded_to_the_last_tag(count: int) -> None:
    decoder = ReportDecoder()
    body = b"".join(usual_tag(antenna=number % 4 + 1, seen=UTC + number) for number in range(count))
    for _ in range(2):
        assert list(decoder.decode(body, NOW).tag_reads) == plain_reading(body, NOW)


DAMAGED = {
    "E4 unknown TV type": tag(epc96(), tv(25, "H", 1), tv(1, "H", 4)),
    "E5 TLV of length 0": tag(epc96(), b"\x03\x09\x00\x00", tv(1, "H", 4)),
    "E6 TLV that overruns": tag(epc96(), b"\x03\x09\x00\xff\x00"),
    "E7 TV cut off": tag(epc96(), b"\x82\x00\x01"),
    "E8 a trailing byte": tag(epc96(), b"\x00"),
    "a custom parameter too short for its vendor": tag(epc96(), tlv(1023, b"\0\0\x65")),
    "a TID longer than its parameter": tag(epc96(), custom(55, struct.pack("!H", 9) + b"\xe2\x80")),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_in_a_tag_costs_what_follows_it_there_and_no_other_tag(damaged: bytes) -> None:
    report = decode(usual_tag(), damaged, usual_tag(antenna=3))
    assert [read.epc for read in report.tag_reads] == [HEX] * 3
    assert [read.antenna_id for read in report.tag_reads] == [1, 0, 3]
    assert len(report.errors) == 1
    assert "tag at byte" in report.errors[0]


@pytest.mark.parametrize(
    "nameless",
    [
        tag(tv(1, "H", 4)),
        tag(),
        tag(epc_data(0, b"")),
        tag(epc_data(96, b"\x30" * 5)),
        tag(tlv(241, b"\0")),
        tag(b"\x99", epc96()),
    ],
)
def test_a_tag_without_an_epc_is_left_out_and_told(nameless: bytes) -> None:
    report = decode(usual_tag(), nameless, usual_tag())
    assert len(report.tag_reads) == 2
    assert len(report.errors) == 1


@pytest.mark.parametrize("length", [0, 3, 500, 65535])
def test_a_tag_of_impossible_length_keeps_the_tags_before_it(length: int) -> None:
    report = decode(usual_tag(), b"\x00\xf0" + length.to_bytes(2) + b"rest")
    assert len(report.tag_reads) == 1
    assert "expected 4 to 8" in report.errors[0]


def test_a_damaged_tag_is_never_the_pattern_for_others() -> None:
    decoder = ReportDecoder()
    damaged = tag(epc96(), tv(25, "H", 1), tv(1, "H", 4))
    sound = tag(epc96(), tv(10, "H", 1), tv(1, "H", 4))
    assert len(damaged) == len(sound)
    assert decoder.decode(damaged, NOW).tag_reads[0].antenna_id == 0
    assert decoder.decode(sound, NOW).tag_reads[0].antenna_id == 4
    assert decoder.decode(damaged, NOW).errors != ()


FULL = (tv(1, "H", 3), tv(6, "b", -60), tv(7, "H", 5), tv(2, "Q", UTC), tv(4, "Q", UTC + 9), tv(8, "H", 2))


def test_what_a_reader_leaves_out_has_not_changed() -> None:
    decoder = ReportDecoder()
    decoder.decode(tag(epc96(), *FULL), NOW)
    for _ in range(2):  # the second time on the fast path
        bare, moved = decoder.decode(tag(epc96()) + tag(epc96(), tv(1, "H", 4)), NOW).tag_reads
        assert bare == TagRead(HEX, 3, UTC, UTC + 9, peak_rssi=-60.0, tag_seen_count=2, channel=5)
        assert moved.antenna_id == 4
        (back,) = decoder.decode(tag(epc96(), tv(1, "H", 3)), NOW).tag_reads
        assert back.antenna_id == 3


def test_each_rospec_has_its_own_last_values() -> None:
    decoder = ReportDecoder()
    for spec, antenna in ((1, 3), (2, 4)):
        decoder.decode(tag(tv(9, "I", spec), epc96(), tv(1, "H", antenna)), NOW)
    body = tag(tv(9, "I", 1), epc96()) + tag(tv(9, "I", 2), epc96())
    assert [read.antenna_id for read in decoder.decode(body, NOW).tag_reads] == [3, 4]


def test_a_new_connection_carries_nothing_over() -> None:
    ReportDecoder().decode(tag(epc96(), *FULL), NOW)
    assert decode(tag(epc96())).tag_reads == (TagRead(HEX, 0, NOW, NOW),)


def test_phase_and_tid_belong_to_their_tag_alone() -> None:
    decoder = ReportDecoder()
    decoder.decode(tag(epc96(), custom(56, b"\0\1"), custom(55, struct.pack("!H", 1) + b"\xe2\x80")), NOW)
    (read,) = decoder.decode(tag(epc96()), NOW).tag_reads
    assert (read.phase, read.tid) == (None, None)


PARAMETERS = st.one_of(
    st.builds(lambda value: tv(1, "H", value), st.integers(0, 65535)),
    st.builds(lambda value: tv(2, "Q", value), st.integers(0, 2**64 - 1)),
    st.builds(lambda value: tv(4, "Q", value), st.integers(0, 2**58)),
    st.builds(lambda value: tv(3, "Q", value), st.integers(0, 2**40)),
    st.builds(lambda value: tv(5, "Q", value), st.integers(0, 2**40)),
    st.builds(lambda value: tv(6, "b", value), st.integers(-128, 127)),
    st.builds(lambda value: tv(8, "H", value), st.integers(0, 65535)),
    st.builds(lambda value: tv(12, "H", value), st.integers(0, 65535)),
    st.builds(lambda value: tv(16, "I", value), st.integers(0, 2**32 - 1)),
    st.builds(
        lambda sub, value: custom(sub, struct.pack("!H", value)),
        st.sampled_from([56, 57, 68, 70]),
        st.integers(0, 65535),
    ),
    st.builds(
        lambda words: custom(55, struct.pack("!H", len(words) // 2) + words[: len(words) // 2 * 2]),
        st.binary(max_size=8),
    ),
    st.builds(epc96, st.binary(min_size=12, max_size=12)),
    st.builds(
        lambda data, spare: epc_data(max(len(data) * 8 - spare, 0), data), st.binary(max_size=18), st.integers(0, 7)
    ),
    st.builds(tlv, st.sampled_from([349, 777, 1022]), st.binary(max_size=6)),
)


@st.composite
def reports(draw: st.DrawFn) -> bytes:
    """Reports as readers send them (one shape, many tags) and mutated in a few bytes."""
    shape = draw(st.lists(PARAMETERS, max_size=6))
    tags = [tag(epc96(draw(st.binary(min_size=12, max_size=12))), *shape) for _ in range(draw(st.integers(1, 5)))]
    tags += draw(st.lists(st.builds(lambda parts: tag(*parts), st.lists(PARAMETERS, max_size=5)), max_size=2))
    body = bytearray(b"".join(draw(st.permutations(tags))))
    for _ in range(draw(st.integers(0, 3))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(reports(), min_size=1, max_size=4))
def test_the_fast_path_agrees_with_a_plain_reading_also_of_damaged_reports(bodies: list[bytes]) -> None:
    warm, plain = ReportDecoder(), PlainReader()
    for body in [*bodies, *bodies]:
        assert list(ReportDecoder().decode(body, NOW).tag_reads) == plain_reading(body, NOW)
        assert list(warm.decode(body, NOW).tag_reads) == plain.reading(body, NOW)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_hostile_bytes_never_raise_and_never_invent_a_tag(body: bytes) -> None:
    report = ReportDecoder().decode(body, NOW)
    assert list(report.tag_reads) == plain_reading(body, NOW)
