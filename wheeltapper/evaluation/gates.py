"""Gates: what a candidate must pass before it may go live, each with the figure that decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from wheeltapper.errors import DataError
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement
from wheeltapper.evaluation.pairs import SURE_SHARE, is_surely_cheaper, is_worth_telling
from wheeltapper.evaluation.ranking import chance_above
from wheeltapper.selftest.sensitivity import POWER

BEATS_CHAMPION = "beats_champion"
SURELY_BEATS_CHAMPION = "surely_beats_champion"
RAISED_SHARE = 0.9
"""Share of stepped rows that must score above their clean twin; the rest is room for rows at a sensor's limit."""
STANDS_OUT = 0.6
"""Chance that an unmistakable fault of one sensor must score above clean running; 0.5 is guessing."""
FOUND_SHARE = 0.5
"""Share of the pairs of a sensor and a kind of fault of which some tried size should be found."""
RUNG_SHARE = 0.5
"""Share of episodes in which an unmistakable fault of one sensor should open an alarm: more often than not."""
NO_EPISODE = "cannot be asked: normal running never lasts long enough for an episode, or no sensor moves"
LEVEL = 0.05
"""Shares of the self-test's faults that lie closer together than this may be in any order by luck."""
REACHED_SHARE = 0.5
"""Share of windows with an unmistakable step of every sensor that must lie above the threshold."""
TOLD_APART = 0.9
"""Chance that an obviously faulty window must score above a clean one; 0.5 is guessing."""
RIGHTLY = 0.7
"""Share of clean and obviously faulty windows that must be judged rightly; lower, since false alarms are priced."""
CLEARLY_UP = 0.75
"""Quantile of the clean scores that the median stepped score must exceed."""

Word = Literal["promote", "challenge", "refuse", "keep"]


class Gate(BaseModel):
    """One question with its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    passed: bool | None
    """None: it could not be asked, and the reason says why."""
    figure: float | None
    limit: float | None
    reason: str
    blocks: bool = True
    """Whether a failure keeps the candidate from going live; others only inform."""
    details: tuple[str, ...] = ()
    """What the figure was made of, for the record; a line each."""


class Verdict(BaseModel):
    """What is to be done with a candidate, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: Word
    reasons: tuple[str, ...]


def beats_baselines(
    candidate: Judgement, baselines: Sequence[Judgement], self_test: Mapping[str, float] | None = None
) -> Gate:
    """Ask whether the candidate beats every baseline on the same windows.

    It does if it costs less than each of them. Where it costs more, but over so few weeks that luck may have decided
    (no baseline is *surely* cheaper), or no more than `PRICED` above, it has to rank faulty windows higher than every
    baseline: VUS-PR looks at every window and at every threshold, and not only at the handful of alarms that this one
    raised.

    Where no fault is known it has to hear more of the faults that the self-test puts in than every baseline; a few
    episodes cannot tell apart what lies closer together than `LEVEL`.

    Parameters
    ----------
    self_test : mapping, optional
        Candidate → figure of the self-test, 0 to 1.

    Raises
    ------
    DataError
        If there is no baseline, or one was judged on other data.
    """
    if not baselines:
        raise DataError(f"{candidate.candidate} has no baseline to beat; judge the baselines in the same run")
    for baseline in baselines:
        _require_same_data(candidate, baseline)
    costs = {one.candidate: one.cost_per_asset_week for one in baselines if one.cost_per_asset_week is not None}
    own = candidate.cost_per_asset_week
    if own is None or not costs:
        return _hears_more(candidate.candidate, [one.candidate for one in baselines], self_test or {})
    best = min(costs, key=lambda name: (costs[name], name))
    is_cheaper = own < costs[best]
    ranks_higher, how = (False, "") if is_cheaper else _ranks_higher(candidate, baselines)
    says = "less than" if is_cheaper else "no less than"
    mine, theirs = _told_apart(own, costs[best])
    return Gate(
        name="beats_baselines",
        passed=is_cheaper or ranks_higher,
        figure=own,
        limit=costs[best],
        reason=f"{candidate.candidate} costs {mine} {candidate.currency} per asset-week, {says} the best baseline, "
        f"{best}, with {theirs}{how}",
    )


