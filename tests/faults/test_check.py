"""The checks find what is planted: a suite that cannot fail proves nothing."""

from dataclasses import replace

import pytest

from tests.faults.check import Count, check
from tests.faults.field import Truth
from tests.faults.packets import Event, PacketSplitter, acknowledged_id, protocol_level, read_publish
from tests.faults.plan import plan

EVENTS = [Event(number, f"id-{number}", f"S-{number}", "shelf-1", None) for number in (1, 2, 3)]
HAPPENED = {Truth(event.shipment, event.place): "cut" for event in EVENTS}


def test_all_well_repetitions_included() -> None:
    counts, words = check(HAPPENED, [*EVENTS, *EVENTS], [*EVENTS, *EVENTS], ())
    assert words == []
    assert counts == {"cut": Count(expected=3, received=3)}


def test_a_loss_is_found() -> None:
    counts, words = check(HAPPENED, EVENTS[:2], EVENTS, ())
    assert counts["cut"].lost == 1
    assert "lost: Truth(shipment='S-3'" in words[0]


def test_only_what_a_killed_broker_had_acknowledged_is_its_loss() -> None:
    counts, words = check(HAPPENED, EVENTS[:1], EVENTS, {EVENTS[0], EVENTS[2]})
    assert (counts["cut"].lost, counts["cut"].by_broker, counts["cut"].received) == (1, 1, 1)
    assert len(words) == 1


def test_two_events_of_one_arrival_are_found() -> None:
    again = replace(EVENTS[0], sequence=4, event_id="id-4")
    counts, _ = check(HAPPENED, [*EVENTS, again], [*EVENTS, again], ())
    assert counts["cut"].doubled == 1


def test_an_event_of_what_did_not_happen_is_found() -> None:
    counts, _ = check(HAPPENED, [*EVENTS, Event(4, "id-4", "S-1", "shelf-2", None)], EVENTS, ())
    assert counts["(no fault)"].doubled == 1


def test_a_wrong_direction_is_a_loss_and_an_event_of_what_did_not_happen() -> None:
    happened = {Truth("S-1", "dock", "out"): "cut"}
    counts, _ = check(happened, [Event(1, "id-1", "S-1", "dock", "in")], (), ())
    assert (counts["cut"].lost, counts["(no fault)"].doubled) == (1, 1)


@pytest.mark.parametrize("changed", [{"sequence": 4}, {"event_id": "id-4"}])
def test_a_sequence_and_an_id_that_do_not_belong_together_are_found_on_the_wire_too(changed: dict[str, object]) -> None:
    other = replace(EVENTS[0], **changed)  # type: ignore[arg-type]  # one of its fields
    counts, words = check(HAPPENED, EVENTS, [other, *EVENTS], ())
    assert counts["cut"].doubled == 1
    assert "id-1" in words[0]


def test_a_first_arrival_after_a_later_one_is_found_and_a_repetition_is_none() -> None:
    counts, _ = check(HAPPENED, [EVENTS[0], EVENTS[2], EVENTS[1], EVENTS[0]], EVENTS, ())
    assert counts["cut"].out_of_order == 1


def test_every_kind_gets_its_share_and_a_seed_repeats_the_plan() -> None:
    batches = plan(7, 10, ["a", "b", "c"], size=4)
    kinds = [kind for batch in batches for kind in batch.kinds]
    assert sorted(kinds) == ["a"] * 4 + ["b"] * 3 + ["c"] * 3
    assert [len(batch.kinds) for batch in batches] == [4, 4, 2]
    assert batches == plan(7, 10, ["a", "b", "c"], size=4)
    assert batches != plan(8, 10, ["a", "b", "c"], size=4)


CONNECT_5 = bytes.fromhex("10 0f 0004 4d515454 05 02 003c 00 0002 6869")
PUBLISH_5 = bytes.fromhex("32 0c 0003 612f62 0007 02 0101 7b7d")
PUBLISH_4 = bytes.fromhex("32 09 0003 612f62 0007 7b7d")
PUBACK = bytes.fromhex("40 02 0007")
REFUSAL = bytes.fromhex("40 03 0007 97")


def test_packets_are_cut_out_of_single_bytes() -> None:
    splitter = PacketSplitter()
    stream = CONNECT_5 + PUBLISH_5 + PUBACK
    packets = [packet for byte in stream for packet in splitter.feed(bytes([byte]))]
    assert [packet.raw for packet in packets] == [CONNECT_5, PUBLISH_5, PUBACK]
    assert protocol_level(packets[0]) == 5


@pytest.mark.parametrize(("raw", "level"), [(PUBLISH_5, 5), (PUBLISH_4, 4)])
def test_a_publish_is_read_in_both_versions(raw: bytes, level: int) -> None:
    (packet,) = PacketSplitter().feed(raw)
    publish = read_publish(packet, level)
    assert publish is not None
    assert (publish.topic, publish.packet_id, publish.payload) == ("a/b", 7, b"{}")


def test_a_puback_that_refuses_acknowledges_nothing() -> None:
    assert [acknowledged_id(packet) for packet in PacketSplitter().feed(PUBACK + REFUSAL)] == [7, None]


def test_a_long_packet_needs_two_bytes_of_length() -> None:
    raw = b"\x32" + bytes([0x80 | (205 & 0x7F), 205 >> 7]) + b"\x00\x03a/b\x00\x07" + b"x" * 198
    assert [packet.raw for packet in PacketSplitter().feed(raw[:100])] == []
    splitter = PacketSplitter()
    found = [*splitter.feed(raw[:100]), *splitter.feed(raw[100:] + PUBACK)]
    assert [packet.raw for packet in found] == [raw, PUBACK]
