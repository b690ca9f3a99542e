import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfid_gateway.mqtt.packets import NO_PROPERTIES, PacketError, Puback, Splitter, publish, topic_bytes

PINGRESP = b"\xd0\x00"
INBOUND = b"\x30\xc8\x01" + bytes(200)  # a PUBLISH whose length takes two bytes
ACCEPTED = b"\x40\x02\x03\xe9"
EXPLAINED = b"\x40\x07\x03\xea\x97\x03\x1f\x00\x00"  # with reason code and an (empty) reason string


def split(chunks: list[bytes]) -> tuple[list[Puback], bytes]:
    splitter = Splitter()
    pubacks: list[Puback] = []
    others = b""
    for chunk in chunks:
        acknowledged, other = splitter.feed(chunk)
        pubacks += acknowledged
        others += other
    return pubacks, others


def test_a_publish_is_what_the_standard_says() -> None:
    # MQTT 3.1.1 figure 3.10: topic a/b, packet identifier 10
    assert publish(topic_bytes("a/b"), b"", 10, retain=False, properties=b"") == b"\x32\x07\x00\x03a/b\x00\x0a"
    assert (
        publish(topic_bytes("a/b"), b"xy", 0xFFFF, retain=True, properties=NO_PROPERTIES)
        == b"\x33\x0a\x00\x03a/b\xff\xff\x00xy"
    )


@pytest.mark.parametrize(("size", "length"), [(120, b"\x7f"), (121, b"\x80\x01"), (16_377, b"\x80\x80\x01")])
def test_the_length_takes_as_many_bytes_as_it_needs(size: int, length: bytes) -> None:
    packet = publish(topic_bytes("a/b"), bytes(size), 1, retain=False, properties=b"")
    assert packet[1 : 1 + len(length)] == length
    assert len(packet) == 1 + len(length) + size + 7


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "a\0", "\ud800", "ä" * 32_768])
def test_a_topic_to_which_nothing_can_be_published_is_refused(topic: str) -> None:
    with pytest.raises(PacketError):
        topic_bytes(topic)


def test_a_payload_longer_than_any_packet_is_refused() -> None:
    with pytest.raises(PacketError, match="268435455"):
        publish(topic_bytes("a"), bytes(268_435_455), 1, retain=False, properties=b"")


def test_pubacks_are_told_from_other_packets_one_byte_at_a_time() -> None:
    stream = PINGRESP + ACCEPTED + INBOUND + EXPLAINED + ACCEPTED + PINGRESP
    expected = ([Puback(1001, 0), Puback(1002, 0x97), Puback(1001, 0)], PINGRESP + INBOUND + PINGRESP)
    assert split([stream]) == expected
    assert split([stream[at : at + 1] for at in range(len(stream))]) == expected


def test_an_incomplete_packet_waits() -> None:
    assert split([INBOUND[:-1]]) == ([], b"")
    assert split([ACCEPTED + ACCEPTED[:3]]) == ([Puback(1001, 0)], b"")


@pytest.mark.parametrize("junk", [b"\x30\xff\xff\xff\xff\x01", b"\x40\xff\xff\xff\xff", b"\x40\x01\x00"])
def test_bytes_that_are_no_packet_are_handed_on(junk: bytes) -> None:
    assert split([ACCEPTED + junk]) == ([Puback(1001, 0)], junk)


packet = st.sampled_from([PINGRESP, INBOUND, ACCEPTED, EXPLAINED, b"\xe0\x01\x8b"])


@given(st.lists(packet, max_size=30), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_however_it_is_cut_nothing_is_lost_and_the_order_stays(packets: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(packets)
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        chunks.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    pubacks, others = split(chunks)
    assert len(pubacks) == sum(each[0] == 0x40 for each in packets)
    assert others == b"".join(each for each in packets if each[0] != 0x40)


@given(st.lists(st.binary(max_size=20)))
@example([b"\x40\x02\x00"])
def test_junk_is_never_an_error_here(chunks: list[bytes]) -> None:
    pubacks, others = split(chunks)
    assert len(others) + 4 * len(pubacks) <= sum(map(len, chunks))