def _hears_more(candidate: str, baselines: Sequence[str], self_test: Mapping[str, float]) -> Gate:
    """Compare by the self-test, where nobody knows what was missed."""
    known = {name: self_test[name] for name in baselines if name in self_test}
    own = self_test.get(candidate)
    if own is None or not known:
        return Gate(name="beats_baselines", passed=None, figure=None, limit=None, reason=NO_FAULTS)
    best = max(known, key=lambda name: (known[name], name))
    is_level = own <= known[best] < own + LEVEL
    says = "more than" if own > known[best] else "too close to tell apart from" if is_level else "less than"
    return Gate(
        name="beats_baselines",
        passed=None if is_level else own > known[best],
        figure=own,
        limit=known[best],
        reason=f"no faults are known to judge by; {candidate} hears {own:.0%} of the moderate faults of the self-test, "
        f"{says} the best baseline, {best}, with {known[best]:.0%}",
    )


def _ranks_higher(candidate: Judgement, baselines: Sequence[Judgement]) -> tuple[bool, str]:
    """Tell whether a dearer candidate is better all the same: luck may have decided, and its VUS-PR is the highest."""
    own = candidate.cost_per_asset_week
    is_close = True
    for baseline in baselines:
        if not is_worth_telling(baseline.cost_per_asset_week, own):
            continue
        is_close = False
        if is_surely_cheaper(baseline.cost_by_asset_week, candidate.cost_by_asset_week):
            return False, f"; in {SURE_SHARE:.0%} of resampled asset-weeks {baseline.candidate} stays cheaper"
    known = {one.candidate: one.vus_pr for one in baselines if one.vus_pr is not None}
    if candidate.vus_pr is None or not known:
        return False, ""
    best = max(known, key=lambda name: (known[name], name))
    if candidate.vus_pr <= known[best]:
        return False, f", and its VUS-PR of {candidate.vus_pr:.3f} is no higher than {known[best]:.3f} of {best}"
    why = "prices are hardly known to a tenth" if is_close else "with so few weeks the difference may be luck"
    return True, (
        f"; but {why}, and it ranks faulty windows higher than every baseline: VUS-PR {candidate.vus_pr:.3f} against "
        f"{known[best]:.3f} of {best}"
    )


def _told_apart(first: float, second: float) -> tuple[str, str]:
    """Write two amounts with cents where it takes them to see which is smaller."""
    pairs = [(f"{first:,.{digits}f}", f"{second:,.{digits}f}") for digits in (0, 2)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


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


def keeps_budget(judgement: Judgement, budget: float, *, promised: tuple[float, float, float] | None = None) -> Gate:
    """Ask whether the false alarms could still be what the calibration promised.

    Two intervals are held against each other: that of the achieved rate (on two weeks of windows nobody can tell 1 a
    week from 3), and the one that the calibration states for its threshold (on few normal windows nobody can set it
    exactly). Where the achieved one lies above the promised one as a whole, the calibration does not hold on new data,
    and the candidate is refused. Where it lies above the budget as a whole, but not above what so little calibrate time
    could promise, the budget is not kept and nobody could have known: that informs. Without a stated interval the gate
    compares with the budget and only informs.

    Parameters
    ----------
    budget : float
        False alarms per asset and week that the operator accepts.
    promised : tuple of float, optional
        Rate that the threshold stands for, with the lower and upper end of its 95 % interval in the long run, from
        `wheeltapper.scoring.promise`; None for a detector that has decided for itself.
    """
    blocks = promised is not None
    rate, low = judgement.false_alarms_per_asset_week, judgement.false_alarms_per_asset_week_low
    high = judgement.false_alarms_per_asset_week_high
    if rate is None or low is None or high is None:
        reason = "cannot be judged: nothing was watched"
        return Gate(name="keeps_budget", passed=None, figure=None, limit=budget, reason=reason, blocks=blocks)
    what, doubt = ("false alarms", "") if judgement.faults else ("alarms", ", some of which may be right")
    achieved = (
        f"{judgement.false_alarms} {what} in {judgement.asset_weeks:.3g} asset-weeks are {rate:.3g} a week "
        f"({low:.3g} to {high:.3g}){doubt}"
    )
    if promised is None:
        limit = budget
        says = "surely over" if low > budget else "surely within" if high <= budget else "possibly within"
        reason = f"{achieved}: {says} the budget of {budget:g}"
    else:
        limit = max(budget, promised[2])
        blocks = not budget < low <= limit
        says = (
            "surely more than that"
            if low > limit
            else "surely over the budget, but a calibrate part this short can promise no better"
            if low > budget
            else "less than that"
            if high < promised[1]
            else "which agrees"
        )
        stated, least, most = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in promised)
        reason = f"{achieved}; the calibration promises {stated} ({least} to {most}) for a budget of {budget:g}: {says}"
    return Gate(name="keeps_budget", passed=low <= budget, figure=rate, limit=limit, reason=reason, blocks=blocks)


