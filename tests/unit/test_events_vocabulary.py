"""Words of CBV 2.0."""

import json
from pathlib import Path

import pytest

from rfid_gateway.events.vocabulary import BIZ_STEPS, DISPOSITIONS, conflicts


def _schema_words(shared: Path, definition: str) -> set[str]:
    schema = json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text())
    own_uri, words = schema["definitions"][definition]["anyOf"]
    assert own_uri == {"$ref": "#/definitions/vocab-other-uri"}
    return set(words["enum"])


def test_business_steps_are_those_of_the_schema(shared: Path) -> None:
    assert _schema_words(shared, "bizStep") == BIZ_STEPS


def test_dispositions_are_those_of_the_schema(shared: Path) -> None:
    assert _schema_words(shared, "disposition") == DISPOSITIONS


@pytest.mark.parametrize("coarse", ["shipping", "consigning", "receiving"])
def test_definition_of_each_coarse_step_names_the_steps_that_it_excludes(shared: Path, coarse: str) -> None:
    definitions = json.loads((shared / "epcis/cbv_definitions.json").read_text())
    exclusion = definitions[f"BizStep-{coarse}"].partition("mutually exclusive")[2].partition("\n")[0]
    excluded = {step for step in BIZ_STEPS if f"`{step}`" in exclusion} - {coarse}
    assert excluded
    assert {step for step in BIZ_STEPS if conflicts({coarse, step})} == excluded


def test_fine_steps_alone_and_coarse_steps_alone_are_in_harmony() -> None:
    assert conflicts({"arriving", "accepting", "storing", "staging_outbound", "loading", "departing"}) == []
    assert conflicts(["receiving", "storing", "shipping"]) == []
    assert conflicts(()) == []


def test_conflict_names_the_coarse_step_and_the_fine_steps_that_were_met() -> None:
    [sentence] = conflicts(["departing", "shipping", "loading"])
    assert sentence.startswith("shipping stands for the whole of staging_outbound, loading, departing; ")
    assert sentence.endswith("use either it or loading, departing, not both")


def test_each_coarse_step_is_reported_once() -> None:
    found = conflicts(BIZ_STEPS)
    assert [sentence.split()[0] for sentence in found] == ["shipping", "consigning", "receiving"]
