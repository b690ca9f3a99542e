import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.mqtt.mailbox import Mailbox, Notice, Receipt
from rfid_gateway.mqtt.reconnect import LONGEST_US, SHORTEST_US, Loss, Reconnect, back_off_us
from rfid_gateway.mqtt.settings import MqttSettings, TlsSettings
from rfid_gateway.mqtt.wakeup import Wakeup


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_back_off_stays_between_1_and_30_seconds(failures: int, luck: float) -> None:
    assert SHORTEST_US <= back_off_us(failures, luck) <= LONGEST_US


def test_the_back_off_grows_to_30_seconds() -> None:
    assert [back_off_us(failures, 1.0) // 1_000_000 for failures in (1, 2, 3, 4, 5, 6)] == [2, 4, 8, 16, 30, 30]


def test_a_refused_version_is_changed_at_once_the_first_time() -> None:
    reconnect = Reconnect("auto")
    reconnect.ended(Loss.WRONG_VERSION, 100, 0.5)
    assert (reconnect.version, reconnect.due_at) == ("3.1.1", 100)
    reconnect.ended(Loss.WRONG_VERSION, 200, 0.5)
    assert reconnect.version == "5"
    assert reconnect.due_at > 1_000_000


def test_before_a_first_acceptance_silence_is_answered_with_the_other_version() -> None:
    reconnect = Reconnect("auto")
    versions = []
    for now in range(4):
        versions.append(reconnect.version)
        reconnect.ended(Loss.NO_CONNACK, now, 0.5)
    assert versions == ["5", "3.1.1", "5", "3.1.1"]


@pytest.mark.parametrize("loss", [Loss.NO_CONNACK, Loss.UNREACHABLE, Loss.LOST, Loss.REFUSED])
def test_a_version_that_was_accepted_is_remembered(loss: Loss) -> None:
    reconnect = Reconnect("auto")
    reconnect.accepted()
    for now in range(5):
        reconnect.ended(loss, now, 0.5)
    assert reconnect.version == "5"


@pytest.mark.parametrize("choice", ["5", "3.1.1"])
def test_a_configured_version_is_kept(choice: str) -> None:
    reconnect = Reconnect("5" if choice == "5" else "3.1.1")
    reconnect.ended(Loss.WRONG_VERSION, 0, 0.5)
    reconnect.ended(Loss.NO_CONNACK, 0, 0.5)
    assert reconnect.version == choice


def test_an_acceptance_alone_does_not_shorten_the_back_off_but_a_puback_does() -> None:
    reconnect = Reconnect("auto")
    for _ in range(5):
        reconnect.accepted()
        reconnect.ended(Loss.LOST, 0, 1.0)
    assert reconnect.due_at == LONGEST_US
    reconnect.proved()
    reconnect.ended(Loss.LOST, 0, 1.0)
    assert reconnect.due_at == 2_000_000


def notice(payload: bytes, topic: str = "t", *, standing: bool = False) -> Notice:
    return Notice(topic, payload, retain=True, standing=standing)


def test_the_latest_notice_of_a_subject_wins_in_the_mailbox() -> None:
    wakeup = Wakeup()
    mailbox = Mailbox(wakeup)
    for each in (notice(b"1"), notice(b"a", "u"), notice(b"2")):
        mailbox.post(each)
    mailbox.acknowledge(Receipt(1, 7))
    assert mailbox.empty() == ([notice(b"a", "u"), notice(b"2")], [Receipt(1, 7)])
    assert mailbox.empty() == ([], [])
    assert wakeup.reader.recv(10)
    wakeup.close()
    mailbox.post(notice(b"after the end"))


def test_alerts_of_one_topic_with_their_own_keys_do_not_replace_each_other() -> None:
    wakeup = Wakeup()
    mailbox = Mailbox(wakeup)
    mailbox.post(Notice("alerts", b"1", retain=False, key="reader dock-1"))
    mailbox.post(Notice("alerts", b"2", retain=False, key="reader dock-2"))
    assert [each.payload for each in mailbox.empty()[0]] == [b"1", b"2"]
    wakeup.close()


def test_settings_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="password_file without username"):
        MqttSettings(host="broker", password_file="/etc/password")
    with pytest.raises(ValueError, match="certificate_file and key_file go together"):
        TlsSettings(certificate_file="/etc/gateway.pem")
    with pytest.raises(ValueError, match="topics that begin with"):
        MqttSettings(host="broker", prefix="$SYS")


def test_the_client_id_follows_from_site_and_gateway() -> None:
    assert MqttSettings(host="broker").client_id_for("hamburg", "gate-1") == "rfid-gateway-hamburg-gate-1"
    assert MqttSettings(host="broker", client_id="mine").client_id_for("hamburg", "gate-1") == "mine"