def _require_same_data(one: Judgement, other: Judgement) -> None:
    """Refuse to compare what was judged on different windows or faults: the difference would mean nothing."""
    mine = (one.part, [(o.asset_id, o.kind, o.start) for o in one.outcomes], round(one.asset_weeks, 6), one.currency)
    theirs = (
        other.part,
        [(o.asset_id, o.kind, o.start) for o in other.outcomes],
        round(other.asset_weeks, 6),
        other.currency,
    )
    if mine != theirs:
        raise DataError(
            f"{one.candidate} and {other.candidate} were judged on different data: {one.part} with {one.faults} faults "
            f"in {one.asset_weeks:.4g} asset-weeks, {other.part} with {other.faults} in {other.asset_weeks:.4g}. "
            "Judge both on the same windows and faults."
        )


def decide(gates: Sequence[Gate], has_champion: bool) -> Verdict:
    """Return what to do with a candidate: promote, challenge (run in the shadow), keep the champion, or refuse.

    A failed gate that blocks refuses; one that could not be asked does not, but at least one blocking gate must have
    been passed: a candidate of which nothing is known never goes live. With a champion, a candidate that is surely
    better takes its place, one that is better on paper becomes its challenger (it scores in the shadow until somebody
    promotes it), and anything else leaves the champion alone.

    Raises
    ------
    DataError
        If there is a champion and nobody asked whether the candidate beats it.
    """
    duel = [gate for gate in gates if gate.name == BEATS_CHAMPION]
    if has_champion and not duel:
        raise DataError("there is a champion: the candidate must be compared with it (gate beats_champion is missing)")
    needed = [gate for gate in gates if gate.blocks and gate.name != BEATS_CHAMPION]
    failed = [gate for gate in needed if gate.passed is False]
    said = tuple(f"{gate.name}: {gate.reason}" for gate in gates)
    if failed:
        return Verdict(word="refuse", reasons=tuple(f"{gate.name}: {gate.reason}" for gate in failed))
    if not any(gate.passed for gate in needed):
        return Verdict(word="refuse", reasons=("no gate could be passed: nothing is known about the candidate", *said))
    if not has_champion:
        return Verdict(word="promote", reasons=said)
    if not duel[0].passed:
        return Verdict(word="keep", reasons=said)
    is_sure = any(gate.passed for gate in gates if gate.name == SURELY_BEATS_CHAMPION)
    return Verdict(word="promote" if is_sure else "challenge", reasons=said)


class Choice(BaseModel):
    """What became of the candidates of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: str | None
    """The one that the verdict is about; None if there was none."""
    verdict: Verdict
    gates: tuple[Gate, ...]
    passed_over: dict[str, tuple[str, ...]]
    """Other candidates that were asked → gates that kept them from it; none where no gate could be passed."""


def choose(asked: Iterable[tuple[str, Sequence[Gate]]], has_champion: bool) -> Choice:
    """Take the first candidate that may go live or challenge; if there is none, the verdict is about the best.

    Parameters
    ----------
    asked : iterable of candidate and its gates
        The best first; those behind the one that is taken are not asked for.

    Raises
    ------
    DataError
        As `decide`.
    """
    refused = Verdict(word="refuse", reasons=("there is no candidate besides the baselines",))
    choice = Choice(candidate=None, verdict=refused, gates=(), passed_over={})
    failed: dict[str, tuple[str, ...]] = {}
    for candidate, own in asked:
        verdict = decide(own, has_champion)
        failed[candidate] = tuple(gate.name for gate in own if gate.passed is False and gate.blocks)
        if verdict.word == "keep":
            failed[candidate] = (BEATS_CHAMPION,)
        may_run = verdict.word in ("promote", "challenge")
        if choice.candidate is None or may_run:
            choice = Choice(candidate=candidate, verdict=verdict, gates=tuple(own), passed_over={})
        if may_run:
            break
    others = {name: gates for name, gates in failed.items() if name != choice.candidate}
    return choice.model_copy(update={"passed_over": others})
