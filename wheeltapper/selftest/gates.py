"""Gates of the self-test: can a candidate see faults at all, and on which sensors? Each answer has its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wheeltapper.errors import DataError
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.ranking import chance_above
from wheeltapper.selftest.sensitivity import POWER

RAISED_SHARE = 0.9
"""Share of stepped rows that must score above their clean twin; the rest is room for rows at a sensor's limit."""
STANDS_OUT = 0.6
"""Chance that an unmistakable fault of one sensor must score above clean running; 0.5 is guessing."""
FOUND_SHARE = 0.5
"""Share of the pairs of a sensor and a kind of fault of which some tried size should be found."""
RUNG_SHARE = 0.5
"""Share of episodes in which an unmistakable fault of one sensor should open an alarm: more often than not."""
NO_EPISODE = "cannot be asked: normal running never lasts long enough for an episode, or no sensor moves"
REACHED_SHARE = 0.5
"""Share of windows with an unmistakable step of every sensor that must lie above the threshold."""
TOLD_APART = 0.9
"""Chance that an obviously faulty window must score above a clean one; 0.5 is guessing."""
RIGHTLY = 0.7
"""Share of clean and obviously faulty windows that must be judged rightly; lower, since false alarms are priced."""
CLEARLY_UP = 0.75
"""Quantile of the clean scores that the median stepped score must exceed."""


def is_not_inverted(clean_scores: ArrayLike, injected_scores: ArrayLike) -> Gate:
    """Ask whether an unmistakable fault raises the score; a blind or an inverted model cannot pass.

    Parameters
    ----------
    clean_scores, injected_scores : arrays of shape (n_windows,)
        Scores of the same windows without and with the step of `selftest.inject_obvious`, row beside row.

    Raises
    ------
    DataError
        If there is no score, one is not finite, or the two differ in length.
    """
    clean = np.asarray(clean_scores, dtype=np.float64)
    injected = np.asarray(injected_scores, dtype=np.float64)
    if clean.size == 0 or clean.shape != injected.shape:
        raise DataError(f"the self-test needs twins, got {clean.shape} clean and {injected.shape} injected scores")
    if not (np.isfinite(clean).all() and np.isfinite(injected).all()):
        raise DataError("the self-test got scores that are not finite; leave out the rows that could not be scored")
    share = float((injected > clean).mean())
    usual, after = float(np.quantile(clean, CLEARLY_UP)), float(np.median(injected))
    return Gate(
        name="is_not_inverted",
        passed=share >= RAISED_SHARE and after > usual,
        figure=share,
        limit=RAISED_SHARE,
        reason=f"an unmistakable step raised {share:.0%} of the scores (at least {RAISED_SHARE:.0%} must rise); their "
        f"median is {after:.3g}, it must exceed {usual:.3g}, which three of four clean scores do not",
    )


def is_not_blind(stands_out: Mapping[str, float], skipped: Mapping[str, str] | None = None) -> Gate:
    """Ask whether an unmistakable fault of each watched sensor, alone, makes the score stand out.

    What counts is the most audible of the large faults that were put into a sensor (a step of twenty usual deviations,
    or to the end of what it can show, among them): a detector may be dull on one kind, it may not be deaf on all. The
    score is asked and not the alarm, since a detector that weighs many sensors honestly, such as an isolation forest,
    may hear a single one and yet not ring for it; that is what `rings_for_each_sensor` says. Whoever looks away from a
    sensor scores its faults like clean running, which is a chance of one half at most; 60 % is above that, and leaves
    room for a sensor that is mostly noise or for running that is restless itself.

    Parameters
    ----------
    stands_out : mapping
        Sensor → chance that the fault scores above a clean episode, from `hearing.standing_out`.
    skipped : mapping, optional
        Sensors that could not be tested → why.
    """
    name, limit = "is_not_blind", STANDS_OUT
    left_out = f"; not tested: {', '.join(f'{one} ({why})' for one, why in skipped.items())}" if skipped else ""
    if not stands_out:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=f"{NO_EPISODE}{left_out}")
    worst = min(stands_out, key=lambda sensor: (stands_out[sensor], sensor))
    deaf = [sensor for sensor, chance in stands_out.items() if chance < limit]
    reason = (
        f"it does not hear {', '.join(deaf)}: an unmistakable fault of {worst} alone scores above clean running with a "
        f"chance of {stands_out[worst]:.0%} (guessing: 50%; at least {limit:.0%} of each sensor)"
        if deaf
        else f"an unmistakable fault of each of {len(stands_out)} sensors alone scores above clean running; of {worst} "
        f"least surely, with a chance of {stands_out[worst]:.0%} (at least {limit:.0%})"
    )
    return Gate(name=name, passed=not deaf, figure=stands_out[worst], limit=limit, reason=reason + left_out)


