"""How the dashboard is built, in Grafana's classic JSON model; what its queries find is tests/e2e's business.

The top level is documented; the options of each kind of panel are not checked here, and Grafana is not run.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from typing import Any

import pytest

from tests.monitoring import DASHBOARD

MODEL: dict[str, Any] = json.loads(DASHBOARD.read_text())
PANELS: list[dict[str, Any]] = MODEL["panels"]
DATA = [panel for panel in PANELS if panel["type"] != "row"]
BUILT_IN = {"row", "stat", "timeseries", "state-timeline"}


def test_it_can_be_imported_anywhere() -> None:
    assert MODEL["id"] is None
    assert MODEL["uid"] == "rfid-gateway"
    assert isinstance(MODEL["schemaVersion"], int)
    assert set(MODEL["time"]) == {"from", "to"}
    assert {panel["type"] for panel in PANELS} == BUILT_IN
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_it_asks_for_the_data_source_and_the_gateway() -> None:
    source, gateway = MODEL["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert (gateway["name"], gateway["type"], gateway["multi"]) == ("gateway", "query", True)
    assert gateway["query"]["query"] == "label_values(rfid_gateway_build_info, instance)"
    assert gateway["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_the_rows_are_those_that_people_ask_for() -> None:
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]
    assert rows == ["Is it well?", "Readers", "Doors and zones", "Broker and outbox", "Disk and clock"]


@pytest.mark.parametrize("panel", DATA, ids=lambda panel: panel["title"])
def test_a_panel_asks_the_chosen_source_about_the_chosen_gateways(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in (panel, *panel["targets"]):
        assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert 'instance=~"$gateway"' in target["expr"]
        assert "{{" in target["legendFormat"]
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_lie_beside_each_other_on_24_columns() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells
