from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial.detect_text import TextRecogniser, shape_of
from rfid_drivers.serial.detection import Finding
from rfid_drivers.serial.line import LineOptions, LineReader
from rfid_drivers.serial.protocol import Frame, Instant
from rfid_gateway.clock import SystemClock
from rfid_gateway.reads import TagRead

EPCS = ("303400000000000000000001", "E28069950000400A8F398133")
PAUSE_US = 300_000


def recognised(*bursts: bytes) -> Finding | None:
    recogniser = TextRecogniser(LineReader)
    for number, burst in enumerate(bursts):
        recogniser.feed(burst, Instant(0, number * PAUSE_US))
    return recogniser.finding()


def read_with(options: Any, *bursts: bytes) -> list[TagRead]:
    """What the driver reads with the options that were suggested."""
    decoder = LineReader("r", LineOptions(port="/dev/null", **options), SystemClock()).decoder()
    items = [
        item
        for number, burst in enumerate((*bursts, b""))
        for item in decoder.feed(burst, Instant(0, number * PAUSE_US))
    ]
    return [read for item in items if isinstance(item, Frame) for read in item.tag_reads]


SPACED = " ".join(EPCS[1][at : at + 2] for at in range(0, 24, 2))

CASES: dict[str, tuple[str, dict[str, object]]] = {
    "bare": ("{}\r\n", {"regex": "(?P<epc>[0-9A-F]{24})"}),
    "doubled": ("{0}{0}\r", {"regex": "(?P<epc>[0-9A-F]{48})", "doubled_epc": True}),
    "STX and ETX": (
        "\x02{}\x03",
        {"line_start": "\x02", "line_ends": "\x03", "regex": "(?P<epc>[0-9A-F]{24})"},
    ),
    "ended by a pause": ("{}", {"line_ends": "", "regex": "(?P<epc>[0-9A-F]{24})"}),
    "antenna and RSSI": (
        "ANT2,{},-61.5\n",
        {"regex": r"ANT(?P<antenna>[0-9]+),(?P<epc>[0-9A-F]{24}),(?P<rssi>-[0-9]+(?:\.[0-9]+)?)"},
    ),
    "words and a count": ("Tag: {} (x17)\r\n", {"regex": r"Tag: (?P<epc>[0-9A-F]{24}) \(x-?[0-9]+(?:\.[0-9]+)?\)"}),
    "a date": (
        "2024-12-24 08:15:01;{}\r\n",
        {"regex": r"N-N-N N:N:N;(?P<epc>[0-9A-F]{24})".replace("N", r"-?[0-9]+(?:\.[0-9]+)?")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_options_that_are_suggested_read_every_line(case: str) -> None:
    template, options = CASES[case]
    bursts = [template.format(epc).encode() for epc in EPCS]
    finding = recognised(*bursts)
    assert finding is not None
    assert finding.options == options
    assert (finding.certainty, finding.sample_epc, finding.detail) == ("likely", EPCS[0], "")
    assert [read.epc for read in read_with(finding.options, *bursts)] == list(EPCS)


def test_antenna_and_rssi_are_read() -> None:
    line = f"Ant: 2 {EPCS[0]} -61\r\n".encode()
    finding = recognised(line)
    assert finding is not None
    assert (finding.antennas, finding.certainty) == ((2,), "possible")
    (read,) = read_with(finding.options, line)
    assert (read.antenna_id, read.peak_rssi) == (2, -61.0)


def test_an_epc_in_pairs_is_read() -> None:
    line = f"{SPACED}\r\n".encode()
    finding = recognised(line, line)
    assert finding is not None
    assert [read.epc for read in read_with(finding.options, line)] == [EPCS[1]]


def test_small_letters_are_read() -> None:
    line = EPCS[1].lower().encode() + b"\r\n"
    finding = recognised(line, line)
    assert finding is not None
    assert finding.options == {"regex": "(?P<epc>[0-9A-Fa-f]{24})"}


def test_a_first_line_that_lost_its_beginning_does_not_matter() -> None:
    line = EPCS[0].encode() + b"\r\n"
    for lost in range(1, len(line)):
        finding = recognised(line[lost:], line)
        assert finding is not None
        assert finding.options == {"regex": "(?P<epc>[0-9A-F]{24})"}


def test_other_lines_are_told() -> None:
    line = EPCS[0].encode() + b"\r\n"
    finding = recognised(b"NOREAD\r\n", line, line, b"NOREAD\r\n")
    assert finding is not None
    assert "'NOREAD'" in finding.detail


@pytest.mark.parametrize(
    "text",
    [
        b"hello\r\n",
        b"4006381333931\r\n",  # a bar code
        b"ST,GS,+  12.345kg\r\n" * 5,  # a scale
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n",
        EPCS[0].encode() + b" " + EPCS[1].encode() + b"\r\n",  # which of the two?
        b"x" * 300 + b"\r\n" + EPCS[0].encode() + b"\r\n",  # hardly any of it
        b"\xff" * 24 + b"\r\n",
        b"",
    ],
)
def test_other_text_is_no_reader(text: bytes) -> None:
    assert recognised(text) is None


printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(printable, printable)
def test_whatever_stands_around_an_epc_what_is_suggested_reads_it(before: str, after: str) -> None:
    line = f"{before};{EPCS[1]};{after}\r\n".encode()
    finding = recognised(line)
    if finding is None:
        assert shape_of(line.decode().strip()) is None or len(line) > 4 * len(EPCS[1])
        return
    assert finding.sample_epc in [read.epc for read in read_with(finding.options, line)]


@given(st.binary(max_size=600))
def test_any_bytes_are_looked_at_without_an_error(data: bytes) -> None:
    finding = recognised(data, data)
    assert finding is None or read_with(finding.options, data, data)


def test_a_shape_fits_its_own_line_alone() -> None:
    shape = shape_of(f"a.b|{EPCS[0]}")
    assert shape is not None
    assert shape.regex == r"a\.b\|(?P<epc>[0-9A-F]{24})"
    assert shape_of("no EPC") is None
