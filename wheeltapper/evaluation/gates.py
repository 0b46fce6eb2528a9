"""Gates: what a candidate must pass before it may go live, each with the figure that decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from wheeltapper.errors import DataError
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement

BEATS_CHAMPION = "beats_champion"
SURELY_BEATS_CHAMPION = "surely_beats_champion"
SURE_SHARE = 0.95
"""Share of resampled asset-weeks in which a challenger must be cheaper to take the champion's place at once."""
RAISED_SHARE = 0.9
"""Share of stepped rows that must score above their clean twin; the rest is room for rows at a sensor's limit."""
CLEARLY_UP = 0.75
"""Quantile of the clean scores that the median stepped score must exceed."""
SURE_WEEKS = 5
"""Asset-weeks below which nobody can be sure of anything."""
_DRAWS = 1000

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


class Verdict(BaseModel):
    """What is to be done with a candidate, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: Word
    reasons: tuple[str, ...]


def beats_baselines(candidate: Judgement, baselines: Sequence[Judgement]) -> Gate:
    """Ask whether the candidate costs less than every baseline on the same windows.

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
        return Gate(name="beats_baselines", passed=None, figure=None, limit=None, reason=NO_FAULTS)
    best = min(costs, key=lambda name: (costs[name], name))
    says = "less than" if own < costs[best] else "no less than"
    mine, theirs = _told_apart(own, costs[best])
    return Gate(
        name="beats_baselines",
        passed=own < costs[best],
        figure=own,
        limit=costs[best],
        reason=f"{candidate.candidate} costs {mine} {candidate.currency} per asset-week, {says} the best baseline, "
        f"{best}, with {theirs}",
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


def keeps_budget(judgement: Judgement, budget: float, *, blocks: bool = False) -> Gate:
    """Ask whether the false alarms could still be within the budget; fails only where they surely are not.

    The lower bound of the interval is compared: on two weeks of windows nobody can tell 1 a week from 3. It does not
    block by default: false alarms are priced in the cost already, and a budget set on other weeks is a promise about
    the long run.

    Parameters
    ----------
    budget : float
        False alarms per asset and week that the operator accepts.
    """
    rate, low = judgement.false_alarms_per_asset_week, judgement.false_alarms_per_asset_week_low
    high = judgement.false_alarms_per_asset_week_high
    if rate is None or low is None or high is None:
        reason = "cannot be judged: nothing was watched"
        return Gate(name="keeps_budget", passed=None, figure=None, limit=budget, reason=reason, blocks=blocks)
    says = "surely over" if low > budget else "surely within" if high <= budget else "possibly within"
    return Gate(
        name="keeps_budget",
        passed=low <= budget,
        figure=rate,
        limit=budget,
        reason=f"{judgement.false_alarms} false alarms in {judgement.asset_weeks:.3g} asset-weeks are {rate:.3g} a "
        f"week ({low:.3g} to {high:.3g}): {says} the budget of {budget:g}",
        blocks=blocks,
    )


def beats_champion(challenger: Judgement, champion: Judgement) -> Gate:
    """Ask whether the challenger costs less than the champion on the same windows.

    Raises
    ------
    DataError
        If the two were judged on other data.
    """
    _require_same_data(challenger, champion)
    own, limit = challenger.cost_per_asset_week, champion.cost_per_asset_week
    if own is None or limit is None:
        return Gate(name=BEATS_CHAMPION, passed=None, figure=None, limit=None, reason=NO_FAULTS)
    return Gate(
        name=BEATS_CHAMPION,
        passed=own < limit,
        figure=own,
        limit=limit,
        reason=f"{challenger.candidate} costs {own:,.0f} {challenger.currency} per asset-week, the live "
        f"{champion.candidate} {limit:,.0f}",
    )


def surely_beats_champion(challenger: Judgement, champion: Judgement, *, seed: int = 0) -> Gate:
    """Ask whether it would still be cheaper in other weeks, so that one lucky week is seen for what it is.

    The two are compared asset-week by asset-week; the figure is the share of resampled asset-weeks in which the
    challenger stays cheaper. It never blocks: it decides between challenger and champion.

    Raises
    ------
    DataError
        If the two were judged on other data.
    """
    _require_same_data(challenger, champion)
    name, limit = SURELY_BEATS_CHAMPION, SURE_SHARE
    mine, theirs = challenger.cost_by_asset_week, champion.cost_by_asset_week
    if mine is None or theirs is None:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=NO_FAULTS, blocks=False)
    saved = np.array([theirs.get(block, 0.0) - mine.get(block, 0.0) for block in sorted(mine.keys() | theirs.keys())])
    if saved.size < SURE_WEEKS:
        reason = f"{saved.size} asset-weeks are too few to be sure on; at least {SURE_WEEKS} are needed"
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=reason, blocks=False)
    weights = np.random.default_rng(seed).multinomial(saved.size, np.full(saved.size, 1 / saved.size), size=_DRAWS)
    cheaper = float((weights @ saved > 0).mean())
    return Gate(
        name=name,
        passed=cheaper >= limit,
        figure=cheaper,
        limit=limit,
        reason=f"it is cheaper in {cheaper:.0%} of {_DRAWS} resamplings of {saved.size} asset-weeks",
        blocks=False,
    )


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
