"""Prometheus' own programs, and the names of metrics in texts."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from rfid_gateway.snapshot import Snapshot
from rfid_gateway.web.monitoring import registry_of
from tests.conftest import skip_or_fail
from tests.snapshots import SNAPSHOT

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "config/prometheus-alerts.yml"
DASHBOARD = ROOT / "config/grafana-dashboard.json"
_NAME = re.compile(r"\b(?:rfid_gateway|process)_[a-z0-9_]+\b")


def program(name: str) -> str:
    """Where `promtool` or `prometheus` is."""
    found = shutil.which(name)
    if found is None:
        skip_or_fail(f"{name} is not installed")
    assert found is not None
    return found


def exposed(snapshot: Snapshot) -> bytes:
    """What `/metrics` says of a snapshot."""
    return generate_latest(registry_of(lambda: snapshot))


def parse(text: str) -> Iterable[Metric]:
    """Metric families as prometheus-client's parser reads them."""
    return text_string_to_metric_families(text)


def exposed_as_openmetrics(snapshot: Snapshot) -> bytes:
    """The same for a client that asks for OpenMetrics."""
    text: bytes = openmetrics_exposition.generate_latest(registry_of(lambda: snapshot))  # type: ignore[no-untyped-call]
    return text


def parse_openmetrics(text: str) -> Iterable[Metric]:
    """Metric families as prometheus-client's strict parser of OpenMetrics reads them."""
    found: Iterable[Metric] = openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return found


def exported_names() -> set[str]:
    """Every name that a query can find."""
    return {sample.name for family in registry_of(lambda: SNAPSHOT).collect() for sample in family.samples}


def names_in(text: str) -> set[str]:
    """Every name of a metric in a text."""
    return set(_NAME.findall(text))
