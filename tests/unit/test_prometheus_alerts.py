"""Every alert rule fires when it should, not before, and not when all is well: promtool evaluates them.

`fires` is a series in promtool's notation from a sick gateway, one value a minute; "A+BxN" is A, A+B, ... N times more.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import RULES, program

P = "rfid_gateway_"
LABELS = 'instance="gate-1",job="rfid-gateway"'


@dataclass(frozen=True)
class Case:
    alert: str
    fires: dict[str, str]
    at: str
    """When it fires."""
    not_yet: str
    well: dict[str, str]
    """Of a gateway that only nearly has the trouble."""


def one(alert: str, name: str, fires: str, at: str, not_yet: str, well: str) -> Case:
    return Case(alert, {name: fires}, at, not_yet, {name: well})


CASES = (
    one("RfidGatewayNotScraped", "up", "0x300", "2m", "1m", "1x300"),
    one("RfidGatewayUnhealthy", f"{P}healthy", "0x300", "1m", "0m", "1x300"),
    one("RfidGatewayNotReady", f"{P}ready", "0x300", "2m", "1m", "1x300"),
    one("RfidGatewayRestarts", f"{P}start_time_seconds", "100+100x300", "4m", "3m", "1 2 3 4x300"),
    one("RfidReaderDown", f"{P}reader_up", "0x300", "2m", "1m", "1x300"),
    one("RfidReaderFlapping", f"{P}reader_reconnects_total", "0+1x300", "30m", "1m", "0x30 1x300"),
    one("RfidReaderDegraded", f'{P}reader_state{{state="degraded"', "1x300", "5m", "4m", "0x300"),
    one("RfidReaderClock", f"{P}reader_clock_offset_seconds", "-90x300", "30m", "29m", "59x300"),
    one("RfidReaderHot", f"{P}reader_temperature_celsius", "71x300", "10m", "9m", "70x300"),
    one("RfidReadsMerged", f"{P}merged_reads_total", "0+5x300", "20m", "10m", "5x300"),
    Case(
        "RfidUndecidedShare",
        {
            f'{P}passages_total{{direction="undecided",door="door-1"': "0+1x300",
            f'{P}passages_total{{direction="out",door="door-1"': "0+4x300",
        },
        "60m",
        "15m",
        {
            f'{P}passages_total{{direction="undecided",door="door-1"': "0+1x300",
            f'{P}passages_total{{direction="out",door="door-1"': "0+11x300",
        },
    ),
    one("RfidUnknownTagsWait", f"{P}unbound_observations", "1001x300", "60m", "59m", "1000x300"),
    one("RfidUnknownTagsGivenUp", f"{P}unbound_given_up_total", "0x10 1x300", "12m", "10m", "7x300"),
    one("RfidBrokerAway", f"{P}broker_connected", "0x300", "5m", "4m", "1x300"),
    one("RfidBacklogGrows", f"{P}outbox_events", "1001+1x300", "17m", "14m", "5000-10x300"),
    Case(
        "RfidEventsLate",
        {f"{P}outbox_oldest_event_age_seconds": "3601+60x300", f"{P}broker_connected": "1x300"},
        "15m",
        "14m",
        {f"{P}outbox_oldest_event_age_seconds": "3601+60x300", f"{P}broker_connected": "0x300"},
    ),
    one("RfidEventsRefused", f"{P}events_refused_total", "0+1x300", "7m", "4m", "9x300"),
    one("RfidEventsSetAside", f"{P}set_aside_events", "0 1x300", "1m", "0m", "0x300"),
    one("RfidObservationsLost", f"{P}observations_lost_total", "0x5 50x300", "7m", "5m", "50x300"),
    Case(
        "RfidCommitsSlow",
        {f'{P}commit_duration_seconds_bucket{{le="{le}"': f"0+{step}x300" for le, step in (("0.25", 1), ("+Inf", 60))}
        | {f'{P}commit_duration_seconds_bucket{{le="1.0"': "0+60x300"},
        "17m",
        "14m",
        {f'{P}commit_duration_seconds_bucket{{le="{le}"': "0+60x300" for le in ("0.25", "1.0", "+Inf")},
    ),
    one("RfidDatabaseUnusable", f"{P}database_usable", "0x300", "1m", "0m", "1x300"),
    one("RfidDatabaseSetAside", f"{P}databases_set_aside", "0 1x300", "1m", "0m", "0x300"),
    one("RfidDiskLow", f"{P}disk_low", "1x300", "5m", "4m", "0x300"),
    # 1 MB a minute of 1 GB; and of 10 GB, which last for a week.
    one("RfidDiskFullSoon", f"{P}disk_free_bytes", "1000000000-1000000x300", "62m", "59m", "10000000000-1000000x300"),
    one("RfidPrunedEarly", f"{P}events_pruned_early_total", "0x5 500x300", "7m", "5m", "500x300"),
    one("RfidClockWrong", f"{P}clock_wrong", "1x300", "1m", "0m", "0x300"),
    one("RfidClockApart", f"{P}clock_apart_seconds", "-3x300", "5m", "4m", "2x300"),
)


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def series(name: str) -> str:
    return f"{name},{LABELS}}}" if "{" in name else f"{name}{{{LABELS}}}"


def firing(alert: str, at: str, count: int) -> dict[str, Any]:
    return {
        "expr": f'sum(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
        "eval_time": at,
        "exp_samples": [{"labels": "{}", "value": count}],
    }


def run_promtool(folder: Path, tests: list[dict[str, Any]]) -> None:
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([program("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def given(values: dict[str, str], checks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": series(name), "values": value} for name, value in values.items()],
        "promql_expr_test": checks,
    }


def test_promtool_has_nothing_to_say_against_the_rules() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "rules", "--lint-fatal", RULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case_and_says_how_bad_it_is_and_what_to_do() -> None:
    assert [case.alert for case in CASES] == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_it_fires_when_it_should_and_not_before(case: Case, tmp_path: Path) -> None:
    sick = given(case.fires, [firing(case.alert, case.not_yet, 0), firing(case.alert, case.at, 1)])
    well = given(case.well, [firing(case.alert, at, 0) for at in ("5m", "65m", "290m")])
    run_promtool(tmp_path, [sick, well])


def test_its_words_are_filled_in(tmp_path: Path) -> None:
    (rule,) = (rule for rule in rules() if rule["alert"] == "RfidReaderDown")
    expected = {
        "exp_labels": {"severity": "critical", "instance": "gate-1", "job": "rfid-gateway", "reader": "dock-1"},
        "exp_annotations": {
            "summary": "reader dock-1 at gate-1 is not read from",
            "description": rule["annotations"]["description"],
        },
    }
    run_promtool(
        tmp_path,
        [
            {
                "interval": "1m",
                "input_series": [{"series": f'{P}reader_up{{{LABELS},reader="dock-1"}}', "values": "0x10"}],
                "alert_rule_test": [{"alertname": "RfidReaderDown", "eval_time": "5m", "exp_alerts": [expected]}],
            }
        ],
    )


def test_the_guide_says_of_every_alert_what_to_do() -> None:
    guide = (RULES.parents[1] / "docs/monitoring.md").read_text()
    for rule in rules():
        row = next((line for line in guide.splitlines() if line.startswith(f"| `{rule['alert']}` |")), "")
        assert f"| {rule['labels']['severity']} |" in row, rule["alert"]
