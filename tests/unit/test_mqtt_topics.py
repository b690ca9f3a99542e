import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rfid_gateway.mqtt.topics import TopicError, Topics, checked_prefix, decoded, encoded

TOPICS = Topics("rfid", "hamburg", "gate-1")
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(TEXT)
def test_any_identifier_becomes_one_level_and_comes_back(identifier: str) -> None:
    level = encoded(identifier)
    assert not set(level) & set("/+#\0")
    assert decoded(level) == identifier


@given(TEXT)
def test_a_shipment_is_found_again_in_its_directory_topic(shipment_id: str) -> None:
    assert TOPICS.shipment_of(TOPICS.directory(shipment_id)) == shipment_id


def test_an_identifier_with_a_slash_is_percent_encoded() -> None:
    assert TOPICS.directory("2024/0815 ä") == "rfid/hamburg/directory/shipments/2024%2F0815 ä"


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("rfid/hamburg/directory/shipments/50%", "% at character 3 wants two hex digits"),
        ("rfid/hamburg/directory/shipments/%FF", "not UTF-8"),
        ("rfid/hamburg/directory/shipments/a/b", "/ in the id as %2F"),
        ("rfid/hamburg/directory/shipments/", "expected rfid/hamburg/directory/shipments/<shipment id>"),
        ("rfid/berlin/directory/shipments/S-1", "expected rfid/hamburg/directory/shipments/<shipment id>"),
    ],
)
def test_a_directory_topic_without_a_shipment_is_refused_in_words(topic: str, words: str) -> None:
    with pytest.raises(TopicError, match=re.escape(words)):
        TOPICS.shipment_of(topic)


@given(TEXT, st.sampled_from("/+#\0\n\x7f"), st.integers(0, 60))
def test_a_name_that_cannot_be_a_level_is_refused(name: str, unfit: str, place: int) -> None:
    with pytest.raises(TopicError, match=r"^reader"):
        TOPICS.reader_status(name[:place] + unfit + name[place:])


@pytest.mark.parametrize("prefix", ["", "a//b", "/a", "a/", "a/+/b", "$share/x"])
def test_an_unfit_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(TopicError):
        checked_prefix(prefix)


def test_a_prefix_may_have_several_levels() -> None:
    assert Topics("acme/rfid", "hamburg", "gate-1").status == "acme/rfid/hamburg/gate-1/status"


@given(TEXT)
def test_a_level_without_percent_is_its_own_identifier(level: str) -> None:
    assume("%" not in level)
    assert decoded(level) == level


def test_the_topics_are_those_of_the_documentation() -> None:
    own = "rfid/hamburg/gate-1"
    assert TOPICS.events("loading") == f"{own}/events/loading"
    assert TOPICS.events(None) == f"{own}/events/undecided"
    assert TOPICS.events("https://a.example/weigh") == f"{own}/events/https:%2F%2Fa.example%2Fweigh"
    assert TOPICS.alerts == f"{own}/alerts"
    assert TOPICS.reader_status("dock-1") == f"{own}/readers/dock-1/status"
    assert TOPICS.shipment_status("a/b") == f"{own}/shipments/a%2Fb/status"
    assert TOPICS.load("truck 7") == f"{own}/loads/truck 7"
    assert TOPICS.directory_filter == "rfid/hamburg/directory/shipments/+"
