import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_gateway.shipments.csv_source import parse_csv
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import MOST_FAULTS, ShipmentSourceError

PALLET = "340123450000000017"
PARCEL = "340123450000000024"
SAMPLE = Path(__file__).resolve().parents[2] / "config" / "shipments.csv"


def parse(text: str) -> tuple[Shipment, ...]:
    return parse_csv(text.encode().splitlines(keepends=True), "s.csv")


def faults(content: str | bytes) -> list[str]:
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(ShipmentSourceError) as caught:
        parse_csv(content.splitlines(keepends=True), "s.csv")
    return [str(fault) for fault in caught.value.faults]


def test_the_sample_is_valid() -> None:
    with SAMPLE.open("rb") as lines:
        shipments = parse_csv(lines, "shipments.csv")
    assert [(each.shipment_id, len(each.units)) for each in shipments] == [
        ("S-1001", 3),
        ("S-1002", 2),
        ("S-1003", 2),
        ("S-1004", 1),
    ]
    assert shipments[0].destination == "Köln"
    assert shipments[0].units[2] == Unit("(00)340123450000000031", parent=f"(00){PALLET}")


def test_rows_of_one_shipment_give_its_units_and_collect_its_orders() -> None:
    shipments = parse(
        "shipment_id,sscc,orders,carrier\n"
        f"S-1,{PALLET},4711|4712,DHL\n"
        "S-2,340123450000000031,,\n"
        f"S-1,{PARCEL},4712;4713,\n"
    )  # fmt: skip
    units = (Unit(f"(00){PALLET}"), Unit(f"(00){PARCEL}"))
    assert shipments[0] == Shipment("S-1", units, ("4711", "4712", "4713"), carrier="DHL")
    assert shipments[1] == Shipment("S-2", (Unit("(00)340123450000000031"),))


EXPECTED = (Shipment("S-1", (Unit(f"(00){PALLET}"),), ("4711", "4712"), destination="Köln"),)


@pytest.mark.parametrize(
    "content",
    [
        f"shipment_id,sscc,orders,destination\nS-1,{PALLET},4711|4712,Köln\n",
        f"\ufeffshipment_id;sscc;orders;destination\r\nS-1;{PALLET};4711|4712;Köln\r\n",
        f'shipment_id;sscc;orders;destination\r\nS-1;{PALLET};"4711;4712";Köln',
        f'Shipment_ID , SSCC,orders,destination\n\n,,,\n S-1 ,"{PALLET}", 4711 ; 4712 ,Köln\n',
    ],
)
def test_every_common_form_of_the_same_file_reads_the_same(content: str) -> None:
    assert parse(content) == EXPECTED


@pytest.mark.parametrize(
    ("column", "written", "key"),
    [
        ("sscc", PALLET, f"(00){PALLET}"),
        ("sscc", f"(00){PALLET}", f"(00){PALLET}"),
        ("sgtin", "(01)04012345123456(21)1001", "(01)04012345123456(21)1001"),
        ("grai", "04012345123456R42", "(8003)04012345123456R42"),
        ("grai", "(8003)04012345123456R42", "(8003)04012345123456R42"),
        ("giai", "4012345ROLL7", "(8004)4012345ROLL7"),
        ("epc", "3114257bf40000000100000000", "(00)006141410000000012"),
        ("epc", "123456789012345678", "epc:123456789012345678"),
        ("tid", "e2801160600002054ce9a1b2", "tid:E2801160600002054CE9A1B2"),
        ("tid", "tid:E2801160", "tid:E2801160"),
        ("unit", "urn:epc:id:sscc:4012345.3000000001", "(00)340123450000000017"),
    ],
)
def test_each_column_of_keys_takes_its_bare_values_and_the_written_out_ones(
    column: str, written: str, key: str
) -> None:
    assert parse(f"shipment_id,{column}\nS-1,{written}\n") == (Shipment("S-1", (Unit(key),)),)


def test_a_row_may_name_its_unit_by_several_keys() -> None:
    (shipment,) = parse(f"shipment_id,sscc,tid,parent\nS-1,{PARCEL},E2801160,{PALLET}\n")
    assert shipment.units == (
        Unit(f"(00){PARCEL}", f"(00){PALLET}"),
        Unit("tid:E2801160", f"(00){PALLET}", f"(00){PARCEL}"),
    )


