"""Words of CBV 2.0."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from rfid_gateway.events.vocabulary import (
    BIZ_STEPS,
    DISPOSITIONS,
    EventType,
    action_of,
    bare_word,
    conflicts,
    is_own_value,
)

_TYPES = get_args(EventType)


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
    [conflict] = conflicts(["departing", "shipping", "loading"])
    assert (conflict.coarse, conflict.met) == ("shipping", ("loading", "departing"))
    sentence = conflict.sentence()
    assert sentence.startswith("shipping stands for the whole of staging_outbound, loading, departing; ")
    assert sentence.endswith("use either it or loading, departing, not both")


def test_each_coarse_step_is_reported_once() -> None:
    found = conflicts(BIZ_STEPS)
    assert [conflict.coarse for conflict in found] == ["shipping", "consigning", "receiving"]


@pytest.mark.parametrize(
    ("event_type", "biz_step", "action"),
    [
        ("ObjectEvent", "packing", "OBSERVE"),
        ("AggregationEvent", "packing", "ADD"),
        ("AggregationEvent", "unpacking", "DELETE"),
        ("AggregationEvent", "storing", "OBSERVE"),
        ("AssociationEvent", "loading", "ADD"),
        ("AssociationEvent", "unloading", "DELETE"),
        ("AssociationEvent", "removing", "DELETE"),
        ("TransactionEvent", "shipping", "ADD"),
        ("TransactionEvent", "void_shipping", "DELETE"),
        ("TransactionEvent", "https://shop.example/steps/refund", "OBSERVE"),
    ],
)
def test_step_says_what_is_done_to_the_parent_or_the_transaction(
    event_type: EventType, biz_step: str, action: str
) -> None:
    assert action_of(event_type, biz_step) == action


def test_no_step_both_adds_and_takes_away() -> None:
    actions = {(kind, step): action_of(kind, step) for kind in _TYPES for step in BIZ_STEPS}
    assert {action for (kind, _), action in actions.items() if kind == "ObjectEvent"} == {"OBSERVE"}
    assert set(actions.values()) == {"OBSERVE", "ADD", "DELETE"}


@pytest.mark.parametrize(
    ("text", "own", "word"),
    [
        ("loading", False, None),
        ("https://shop.example/steps/refund", True, None),
        ("urn:example:step", True, None),
        ("urn:epcglobal:cbv:bizstep:loading", False, "loading"),
        ("https://ref.gs1.org/cbv/BizStep-loading", False, "loading"),
        ("https://ns.gs1.org/cbv/Disp-in_transit", False, "in_transit"),
        ("https://shop.example/two words", False, None),
        ("https://shop.example/prüfen", False, None),
        ("https://shop.example/pr%C3%BCfen", True, None),
    ],
)
def test_own_values_are_uris_and_none_of_cbv(text: str, own: bool, word: str | None) -> None:  # noqa: FBT001
    assert is_own_value(text) is own
    assert bare_word(text) == word


def test_own_values_are_those_that_the_schema_takes(shared: Path) -> None:
    schema = json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text())
    pattern = schema["definitions"]["vocab-other-uri"]["pattern"]
    for text in ("urn:epcglobal:cbv:bizstep:loading", "https://ns.gs1.org/cbv/BizStep-loading"):
        assert (re.search(pattern, text), is_own_value(text)) == (None, False)
