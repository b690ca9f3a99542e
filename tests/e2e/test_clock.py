"""The running gateway while the PC's clock is set under it, by libfaketime (wall clock only)."""

import json
import os
import random
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_gateway.events.times import parse
from rfid_gateway.state_file import read_state
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from tests.conftest import skip_or_fail
from tests.e2e.running import PROGRAM, mqtt_table
from tests.e2e.test_disk_and_damage import CONFIGURATION, OWN, UNITS, conveyor, epc
from tests.servers import Mosquitto, Subscriber, eventually, subscriber

SECOND = 1_000_000


@pytest.fixture
def library() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        skip_or_fail("libfaketime is not installed")
    return str(found[0])


class FakedGateway:
    """A gateway whose wall clock is what a file says; its monotonic clock is the system's."""

    def __init__(self, parts: ExitStack, tmp_path: Path, broker: Mosquitto, library: str) -> None:
        server = LlrpReaderServer(sources=Sources(conveyor)).start(SystemClock().monotonic_us())
        parts.callback(server.stop)
        host, port = server.address
        self.state = tmp_path / "state"
        self._file = tmp_path / "faketime"
        self._configuration = tmp_path / "gateway.toml"
        self._configuration.write_text(
            CONFIGURATION.format(folder=self.state, mqtt=mqtt_table(broker), host=host, port=port)
        )
        self._environment = {
            **os.environ,
            "LD_PRELOAD": library,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
        }
        self.backend: Subscriber = parts.enter_context(subscriber(broker, f"{OWN}/#"))
        units = [{"epc": epc(number)} for number in range(UNITS)]
        self.backend.publish("rfid/hamburg/directory/shipments/S-1", json.dumps({"units": units}).encode(), retain=True)
        self._process: subprocess.Popen[bytes] | None = None
        parts.callback(self.kill)

    def set_clock(self, text: str) -> None:
        """As libfaketime takes it: `+3600` is an hour ahead, `@1970-01-01 00:00:20` counts on from there."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(text + "\n")
        draft.replace(self._file)

    def start(self) -> None:
        log = (self.state.parent / "gateway.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [PROGRAM, "run", "--config", self._configuration], env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def status(self) -> dict[str, Any]:
        return read_state(self.state)

    def events(self) -> list[dict[str, Any]]:
        found = [json.loads(payload) for payload in self.backend.payloads(f"{OWN}/events/")]
        return sorted({event["sequence"]: event for event in found}.values(), key=lambda event: int(event["sequence"]))

    def clock_alerts(self) -> list[str]:
        alerts = [json.loads(payload) for payload in self.backend.payloads(f"{OWN}/alerts")]
        return [alert["detail"] for alert in alerts if alert["kind"] == "clock"]

    def wait_for_events(self, count: int) -> None:
        now = len(self.events())
        eventually(lambda: len(self.events()) >= now + count, "events arrive", patience_s=40)


def time_of(event: dict[str, Any]) -> int:
    return parse(event["epcis"]["eventTime"])


def sequences_are_whole(gateway: FakedGateway) -> None:
    sequences = [event["sequence"] for event in gateway.events()]
    assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.timeout(240)
def test_steps_of_the_clock_are_followed_at_once_small_ones_smeared_and_order_is_kept(
    tmp_path: Path, mosquitto: Mosquitto, library: str
) -> None:
    with ExitStack() as parts:
        gateway = FakedGateway(parts, tmp_path, mosquitto, library)
        gateway.set_clock("+0")
        gateway.start()
        gateway.wait_for_events(20)
        gateway.set_clock("-2")
        before = len(gateway.events())
        gateway.wait_for_events(200)
        times = [time_of(event) for event in gateway.events()]
        # Tags of one report need not stand in the order of their times; two seconds they would not be apart.
        backwards = max(
            earlier - later for earlier, later in zip(times[before - 5 :], times[before - 4 :], strict=False)
        )
        assert backwards < SECOND
        assert gateway.clock_alerts() == []
        for offset in ("+3600", "-86400", "+0"):
            gateway.set_clock(offset)
            eventually(
                lambda offset=offset: (
                    abs(time_of(gateway.events()[-1]) - SystemClock().utc_us() - int(offset) * SECOND)  # type: ignore[misc]
                    < 10 * SECOND
                ),
                f"events carry the new time after {offset}",
                patience_s=60,
            )
        eventually(lambda: bool(gateway.clock_alerts()), "a step is an alert; repetitions are summed up once a minute")
        assert gateway.alive()
        sequences_are_whole(gateway)


@pytest.mark.timeout(240)
def test_a_gateway_that_starts_in_1970_goes_on_from_its_last_sign_of_life_and_is_put_right(
    tmp_path: Path, mosquitto: Mosquitto, library: str
) -> None:
    with ExitStack() as parts:
        gateway = FakedGateway(parts, tmp_path, mosquitto, library)
        gateway.set_clock("+0")
        gateway.start()
        gateway.wait_for_events(20)
        eventually(lambda: gateway.status()["events"] > 0, "the state file is written")
        gateway.kill()
        last = SystemClock().utc_us()
        gateway.set_clock("@1970-01-01 00:00:20")
        gateway.start()
        gateway.wait_for_events(50)
        eventually(lambda: bool(gateway.clock_alerts()), "the wrong clock is an alert")
        assert "shows a time before 2025" in gateway.clock_alerts()[0]
        eventually(lambda: "before 2025" in gateway.status()["clock"], "the status says so too")
        assert abs(time_of(gateway.events()[-1]) - last) < 3600 * SECOND
        gateway.set_clock("+0")
        eventually(lambda: gateway.status()["clock"] == "ok", "the clock is right")
        eventually(
            lambda: abs(time_of(gateway.events()[-1]) - SystemClock().utc_us()) < 15 * SECOND,
            "events carry the right time again",
            patience_s=60,
        )
        sequences_are_whole(gateway)


@pytest.mark.timeout(240)
def test_sequences_stay_whole_over_kills(tmp_path: Path, mosquitto: Mosquitto, library: str) -> None:
    """With a clock that goes backwards by an hour at each of them, because nothing may hang on it."""
    with ExitStack() as parts:
        gateway = FakedGateway(parts, tmp_path, mosquitto, library)
        for number in range(5):
            gateway.set_clock(f"-{3600 * number}")
            gateway.start()
            gateway.wait_for_events(random.randrange(10, 60))
            gateway.kill()
        gateway.start()
        gateway.wait_for_events(20)
        ids = [event["event_id"] for event in gateway.events()]
        assert len(ids) == len(set(ids))
        sequences_are_whole(gateway)