NO_TIME = "is no time with an offset; expected one such as 2026-11-23T18:30:00+01:00"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("S-1,340123450000000018,,", "sscc: SSCC 340123450000000018: check digit 8 is wrong, 7 would be right"),
        ("S-1,(8004)40X,,", "sscc: '(8004)40X' is no SSCC; it reads as (8004)40X, which belongs into 'unit'"),
        ("S-1,3.40E+17,,", "sscc: '3.40E+17' is a number that a spreadsheet has shortened; format the column as text"),
        ("S-1,,,", "names no unit; expected a value in one of the columns of keys"),
        (f",{PALLET},,", "shipment_id: is empty; expected a shipment id"),
        (f"7/1,{PALLET},,", "shipment_id: '7/1' holds /; a shipment id names an MQTT topic, so none of / + # fits"),
        (f"S-1,{PALLET},,23.11.2026 18:30", f"planned_departure: '23.11.2026 18:30' {NO_TIME}"),
        (f"S-1,{PALLET},,2026-11-23T18:30:00", f"planned_departure: '2026-11-23T18:30:00' {NO_TIME}"),
        (f"S-1,{PALLET}", "2 values for 4 columns"),
    ],
)
def test_a_fault_names_file_line_column_and_what_was_expected(row: str, fault: str) -> None:
    assert faults(f"shipment_id,sscc,carrier,planned_departure\n{row}\n") == [f"s.csv:2: {fault}"]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("shipment_id,ssc", "s.csv:1: ssc: unknown column; did you mean 'sscc'?"),
        ("sscc", "s.csv:1: shipment_id: the column is missing"),
        ("shipment_id,carrier", "s.csv:1: no column names the units; expected one of sscc, sgtin"),
        ("shipment_id,sscc,sscc", "s.csv:1: sscc: the column is there twice"),
        ("", "s.csv:1: the file is empty"),
    ],
)
def test_a_header_that_is_wrong_is_refused_before_any_row(header: str, fault: str) -> None:
    assert faults(f"{header}\nrubbish,rubbish\n" if header else "")[0].startswith(fault)


def test_all_faults_are_told_at_once() -> None:
    told = faults("shipment_id,sscc\n,1\nS-1,340123450000000018\n")
    assert [fault.split(": ")[:2] for fault in told] == [
        ["s.csv:2", "shipment_id"],
        ["s.csv:2", "sscc"],
        ["s.csv:3", "sscc"],
    ]


def test_a_file_that_is_wrong_in_every_line_is_not_read_to_its_end() -> None:
    told = faults("shipment_id,sscc\n" + "S-1,1\n" * 5000)
    assert len(told) == MOST_FAULTS + 1
    assert told[-1] == "s.csv:101: not read further after 100 faults"


def test_a_unit_that_stands_twice_is_a_fault_that_names_the_other_line() -> None:
    told = faults(f"shipment_id,sscc\nS-1,{PALLET}\nS-2,(00){PALLET}\n")
    assert told == [f"s.csv:3: sscc: (00){PALLET} stands already on line 2"]


def test_rows_of_one_shipment_that_contradict_each_other_are_a_fault() -> None:
    told = faults(f"shipment_id,sscc,carrier\nS-1,{PALLET},DHL\nS-1,{PARCEL},UPS\n")
    assert told == ["s.csv:3: carrier: 'UPS', but an earlier row of the same shipment says 'DHL'"]


def test_a_file_in_another_encoding_is_named_with_its_first_strange_byte() -> None:
    told = faults(f"shipment_id,sscc,destination\nS-1,{PALLET},Köln\n".encode("cp1252"))
    assert told == ["s.csv:2: byte 25: is not UTF-8; save the file as 'CSV UTF-8'"]


def test_a_quote_that_never_ends_is_a_fault() -> None:
    assert faults('shipment_id,sscc\nS-1,"340\nS-2,2\n')[0].startswith("s.csv:2: unexpected end of data")


def test_a_line_break_inside_quotes_keeps_later_line_numbers_right() -> None:
    told = faults(f'shipment_id,sscc,carrier\nS-1,{PALLET},"DHL\nFreight"\nS-2,1,\n')
    assert [fault.split(": ")[:2] for fault in told] == [["s.csv:2", "carrier"], ["s.csv:4", "sscc"]]


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8)
names = words.filter(lambda name: not set("/+#") & set(name))


@settings(deadline=None)
@given(rows=st.dictionaries(names, st.tuples(words, words), min_size=1, max_size=5), delimiter=st.sampled_from(",;"))
def test_what_a_spreadsheet_writes_comes_back(rows: dict[str, tuple[str, str]], delimiter: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerow(["shipment_id", "tid", "carrier", "destination"])
    writer.writerows([name, f"{number:08X}", *texts] for number, (name, texts) in enumerate(rows.items()))
    expected = [(name, carrier, destination) for name, (carrier, destination) in rows.items()]
    assert [(each.shipment_id, each.carrier, each.destination) for each in parse(written.getvalue())] == expected


@given(content=st.binary(max_size=200))
def test_junk_is_refused_in_words(content: bytes) -> None:
    assert faults(content)
    told = faults(b"shipment_id,sscc,orders\nX-1,no unit,\n" + content)
    assert told[0].startswith("s.csv:2: sscc: 'no unit' names no unit")
