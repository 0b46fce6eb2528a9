"""Gate on the baselines: a candidate must beat each by cost, by ranking where costs are close, or by the self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wheeltapper.errors import DataError
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement
from wheeltapper.evaluation.pairs import SURE_SHARE, is_notably_cheaper, is_surely_cheaper

LEVEL = 0.05
"""Smallest difference between two shares of the self-test's faults that is more than luck."""


def beats_baselines(
    candidate: Judgement, baselines: Sequence[Judgement], self_test: Mapping[str, float] | None = None
) -> Gate:
    """Check whether the candidate beats every baseline on the same windows.

    It does if it costs less than each of them. If it costs more, it can still pass where the difference may be luck
    (no baseline is *surely* cheaper) or is at most `PRICE_ERROR`. Then it has to rank faulty windows higher than every
    baseline: VUS-PR uses every window and every threshold, and not only the few alarms that were raised.

    Where no fault is known, it has to find more of the faults that the self-test injects than every baseline. The
    self-test's few episodes cannot distinguish shares that lie closer together than `LEVEL`.

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
    costs = {
        judgement.candidate: judgement.cost_per_asset_week
        for judgement in baselines
        if judgement.cost_per_asset_week is not None
    }
    cost = candidate.cost_per_asset_week
    if cost is None or not costs:
        return _finds_more(candidate.candidate, [judgement.candidate for judgement in baselines], self_test or {})
    best = min(costs, key=lambda name: (costs[name], name))
    is_cheaper = cost < costs[best]
    ranks_higher, explanation = (False, "") if is_cheaper else _ranks_higher(candidate, baselines)
    comparison = "less than" if is_cheaper else "no less than"
    cost_text, best_text = _distinct_texts(cost, costs[best])
    return Gate(
        name="beats_baselines",
        passed=is_cheaper or ranks_higher,
        figure=cost,
        limit=costs[best],
        reason=f"{candidate.candidate} costs {cost_text} {candidate.currency} per asset-week, {comparison} the "
        f"best baseline, "
        f"{best}, with {best_text}{explanation}",
    )


def _finds_more(candidate: str, baselines: Sequence[str], self_test: Mapping[str, float]) -> Gate:
    """Compare by the self-test, where no fault is known and missed faults cannot be counted."""
    figures = {name: self_test[name] for name in baselines if name in self_test}
    figure = self_test.get(candidate)
    if figure is None or not figures:
        return Gate(name="beats_baselines", passed=None, figure=None, limit=None, reason=NO_FAULTS)
    best = max(figures, key=lambda name: (figures[name], name))
    is_level = figure <= figures[best] < figure + LEVEL
    comparison = "more than" if figure > figures[best] else "too close to distinguish from" if is_level else "less than"
    return Gate(
        name="beats_baselines",
        passed=None if is_level else figure > figures[best],
        figure=figure,
        limit=figures[best],
        reason=f"no faults are known to judge by; {candidate} finds {figure:.0%} of the moderate faults of the "
        f"self-test, "
        f"{comparison} the best baseline, {best}, with {figures[best]:.0%}",
    )


def _ranks_higher(candidate: Judgement, baselines: Sequence[Judgement]) -> tuple[bool, str]:
    """Return whether a dearer candidate still ranks best: the cost may be luck, and its VUS-PR is the highest."""
    cost = candidate.cost_per_asset_week
    is_close = True
    for baseline in baselines:
        if not is_notably_cheaper(baseline.cost_per_asset_week, cost):
            continue
        is_close = False
        if is_surely_cheaper(baseline.cost_by_asset_week, candidate.cost_by_asset_week):
            return False, f"; in {SURE_SHARE:.0%} of resampled asset-weeks {baseline.candidate} stays cheaper"
    vus_by_baseline = {judgement.candidate: judgement.vus_pr for judgement in baselines if judgement.vus_pr is not None}
    if candidate.vus_pr is None or not vus_by_baseline:
        return False, ""
    best = max(vus_by_baseline, key=lambda name: (vus_by_baseline[name], name))
    if candidate.vus_pr <= vus_by_baseline[best]:
        return (
            False,
            f", and its VUS-PR of {candidate.vus_pr:.3f} is no higher than {vus_by_baseline[best]:.3f} of {best}",
        )
    why = "costs are known to a tenth at best" if is_close else "with so few weeks the difference may be luck"
    return True, (
        f"; but {why}, and it ranks faulty windows higher than every baseline: VUS-PR {candidate.vus_pr:.3f} against "
        f"{vus_by_baseline[best]:.3f} of {best}"
    )


def _distinct_texts(first: float, second: float) -> tuple[str, str]:
    """Write two amounts, with cents only where the rounded amounts would be equal."""
    pairs = [(f"{first:,.{digits}f}", f"{second:,.{digits}f}") for digits in (0, 2)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _require_same_data(judgement: Judgement, baseline: Judgement) -> None:
    """Refuse to compare judgements on different windows or faults: their difference has no meaning."""
    judged_data = (
        judgement.part,
        [(o.asset_id, o.kind, o.start) for o in judgement.outcomes],
        round(judgement.asset_weeks, 6),
        judgement.currency,
    )
    baseline_data = (
        baseline.part,
        [(o.asset_id, o.kind, o.start) for o in baseline.outcomes],
        round(baseline.asset_weeks, 6),
        baseline.currency,
    )
    if judged_data != baseline_data:
        raise DataError(
            f"{judgement.candidate} and {baseline.candidate} were judged on different data: {judgement.part} with "
            f"{judgement.faults} faults "
            f"in {judgement.asset_weeks:.4g} asset-weeks, {baseline.part} with {baseline.faults} in "
            f"{baseline.asset_weeks:.4g}. "
            "Judge both on the same windows and faults."
        )
