"""The decision at a door: from the sums of one tag to a direction, a confidence, or nothing at all. Pure functions.

Field notes behind it: over 64 labelled walks the power-weighted time centroid per side named 95 % of directions, the
RSSI slope per antenna summed by side 97 %, the time of the peak 88 %, first-seen order only 66 %. The first three are
added up to a logistic score; order is not used.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import copysign, exp, sqrt

from rfid_gateway.observe.rules import DoorRules
from rfid_gateway.observe.sums import Sums

CENTROID_WEIGHT = 4.0
NO_EFFECT = 0.6
"""A centroid gap below this many spreads says nothing: coming and going past uneven echoes makes as much, so with
enough reads the tag turned back."""
SLOPE_WEIGHT = 0.25
PEAK_WEIGHT = 1.0
MAX_SLOPE_Z = 6.0
"""One antenna's slope says no more than this: with hundreds of reads any drift becomes significant."""
MAX_SLOPE_SCORE = 1.5
"""A tag that goes through and then drives on has a falling slope on both sides; slopes alone must not overrule."""
MAX_EVIDENCE = 2.0
"""Square root of the effective number of reads beyond which more reads do not make a centroid gap truer."""
APART_EFFECT = 1.5
"""Sides whose centroids lie further apart than this heard the tag one after the other. A still tag does not do that,
so single reads may then show the movement that smoothing hides where there are only four or five of them."""
TURN_BACK_READS = 6
"""Reads that each side needs before 'together' means something."""
SHIFT_READS = 5
SHORTEST_STAY = 0.3
"""Seconds; shorter stays would make any shift look large."""
MAX_SHIFT = 4.0
FAINT_SHARE = 0.1
FAINT_DB = 12.0
"""A side with so few and so weak reads heard an echo round the door frame, not a tag that went past its antenna."""
NO_RSSI_MAX_CONFIDENCE = 0.85
"""Without RSSI only order and mean time are left, and those name about nine directions in ten."""
SCORE_LIMIT = 30.0


class Verdict(Enum):
    """What a tag's reads at a door amount to."""

    CROSSED = "crossed"
    UNDECIDED = "undecided"
    STRAY = "stray"
    """Too few reads."""
    STILL = "still"
    """It stood there: no rise and no fall."""
    ONE_SIDE = "one side"
    """Only one side ever heard it, and heard it well: it did not go through."""
    TURNED_BACK = "turned back"
    """Both sides saw it come and go at the same time."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what led to it; `score` above 0 means OUT, below 0 IN."""

    verdict: Verdict
    score: float
    confidence: float
    evidence: dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class _Side:
    n: int
    rssi_n: int
    centroid: float
    mean_time: float
    time_square: float
    """Σ(t - mean)², s²."""
    slope_z: float
    peak: float
    peak_time: float
    movement: float
    raw_movement: float


def judge(inside: Iterable[Sums], outside: Iterable[Sums], rules: DoorRules) -> Judgement:
    """Judge one tag by itself."""
    near, far = _side(inside), _side(outside)
    has_rssi = near.rssi_n + far.rssi_n > 0
    score, effect, evidence = _score(near, far)
    movement = max(near.movement, far.movement)
    if abs(effect) >= APART_EFFECT:
        movement = max(movement, near.raw_movement, far.raw_movement)
    confidence = certainty(score)
    if not has_rssi:
        confidence = min(confidence, NO_RSSI_MAX_CONFIDENCE)
    verdict = _verdict(near, far, rules, movement if has_rssi else None, effect, confidence)
    evidence |= {
        "reads_inside": near.n,
        "reads_outside": far.n,
        "movement_db": round(movement, 1),
        "score": round(score, 2),
    }
    if near.rssi_n:
        evidence["peak_inside_dbm"] = near.peak
    if far.rssi_n:
        evidence["peak_outside_dbm"] = far.peak
    return Judgement(verdict, score, confidence, evidence)


def certainty(score: float) -> float:
    """Probability (0.5 to 1) of the likelier direction."""
    return 1.0 / (1.0 + exp(-min(abs(score), SCORE_LIMIT)))


