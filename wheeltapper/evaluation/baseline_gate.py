"""Whether a candidate beats every baseline: by cost, by ranking where cost cannot tell, or by the self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wheeltapper.errors import DataError
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement
from wheeltapper.evaluation.pairs import SURE_SHARE, is_surely_cheaper, is_worth_telling

LEVEL = 0.05
"""Shares of the self-test's faults that lie closer together than this may be in any order by luck."""


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
