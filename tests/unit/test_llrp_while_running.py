"""What a session does beside reading: versions, alerts, antennas and temperature, outputs."""

import struct

import pytest

from rfid_drivers.llrp.alerts import QUIET_US, AlertCounter, CountedAlert
from rfid_drivers.llrp.events import Alert, HealthChanged, InventoryRuns, Remark
from rfid_drivers.llrp.inspection import INSPECTION_EVERY_US
from rfid_drivers.llrp.options import LlrpOptions
from tests.llrp_messages import (
    IMPINJ,
    OPTIONS,
    SECOND,
    Answers,
    Dialogue,
    Request,
    capabilities,
    custom,
    greeting,
    message,
    notification,
    ok,
    refusal,
    status,
    tlv,
)

NEWEST = LlrpOptions(host="x", version="1.1")


def knows(version: int) -> Answers:
    """A reader whose newest version is this."""
    return {
        46: lambda request: message(56, bytes([1, version]) + status(), request.id, version=2),
        47: lambda request: message(57, status(), request.id, version=2),
    }


def unsupported(request: Request) -> bytes:
    return message(100, status(110, "M_UnsupportedVersion"), request.id)


def silent(_: Request) -> bytes:
    return b""


def alerts(dialogue: Dialogue) -> list[Alert]:
    return [event for event in dialogue.events if isinstance(event, Alert)]


def test_a_reader_that_knows_llrp_1_1_is_spoken_to_in_it() -> None:
    dialogue = Dialogue(NEWEST, knows(2)).run()
    assert dialogue.types[:2] == [46, 47]
    assert dialogue.sent[1].body == b"\x02"
    dialogue.feed(message(62, b"", 5, version=2))
    assert {request.version for request in dialogue.sent} == {2}
    assert alerts(dialogue) == []


@pytest.mark.parametrize(
    "answers", [knows(1), {46: unsupported}, {46: refusal}, {46: silent}, knows(2) | {47: refusal}]
)
def test_a_reader_that_does_not_is_spoken_to_in_1_0_1_with_an_alert(answers: Answers) -> None:
    dialogue = Dialogue(NEWEST, answers)
    dialogue.feed(greeting())
    dialogue.wait(10 * SECOND)
    dialogue.wait(SECOND)
    assert any(isinstance(event, InventoryRuns) for event in dialogue.events)
    assert {request.version for request in dialogue.sent if request.type not in (46, 47)} == {1}
    assert [alert.kind for alert in alerts(dialogue)] == ["protocol_version"]


def test_where_any_version_will_do_an_old_reader_is_no_alert() -> None:
    dialogue = Dialogue(LlrpOptions(host="x", version="auto"), {46: unsupported}).run()
    assert alerts(dialogue) == []
    assert any(isinstance(event, Remark) and "1.0.1" in event.text for event in dialogue.events)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (tlv(250, b"\x50"), "report_buffer_filling"),
        (tlv(251), "report_buffer_overflow"),
        (tlv(252, struct.pack("!H4s", 4, b"warm")), "reader_exception"),
        (tlv(256, struct.pack("!H", 4)), "rival_client"),
    ],
)
def test_troubles_are_alerts(event: bytes, kind: str) -> None:
    dialogue = Dialogue().run()
    dialogue.feed(notification(event))
    assert [alert.kind for alert in alerts(dialogue)] == [kind]


def test_alerts_are_counted_and_spaced_out() -> None:
    counter = AlertCounter()
    for _ in range(1000):
        counter.note("report_buffer_overflow", "lost")
    assert counter.due(5) == [CountedAlert("report_buffer_overflow", "lost", 1000)]
    counter.note("report_buffer_overflow", "lost")
    assert counter.due(QUIET_US) == []
    assert counter.due(5 + QUIET_US) == [CountedAlert("report_buffer_overflow", "lost", 1001)]
    assert counter.due(5 + 9 * QUIET_US) == []