def rings_for_each_sensor(rung: Mapping[str, float]) -> Gate:
    """Ask whether an unmistakable fault of each watched sensor, alone, opens an alarm more often than not.

    It informs and does not block: on many sensors some honest detectors ring only for faults that several of them
    show. Whoever relies on one sensor should know.

    Parameters
    ----------
    rung : mapping
        Sensor → share of episodes in which its most audible fault opens an alarm, from `hearing.rung_for`.
    """
    name, limit = "rings_for_each_sensor", RUNG_SHARE
    if not rung:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=NO_EPISODE, blocks=False)
    mute = [sensor for sensor, share in rung.items() if share < limit]
    lowest = min(rung.values())
    reason = (
        f"an unmistakable fault of {', '.join(mute)} alone opens an alarm in fewer than {limit:.0%} of the episodes "
        f"(the least in {lowest:.0%}): it is heard only together with others"
        if mute
        else f"an unmistakable fault of each of {len(rung)} sensors alone opens an alarm in at least {lowest:.0%} of "
        f"the episodes (at least {limit:.0%})"
    )
    return Gate(name=name, passed=not mute, figure=lowest, limit=limit, reason=reason, blocks=False)


def finds_small_faults(table: Sequence[Mapping[str, Any]]) -> Gate:
    """Ask of how many sensors and kinds of fault the candidate finds a size that the self-test tried.

    It informs and does not block: which sizes matter is for the plant's people to say. The smallest size of each that
    is found, in the sensor's unit, stands in ``details``.

    Parameters
    ----------
    table : sequence of mapping
        A line for each sensor and kind, from `hearing.table`.
    """
    name, limit = "finds_small_faults", FOUND_SHARE
    if not table:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=NO_EPISODE, blocks=False)
    found = [line for line in table if line["smallest"] is not None]
    share = len(found) / len(table)
    details = tuple(
        f"{line['sensor']}, {line['kind'].replace('_', ' ')}: "
        + (f"from {line['smallest']}" if line["smallest"] else f"not found up to {line['sizes'][-1]['in_units']}")
        for line in table
    )
    reason = (
        f"{len(found)} of {len(table)} pairs of a sensor and a kind of fault are found in {POWER:.0%} of the episodes "
        f"at one of the sizes tried (at least {limit:.0%} should be); the smallest of each is on record"
    )
    return Gate(
        name=name, passed=share >= limit, figure=share, limit=limit, reason=reason, blocks=False, details=details
    )


def threshold_is_reachable(thresholds: ArrayLike, injected_scores: ArrayLike) -> Gate:
    """Ask whether the threshold is a number that an unmistakable fault exceeds; one that nothing reaches never rings.

    Parameters
    ----------
    thresholds, injected_scores : arrays of shape (n_windows,)
        Threshold and score of windows with the step of `selftest.inject_obvious`.

    Raises
    ------
    DataError
        If there is no window, or the two differ in length.
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    scores = np.asarray(injected_scores, dtype=np.float64)
    if limits.size == 0 or limits.shape != scores.shape:
        raise DataError(f"the self-test needs a threshold beside each score, got {limits.shape} and {scores.shape}")
    name = "threshold_is_reachable"
    if not np.isfinite(limits).all():
        reason = f"the threshold is {limits[~np.isfinite(limits)][0]}: no score ever exceeds it"
        return Gate(name=name, passed=False, figure=None, limit=REACHED_SHARE, reason=reason)
    share = float((scores > limits).mean())
    return Gate(
        name=name,
        passed=share >= REACHED_SHARE,
        figure=share,
        limit=REACHED_SHARE,
        reason=f"with an unmistakable step {share:.0%} of the scores exceed the threshold (at least "
        f"{REACHED_SHARE:.0%} must); their median is {np.median(scores):.3g}, the threshold {np.median(limits):.3g}",
    )


def is_not_random(
    clean_scores: ArrayLike, injected_scores: ArrayLike, clean_anomalous: ArrayLike, injected_anomalous: ArrayLike
) -> Gate:
    """Ask whether clean and obviously faulty windows are told apart, by the score and by the verdict on each window.

    By the score: the chance that a faulty window scores above a clean one (area under the ROC curve). By the verdict:
    the mean of the shares that are judged rightly. Both are one half for guessing; the figure is the one
    that is closer to its limit. A
    model whose weights are not those that its threshold was set for gives itself away by the second.

    It does not find a detector that never learnt and was calibrated all the same: any distance from the usual hears
    what is obvious. `learning.has_learnt` is what stops that one.

    Parameters
    ----------
    clean_scores, injected_scores : arrays of float
        Scores of windows without and with an unmistakable step.
    clean_anomalous, injected_anomalous : arrays of bool
        Whether each lies above its threshold.

    Raises
    ------
    DataError
        If there is none of either.
    """
    clean, injected = np.asarray(clean_scores, float), np.asarray(injected_scores, float)
    if not clean.size or not injected.size:
        raise DataError(f"the self-test needs twins, got {clean.size} clean and {injected.size} injected scores")
    by_score = chance_above(clean, injected)
    rightly = float(((~np.asarray(clean_anomalous, bool)).mean() + np.asarray(injected_anomalous, bool).mean()) / 2)
    figure, limit = min((by_score, TOLD_APART), (rightly, RIGHTLY), key=lambda one: one[0] - one[1])
    return Gate(
        name="is_not_random",
        passed=figure >= limit,
        figure=figure,
        limit=limit,
        reason=f"an obviously faulty window scores above a clean one with a chance of {by_score:.0%} (at least "
        f"{TOLD_APART:.0%}), and {rightly:.0%} of both are judged rightly (at least {RIGHTLY:.0%}; guessing: 50%)",
    )
