"""What photo-eyes add to the decision at a door. Pure.

The antennas' score is a logit; what the beams saw is another one, and they are added. Weak antennas are overruled,
agreeing ones gain certainty, and antennas that are sure of the opposite leave nothing: UNDECIDED.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import copysign

from rfid_gateway.observe.beams import BeamOrder
from rfid_gateway.observe.decision import NO_RSSI_MAX_CONFIDENCE, Judgement, Verdict, certainty
from rfid_gateway.observe.rules import DoorRules

BEAM_SCORE = 3.9
"""Logit of 0.98: a pair of beams errs when two people meet in a door, or a load swings."""
COME_FAR = 2.0
"""Times `movement_db`: what a tag that only one of two sides heard must have moved before beams may speak for it."""
_TOWARDS = {BeamOrder.OUT: BEAM_SCORE, BeamOrder.IN: -BEAM_SCORE}
_DOUBT: Mapping[BeamOrder, float] = {BeamOrder.TURNED_BACK: 3.0, BeamOrder.CLEAR: 2.0}
"""What is taken off the antennas' score. Beams that saw nothing weigh less: a tag may be held above them."""
_UNMOVED = {Verdict.STRAY, Verdict.STILL}


@dataclass(frozen=True, slots=True)
class Sight:
    """What the photo-eyes saw at the time of one tag's passage."""

    order: BeamOrder
    leaving: bool
    """The tag has not been read since; a tag without RSSI that goes on being read stands there."""


def weigh(judgement: Judgement, sight: Sight, rules: DoorRules) -> Judgement:
    """The judgement of the antennas, with what the beams saw added to it."""
    evidence = judgement.evidence | {"beams": sight.order.value, "antenna_score": judgement.evidence["score"]}
    judgement = replace(judgement, evidence=evidence)
    if judgement.verdict in _UNMOVED:
        return judgement
    towards = _TOWARDS.get(sight.order)
    if towards is not None:
        return _decided(judgement, towards, rules) if _may_speak(judgement, sight, rules) else judgement
    if sight.order is BeamOrder.CUT and judgement.verdict is Verdict.ONE_SIDE and not rules.outside:
        # Its beams alone could tell, and this time they cannot: somebody has to look.
        return _scored(judgement, 0.0, rules) if _may_speak(judgement, sight, rules) else judgement
    doubt = _DOUBT.get(sight.order)
    return judgement if doubt is None else _doubted(judgement, sight.order, doubt, rules)


def _may_speak(judgement: Judgement, sight: Sight, rules: DoorRules) -> bool:
    """Whether the beams' order may be this tag's: it was not merely beside the door when something else passed."""
    if not _has_rssi(judgement):
        return sight.leaving
    if judgement.verdict is Verdict.ONE_SIDE and rules.outside:
        return float(judgement.evidence["movement_db"]) >= COME_FAR * rules.movement_db
    return True


def _decided(judgement: Judgement, towards: float, rules: DoorRules) -> Judgement:
    cannot_tell = judgement.verdict in {Verdict.ONE_SIDE, Verdict.TURNED_BACK}
    antennas = 0.0 if cannot_tell else judgement.score
    if antennas * towards < 0:
        # However sure the antennas are: against the beams they make it unclear, not the opposite.
        antennas = copysign(min(abs(antennas), BEAM_SCORE), antennas)
    return _scored(judgement, towards + antennas, rules)


def _doubted(judgement: Judgement, order: BeamOrder, doubt: float, rules: DoorRules) -> Judgement:
    if judgement.verdict is Verdict.CROSSED:
        score = copysign(max(0.0, abs(judgement.score) - doubt), judgement.score)
        return _scored(judgement, score, rules)
    if judgement.verdict is Verdict.UNDECIDED and order is BeamOrder.TURNED_BACK:
        return replace(judgement, verdict=Verdict.TURNED_BACK)
    return judgement


def _scored(judgement: Judgement, score: float, rules: DoorRules) -> Judgement:
    sure, needed = certainty(score), rules.min_confidence
    if not _has_rssi(judgement):
        sure, needed = min(sure, NO_RSSI_MAX_CONFIDENCE), min(needed, NO_RSSI_MAX_CONFIDENCE)
    return Judgement(
        Verdict.CROSSED if sure >= needed else Verdict.UNDECIDED,
        score,
        sure,
        judgement.evidence | {"score": round(score, 2)},
    )


def _has_rssi(judgement: Judgement) -> bool:
    return bool({"peak_inside_dbm", "peak_outside_dbm"} & judgement.evidence.keys())