def _verdict(near: _Side, far: _Side, rules: DoorRules, movement: float | None, effect: float, sure: float) -> Verdict:
    if near.n + far.n < rules.min_reads:
        return Verdict.STRAY
    if movement is not None and movement < rules.movement_db:
        return Verdict.STILL
    if _is_faint(near, far) or _is_faint(far, near):
        return Verdict.ONE_SIDE
    needed = rules.min_confidence if movement is not None else min(rules.min_confidence, NO_RSSI_MAX_CONFIDENCE)
    together = abs(effect) < NO_EFFECT
    if sure >= needed and not together:
        return Verdict.CROSSED
    if together and min(near.n, far.n) >= TURN_BACK_READS:
        return Verdict.TURNED_BACK
    return Verdict.UNDECIDED


def _is_faint(side: _Side, other: _Side) -> bool:
    """Whether a side heard next to nothing of a tag that the other side heard well."""
    return not side.n or (side.n < FAINT_SHARE * other.n and side.peak < other.peak - FAINT_DB)


def _score(near: _Side, far: _Side) -> tuple[float, float, dict[str, float | int | str]]:
    """Score, centroid gap in units of the spread, and evidence."""
    if not near.n or not far.n:
        return 0.0, 0.0, {}
    gap = far.centroid - near.centroid
    reads = near.n + far.n
    # Half a second keeps two reads in the same instant from being an infinite effect.
    spread = sqrt((near.time_square + far.time_square) / reads + 0.25 / reads)
    effect = gap / spread
    shift = _shift(near, far)
    if shift * effect > 0 and abs(shift) > abs(effect):
        effect = shift
    peak_gap = far.peak_time - near.peak_time
    slope = far.slope_z - near.slope_z
    weight = min(sqrt(near.n * far.n / reads), MAX_EVIDENCE)
    has_rssi = bool(near.rssi_n and far.rssi_n)
    score = CENTROID_WEIGHT * copysign(max(0.0, abs(effect) - NO_EFFECT), effect) * weight
    if has_rssi:
        score += max(-MAX_SLOPE_SCORE, min(MAX_SLOPE_SCORE, SLOPE_WEIGHT * slope))
        score += PEAK_WEIGHT * max(-2.0, min(2.0, peak_gap / spread))
    evidence: dict[str, float | int | str] = {
        "centroid_gap_s": round(gap, 3),
        "effect": round(effect, 2),
        "peak_gap_s": round(peak_gap, 3),
        "slope_z": round(slope, 2),
    }
    return score, effect, evidence


def _shift(near: _Side, far: _Side) -> float:
    """How far the far side's stay lies after the near side's, in spreads of the shorter; 0 where one holds the other.

    A tag that goes through and stays on the other side, in a truck for example, is heard there for so long that the
    centroids' gap drowns in the spread. But it came later to that side *and* was there later, whereas the stay of a
    tag that turned back lies on one side within that on the other. A stay is taken as mean plus and minus
    sqrt(3) standard deviations (exact for evenly spread reads), which a single echo hardly moves.
    """
    if min(near.n, far.n) < SHIFT_READS:
        return 0.0
    near_half, far_half = (sqrt(3.0 * side.time_square / side.n) for side in (near, far))
    gap = far.mean_time - near.mean_time
    begins, ends = gap - (far_half - near_half), gap + (far_half - near_half)
    if begins * ends <= 0:
        return 0.0
    least = min(abs(begins), abs(ends)) / max(min(near_half, far_half) / sqrt(3.0), SHORTEST_STAY)
    return copysign(min(least, MAX_SHIFT), gap)


def _side(antennas: Iterable[Sums]) -> _Side:
    sums = [each for each in antennas if each.n]
    n = sum(each.n for each in sums)
    if not n:
        return _Side(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    total = sum(each.p for each in sums)
    mean_time = sum(each.t for each in sums) / n
    strongest = max(sums, key=lambda each: each.peak)
    return _Side(
        n=n,
        rssi_n=sum(each.rssi_n for each in sums),
        centroid=sum(each.tp for each in sums) / total,
        mean_time=mean_time,
        time_square=max(0.0, sum(each.tt for each in sums) - n * mean_time * mean_time),
        slope_z=sum(max(-MAX_SLOPE_Z, min(MAX_SLOPE_Z, each.slope_z())) for each in sums),
        peak=strongest.peak,
        peak_time=strongest.peak_t,
        movement=max(max(each.rise(), each.fall()) for each in sums),
        raw_movement=max(each.raw_movement() for each in sums),
    )
