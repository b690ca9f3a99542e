"""The simulated R420 answers as a recorded R420 did, byte for byte."""

from pathlib import Path

from rfid_simulators.llrp.capabilities import encode_capabilities
from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.outgoing import count_tags
from rfid_simulators.llrp.profiles import IMPINJ_R420
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.recorded import RecordedReports, load_reports
from rfid_simulators.llrp.wire import MessageType, message, tlv
from tests import llrp_requests as client


def test_its_capabilities_are_those_of_the_recorded_reader(shared: Path) -> None:
    recorded = (shared / "vectors/llrp/GetReaderCapabilitiesResponse-000.bytes").read_bytes()
    assert encode_capabilities(IMPINJ_R420, 0) == recorded


def test_its_factory_configuration_is_that_of_the_recorded_reader_but_for_the_state_value(shared: Path) -> None:
    recorded = (shared / "vectors/llrp/GetReaderConfigResponse-000.bytes").read_bytes()
    reader = SimulatedReader(IMPINJ_R420, Sources(), ReaderClock(0), connected=frozenset({1}))
    reader.connect(0)
    (answer,) = client.answers(reader.feed(message(MessageType.GET_READER_CONFIG, 1, bytes(7)), 0))
    at = recorded.index(b"\x00\xd9\x00\x08") + 4
    own_state = answer.body[at : at + 4]
    assert answer.body.replace(own_state, recorded[at : at + 4]) == recorded


def test_a_tag_report_is_encoded_as_the_recorded_reader_encodes_it(shared: Path) -> None:
    recorded = (shared / "vectors/llrp/ROAccessReport-001.bytes").read_bytes()
    first_seen = 1594174805140192
    tag = client.sighting(5, epc="3000ABCDEF00000000000003", rssi=-48)
    reader = client.make_reader([tag], offset_us=first_seen - client.WORLD_BEGAN - 5)
    reader.connect(0)
    reader.feed(client.add(client.rospec(report=b"")) + client.enable(), 1)
    (report,) = client.answers(reader.tick(10))
    assert report.body == recorded


def test_the_close_of_a_connection_is_answered_as_recorded(shared: Path) -> None:
    recorded = (shared / "vectors/llrp/CloseConnectionResponse-000.bytes").read_bytes()
    reader = client.make_reader()
    reader.connect(0)
    (answer,) = client.answers(reader.feed(message(MessageType.CLOSE_CONNECTION, 4), 0))
    assert (answer.type, answer.message_id, answer.body) == (MessageType.CLOSE_CONNECTION_RESPONSE, 4, recorded)
    assert reader.closing


def test_recorded_reports_are_played_byte_for_byte_in_a_loop(shared: Path) -> None:
    bodies = load_reports(shared / "vectors/llrp")
    reader = SimulatedReader(IMPINJ_R420, Sources(recorded=RecordedReports(bodies, 1000)), ReaderClock(0))
    reader.connect(0)
    reader.feed(client.add(client.rospec()) + client.enable(), 0)
    reports = client.answers(reader.tick(2000 * len(bodies)))
    assert [report.body for report in reports] == bodies * 2
    assert reader.counters.tags == 2 * sum(map(count_tags, bodies)) == 2 * len(bodies)


def test_a_recording_plays_only_as_often_as_it_is_told() -> None:
    played = RecordedReports([b"a", b"b"], 10, loop=2)
    assert played(0, 1000) == [b"a", b"b", b"a", b"b"]
    assert [body for at in range(0, 60, 7) for body in played(at, at + 7)] == [b"a", b"b", b"a", b"b"]


def test_tags_are_counted_up_to_what_is_no_tag() -> None:
    assert count_tags(tlv(240, b"x") + tlv(240) + tlv(1023, bytes(8))) == 2
