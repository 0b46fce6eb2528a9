"""The duel: a candidate compared with the live champion, once on paper and once with resampled weeks.

The comparison is in money where faults are known. Where none is, it uses the faults of the self-test: both are tested
on the same faults, in the same episodes of the same running, at the same share of false alarms.
"""

from __future__ import annotations

from collections.abc import Mapping

from wheeltapper.evaluation.gates import BEATS_CHAMPION, SURELY_BEATS_CHAMPION, Gate
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement
from wheeltapper.evaluation.pairs import DRAWS, SURE_SHARE, SURE_WEEKS, share_cheaper

SAME_WEEKS = 0.95
"""Smallest ratio of the two watched times; windows of another length cover a little more or less."""
_BY_HAND = (
    "The champion stays until a person promotes another one, or accepts the present running as normal "
    "(wheeltapper rebaseline)"
)
Pair = tuple[Mapping[str, float], Mapping[str, float]]
"""The challenger's, and the champion's."""


def beats_champion(challenger: Judgement, champion: Judgement, found_shares: Pair | None = None) -> Gate:
    """Check whether the challenger costs less on the same windows or, without known faults, finds more injected ones.

    Parameters
    ----------
    found_shares : pair of mappings, optional
        For each of the two: episode of the self-test → share of its moderate faults that it finds, 0 to 1.

    Returns
    -------
    Gate
        Not passed and not failed where the two were judged on other faults or other times.
    """
    if differ := _differ(challenger, champion):
        return Gate(name=BEATS_CHAMPION, passed=None, figure=None, limit=None, reason=differ)
    cost, limit = challenger.cost_per_asset_week, champion.cost_per_asset_week
    if cost is not None and limit is not None:
        return Gate(
            name=BEATS_CHAMPION,
            passed=cost < limit,
            figure=cost,
            limit=limit,
            reason=f"{challenger.candidate} costs {cost:,.0f} {challenger.currency} per asset-week, the live "
            f"{champion.candidate} {limit:,.0f}",
        )
    missed = _missed(found_shares)
    if missed is None:
        return Gate(name=BEATS_CHAMPION, passed=None, figure=None, limit=None, reason=_why_not(found_shares))
    share, champion_share = (
        1 - sum(missed_by_episode.values()) / len(missed_by_episode) for missed_by_episode in missed
    )
    return Gate(
        name=BEATS_CHAMPION,
        passed=share > champion_share,
        figure=share,
        limit=champion_share,
        reason=f"no faults are known to judge by; {challenger.candidate} finds {share:.1%} of the moderate faults of "
        f"the self-test, the live {champion.candidate} {champion_share:.1%} of the same ones",
    )


def surely_beats_champion(
    challenger: Judgement, champion: Judgement, found_shares: Pair | None = None, *, seed: int = 0
) -> Gate:
    """Check whether the challenger would also be better in other weeks, so that one lucky week does not promote it.

    The two are compared asset-week by asset-week; the figure is the share of resampled asset-weeks in which the
    challenger stays cheaper. Without faults it is the share of resampled episodes in which it finds more. The gate
    never blocks: it decides between challenger and champion.
    """
    name, limit = SURELY_BEATS_CHAMPION, SURE_SHARE
    if differ := _differ(challenger, champion):
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=differ, blocks=False)
    costs, outcome, unit = _costs(challenger, champion), "is cheaper", "calendar weeks of an asset"
    if costs is None:
        costs, outcome, unit = _missed(found_shares), "finds more", "episodes of the self-test"
    if costs is None:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=_why_not(found_shares), blocks=False)
    cheaper_share, count = share_cheaper(*costs, seed=seed)
    if cheaper_share is None:
        reason = f"{count} {unit} are too few to be sure; at least {SURE_WEEKS} are needed"
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=reason, blocks=False)
    return Gate(
        name=name,
        passed=cheaper_share >= limit,
        figure=cheaper_share,
        limit=limit,
        reason=f"it {outcome} in {cheaper_share:.0%} of {DRAWS} resamplings of {count} {unit}",
        blocks=False,
    )


def _differ(challenger: Judgement, champion: Judgement) -> str:
    """Return why the two cannot be compared; empty if they were judged on the same faults and nearly the same weeks."""
    faults, champion_faults = (
        [(o.asset_id, o.kind, o.start) for o in judgement.outcomes] for judgement in (challenger, champion)
    )
    weeks = challenger.asset_weeks, champion.asset_weeks
    if faults == champion_faults and challenger.part == champion.part and min(weeks) >= SAME_WEEKS * max(weeks):
        return ""
    return (
        f"cannot be compared: {challenger.candidate} was judged by {len(faults)} faults in {weeks[0]:.4g} asset-weeks, "
        f"the live {champion.candidate} by {len(champion_faults)} in {weeks[1]:.4g}, since their windows differ. "
        f"{_BY_HAND}"
    )


def _costs(challenger: Judgement, champion: Judgement) -> Pair | None:
    """Return the costs of both by asset-week; None where no fault is known."""
    costs, champion_costs = challenger.cost_by_asset_week, champion.cost_by_asset_week
    return None if costs is None or champion_costs is None else (costs, champion_costs)


def _missed(found_shares: Pair | None) -> Pair | None:
    """Return the missed share of both by episode; None where their episodes differ."""
    if found_shares is None or not found_shares[0] or found_shares[0].keys() != found_shares[1].keys():
        return None
    missed, champion_missed = (
        {episode: 1 - share for episode, share in found_by_episode.items()} for found_by_episode in found_shares
    )
    return missed, champion_missed


def _why_not(found_shares: Pair | None) -> str:
    if found_shares is None or not (found_shares[0] and found_shares[1]):
        return NO_FAULTS
    return (
        f"{NO_FAULTS}, and the self-test used other episodes for each of them, since their windows differ. {_BY_HAND}"
    )