def antennas(count: int, *connected: int) -> bytes:
    return b"".join(
        tlv(221, struct.pack("!BHh", (antenna in connected) << 7, antenna, 0)) for antenna in range(1, count + 1)
    )


def looks(*parameters: bytes) -> Answers:
    return {2: lambda request: message(12, status() + b"".join(parameters), request.id)}


def test_connected_antennas_are_told_and_followed() -> None:
    dialogue = Dialogue(answers=looks(antennas(4, 1, 2))).run()
    (runs,) = [event for event in dialogue.events if isinstance(event, InventoryRuns)]
    assert runs.antennas == (1, 2)
    dialogue.feed(notification(tlv(255, struct.pack("!BH", 1, 3))))
    assert dialogue.events[-1] == HealthChanged((), (1, 2, 3))
    dialogue.feed(notification(tlv(255, struct.pack("!BH", 0, 1))))
    assert dialogue.events[-1] == HealthChanged(("antenna 1 is disconnected",), (2, 3))


def test_a_configured_antenna_that_is_not_connected_is_trouble() -> None:
    dialogue = Dialogue(LlrpOptions(host="x", antennas=(3,)), looks(antennas(3, 1, 2))).run()
    assert dialogue.events[-1] == HealthChanged(("antenna 3 is disconnected",), (1, 2))


def test_the_temperature_of_an_impinj_reader_is_asked_for_every_minute_and_told_when_it_changes() -> None:
    degrees = iter([41, 41, 43])

    def warm(request: Request) -> bytes:
        asks = custom(21, struct.pack("!I", 2004)) in request.body
        return message(12, status() + (custom(37, struct.pack("!h", next(degrees))) if asks else b""), request.id)

    impinj = capabilities(manufacturer=IMPINJ)
    answers: Answers = {1: lambda request: message(11, status() + impinj, request.id), 2: warm}
    dialogue = Dialogue(LlrpOptions(host="x", keepalive_s=60), answers).run()
    (runs,) = [event for event in dialogue.events if isinstance(event, InventoryRuns)]
    assert runs.temperature == 41
    dialogue.wait(INSPECTION_EVERY_US)
    assert not any(isinstance(event, HealthChanged) for event in dialogue.events)
    dialogue.wait(INSPECTION_EVERY_US)
    dialogue.wait(0)
    assert dialogue.events[-1] == HealthChanged((), None, 43)


def writes(dialogue: Dialogue) -> list[str]:
    return [request.body.hex() for request in dialogue.sent if request.type == 3 and request.body[1:3] == b"\0\xdb"]


def test_an_output_is_switched_once_the_reader_runs_and_only_to_its_latest_state() -> None:
    dialogue = Dialogue()
    dialogue.session.set_output(2, high=False)
    dialogue.session.set_output(2, high=True)
    assert writes(dialogue.run()) == []
    dialogue.wait(0)
    assert writes(dialogue) == ["0000db0007000280"]
    dialogue.session.set_output(1, high=True)
    dialogue.session.set_output(2, high=False)
    dialogue.wait(0)
    dialogue.wait(0)
    assert writes(dialogue)[1:] == ["0000db0007000180", "0000db0007000200"]


def test_an_output_that_the_reader_lacks_is_an_alert_and_no_end() -> None:
    dialogue = Dialogue(OPTIONS)
    dialogue.run()
    dialogue.answers[3] = refusal
    dialogue.session.set_output(9, high=True)
    dialogue.wait(0)
    dialogue.wait(0)
    (alert,) = alerts(dialogue)
    assert (alert.kind, "output 9" in alert.detail) == ("output_refused", True)


def test_what_the_reader_refused_at_set_up_is_an_alert() -> None:
    seen: list[Request] = []

    def second_refused(request: Request) -> bytes:
        seen.append(request)
        return ok(request) if len(seen) == 1 else refusal(request)

    assert "setting_refused" in [alert.kind for alert in alerts(Dialogue(answers={3: second_refused}).run())]
