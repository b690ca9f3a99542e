from collections.abc import Callable

import pytest

from rfid_gateway.mqtt.brokers import Brokers
from rfid_gateway.mqtt.homing import Homing
from rfid_gateway.mqtt.reconnect import Loss, Reconnect
from rfid_gateway.mqtt.settings import MqttSettings

SETTINGS = MqttSettings(host="a", fallbacks=("b", "c:1884"))


def test_a_loss_goes_on_to_the_next_broker_at_once_and_comes_back_when_that_is_due() -> None:
    brokers = Brokers(SETTINGS)
    tried = []
    for now in (0, 1, 2):
        assert brokers.choose(now)
        tried.append(brokers.settings.address)
        brokers.ended(Loss.UNREACHABLE, now, 1.0)
    assert tried == ["a:1883", "b:1883", "c:1884"]
    assert not brokers.choose(3)
    assert brokers.due_at == 2_000_000
    assert brokers.choose(2_000_000)
    assert brokers.settings.address == "a:1883"


def test_each_broker_has_a_version_of_its_own() -> None:
    brokers = Brokers(SETTINGS)
    brokers.choose(0)
    brokers.ended(Loss.NO_CONNACK, 0, 0.5)
    versions = [brokers.reconnect.version]
    brokers.choose(0)
    versions.append(brokers.reconnect.version)
    assert versions == ["3.1.1", "5"]


def test_a_better_broker_that_is_back_is_due_whatever_its_back_off() -> None:
    brokers = Brokers(SETTINGS)
    brokers.choose(0)
    brokers.ended(Loss.LOST, 0, 1.0)
    brokers.choose(0)
    assert [each.address for each in brokers.better] == ["a:1883"]
    brokers.better_is_back(5)
    assert brokers.choose(5)
    assert brokers.settings.address == "a:1883"
    assert brokers.better == ()


def test_a_refused_retained_will_is_tried_at_once_without_and_only_once() -> None:
    reconnect = Reconnect("5")
    reconnect.ended(Loss.NO_RETAIN, 7, 0.5)
    assert (reconnect.retains, reconnect.due_at) == (False, 7)
    reconnect.ended(Loss.NO_RETAIN, 8, 0.5)
    assert reconnect.due_at > 1_000_000


@pytest.mark.parametrize("address", ["", "a:0", "a:65536", "a:b", "a:1:2", "::1", "[::1", "a b", "mqtt://a"])
def test_a_fallback_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        MqttSettings(host="a", fallbacks=(address,))


def looking(answer: str | None) -> tuple[Homing, list[str], Callable[[], None]]:
    asked: list[str] = []

    def probe(settings: MqttSettings, _timeout_s: float) -> str | None:
        asked.append(settings.address)
        return answer

    homing = Homing(100, probe, lambda: None)

    def wait() -> None:
        assert homing._thread is not None
        homing._thread.join(60)

    return homing, asked, wait


def test_a_look_at_the_better_brokers_begins_when_it_is_due_and_tells_what_it_found() -> None:
    homing, asked, wait = looking(None)
    better = SETTINGS.brokers[:2]
    assert not homing.found(0, better)
    homing.connected(0, better)
    assert homing.due_at == 100
    assert not homing.found(99, better)
    assert asked == []
    homing.found(100, better)
    wait()
    assert asked == ["a:1883"]
    assert homing.found(101, better)
    homing.ended()
    assert not homing.found(1000, better)


def test_a_look_that_finds_nothing_is_repeated() -> None:
    homing, asked, wait = looking("refused")
    better = SETTINGS.brokers[:2]
    homing.connected(0, better)
    for now in (100, 200):
        homing.found(now, better)
        wait()
    assert asked == ["a:1883", "b:1883"] * 2
    assert not homing.found(201, better)


def test_on_the_first_broker_nothing_is_looked_for() -> None:
    homing, asked, _ = looking(None)
    homing.connected(0, ())
    assert homing.due_at is None
    assert not homing.found(10_000, ())
    assert asked == []
