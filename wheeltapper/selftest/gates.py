"""Gates of the self-test: a candidate must find obvious faults, on every sensor; each gate has a figure."""

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
"""Share of stepped rows that must score above their clean twin; rows at a sensor's limit may not rise."""
STANDS_OUT = 0.6
"""Chance that an unmistakable fault of one sensor must score above clean running; 0.5 is guessing."""
FOUND_SHARE = 0.5
"""Share of the pairs of sensor and kind of fault for which a tested size should be found."""
ALARM_SHARE = 0.5
"""Share of episodes in which an unmistakable fault of one sensor should open an alarm: in most of them."""
NO_EPISODE = "cannot be checked: normal running never lasts long enough for an episode, or no sensor moves"
REACHED_SHARE = 0.5
"""Share of windows with an unmistakable step of every sensor that must lie above the threshold."""
SEPARATED = 0.9
"""Chance that an obviously faulty window must score above a clean one; 0.5 is guessing."""
RIGHT_SHARE = 0.7
"""Share of clean and obviously faulty windows that must be on the right side of the threshold; lower, because false
alarms are priced."""
CLEARLY_UP = 0.75
"""Quantile of the clean scores that the median stepped score must exceed."""


def is_not_inverted(clean_scores: ArrayLike, injected_scores: ArrayLike) -> Gate:
    """Check whether an unmistakable fault raises the score; a blind or an inverted model cannot pass.

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
    high_clean, median_injected = float(np.quantile(clean, CLEARLY_UP)), float(np.median(injected))
    return Gate(
        name="is_not_inverted",
        passed=share >= RAISED_SHARE and median_injected > high_clean,
        figure=share,
        limit=RAISED_SHARE,
        reason=f"an unmistakable step raised {share:.0%} of the scores (at least {RAISED_SHARE:.0%} must rise); their "
        f"median is {median_injected:.3g}, it must exceed {high_clean:.3g}, the upper quartile of the clean scores",
    )


def is_not_blind(stands_out: Mapping[str, float], skipped: Mapping[str, str] | None = None) -> Gate:
    """Check whether an unmistakable fault of each watched sensor, alone, raises the score above clean running.

    For each sensor the clearest of its large injected faults counts. They include a step of twenty usual deviations, or
    to the sensor's limit. A detector may miss one kind of fault, but not all of them.

    The gate uses the score and not the alarm: a detector that weighs many sensors, such as an isolation forest, can
    react to a single sensor without opening an alarm (see `opens_alarm_for_each_sensor`). A detector that ignores a
    sensor scores its faults like clean running, a chance of one half at most. The limit of 60 % is above that, with
    room for a sensor that is mostly noise and for restless running.

    Parameters
    ----------
    stands_out : mapping
        Sensor → chance that the fault scores above a clean episode, from `sensitivity.chance_above_clean`.
    skipped : mapping, optional
        Sensors that could not be tested → reason.
    """
    name, limit = "is_not_blind", STANDS_OUT
    untested = f"; not tested: {', '.join(f'{sensor} ({why})' for sensor, why in skipped.items())}" if skipped else ""
    if not stands_out:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=f"{NO_EPISODE}{untested}")
    worst = min(stands_out, key=lambda sensor: (stands_out[sensor], sensor))
    missed = [sensor for sensor, chance in stands_out.items() if chance < limit]
    reason = (
        f"it does not find faults of {', '.join(missed)}: an unmistakable fault of {worst} alone scores above "
        f"clean running with a "
        f"chance of {stands_out[worst]:.0%} (guessing: 50%; at least {limit:.0%} of each sensor)"
        if missed
        else f"an unmistakable fault of each of {len(stands_out)} sensors alone scores above clean running; the lowest "
        f"chance is {stands_out[worst]:.0%}, of {worst} (at least {limit:.0%})"
    )
    return Gate(name=name, passed=not missed, figure=stands_out[worst], limit=limit, reason=reason + untested)


def opens_alarm_for_each_sensor(alarm_shares: Mapping[str, float]) -> Gate:
    """Check whether an unmistakable fault of each watched sensor, alone, opens an alarm in most episodes.

    It informs and does not block: with many sensors, some good detectors open an alarm only if several sensors show the
    fault. The gate's name is ``rings_for_each_sensor``.

    Parameters
    ----------
    alarm_shares : mapping
        Sensor → share of episodes in which its clearest fault opens an alarm, from `sensitivity.alarm_share`.
    """
    name, limit = "rings_for_each_sensor", ALARM_SHARE
    if not alarm_shares:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=NO_EPISODE, blocks=False)
    without_alarm = [sensor for sensor, share in alarm_shares.items() if share < limit]
    lowest = min(alarm_shares.values())
    reason = (
        f"an unmistakable fault of {', '.join(without_alarm)} alone opens an alarm in fewer than {limit:.0%} of "
        f"the episodes (the lowest share is {lowest:.0%}): it is found only together with other sensors"
        if without_alarm
        else f"an unmistakable fault of each of {len(alarm_shares)} sensors alone opens an alarm in at least "
        f"{lowest:.0%} of the episodes (at least {limit:.0%})"
    )
    return Gate(name=name, passed=not without_alarm, figure=lowest, limit=limit, reason=reason, blocks=False)


def finds_small_faults(table: Sequence[Mapping[str, Any]]) -> Gate:
    """Check for how many pairs of sensor and kind of fault the candidate finds one of the tested sizes.

    It informs and does not block: the plant's staff decide which sizes matter. ``details`` holds the smallest size
    found of each pair, in the sensor's unit.

    Parameters
    ----------
    table : sequence of mapping
        One line for each sensor and kind, from `sensitivity.table`.
    """
    name, limit = "finds_small_faults", FOUND_SHARE
    if not table:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=NO_EPISODE, blocks=False)
    found_lines = [line for line in table if line["smallest"] is not None]
    share = len(found_lines) / len(table)
    details = tuple(
        f"{line['sensor']}, {line['kind'].replace('_', ' ')}: "
        + (f"from {line['smallest']}" if line["smallest"] else f"not found up to {line['sizes'][-1]['in_units']}")
        for line in table
    )
    reason = (
        f"{len(found_lines)} of {len(table)} pairs of a sensor and a kind of fault are found in {POWER:.0%} of the "
        f"episodes "
        f"at one of the tested sizes (at least {limit:.0%} should be); the smallest of each is on record"
    )
    return Gate(
        name=name, passed=share >= limit, figure=share, limit=limit, reason=reason, blocks=False, details=details
    )


def threshold_is_reachable(thresholds: ArrayLike, injected_scores: ArrayLike) -> Gate:
    """Check whether an unmistakable fault exceeds the threshold; an unreachable threshold never opens an alarm.

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
    """Check whether score and threshold separate clean from obviously faulty windows.

    Score: the chance that a faulty window scores above a clean one (area under the ROC curve). Threshold: the mean of
    the two shares of windows on the right side of it. Both are one half for guessing; the figure is the one that is
    closer to its limit. The second one fails for a model whose weights are not those that its threshold was set for.

    The gate does not stop a detector that was calibrated but never trained: any distance from normal running finds
    obvious faults. `relations.has_learnt` stops that one.

    Parameters
    ----------
    clean_scores, injected_scores : arrays of float
        Scores of windows without and with an unmistakable step.
    clean_anomalous, injected_anomalous : arrays of bool
        True where the score lies above its threshold.

    Raises
    ------
    DataError
        If there are no clean or no injected scores.
    """
    clean, injected = np.asarray(clean_scores, float), np.asarray(injected_scores, float)
    if not clean.size or not injected.size:
        raise DataError(f"the self-test needs twins, got {clean.size} clean and {injected.size} injected scores")
    by_score = chance_above(clean, injected)
    right_share = float(((~np.asarray(clean_anomalous, bool)).mean() + np.asarray(injected_anomalous, bool).mean()) / 2)
    figure, limit = min((by_score, SEPARATED), (right_share, RIGHT_SHARE), key=lambda pair: pair[0] - pair[1])
    return Gate(
        name="is_not_random",
        passed=figure >= limit,
        figure=figure,
        limit=limit,
        reason=f"an obviously faulty window scores above a clean one with a chance of {by_score:.0%} (at least "
        f"{SEPARATED:.0%}), and {right_share:.0%} of both are judged rightly (at least {RIGHT_SHARE:.0%}; "
        f"guessing: 50%)",
    )
