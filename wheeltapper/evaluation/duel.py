"""The duel: whether a candidate is better than the live champion, and whether it would be so again.

In money where faults are known. Where none is, by the faults of the self-test: both are asked about the same ones, in
the same episodes of the same running, at the same share of false alarms.
"""

from __future__ import annotations

from collections.abc import Mapping

from wheeltapper.evaluation.gates import BEATS_CHAMPION, SURELY_BEATS_CHAMPION, Gate
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement
from wheeltapper.evaluation.pairs import DRAWS, SURE_SHARE, SURE_WEEKS, share_cheaper

SAME_WEEKS = 0.95
"""Share of the longer watched time that the other must have: windows of another length cover a little more or less."""
_BY_HAND = (
    "The champion stays until somebody promotes another by hand, or accepts what is normal now (wheeltapper rebaseline)"
)
Pair = tuple[Mapping[str, float], Mapping[str, float]]
"""The challenger's, and the champion's."""


def beats_champion(challenger: Judgement, champion: Judgement, heard: Pair | None = None) -> Gate:
    """Ask whether the challenger costs less than the champion on the same windows, or hears more without known faults.

    Parameters
    ----------
    heard : pair of mappings, optional
        Of either: episode of the self-test → share of its moderate faults that it hears, 0 to 1.

    Returns
    -------
    Gate
        Not passed and not failed where the two were judged on other faults or other times.
    """
    if differ := _differ(challenger, champion):
        return Gate(name=BEATS_CHAMPION, passed=None, figure=None, limit=None, reason=differ)
    own, limit = challenger.cost_per_asset_week, champion.cost_per_asset_week
    if own is not None and limit is not None:
        return Gate(
            name=BEATS_CHAMPION,
            passed=own < limit,
            figure=own,
            limit=limit,
            reason=f"{challenger.candidate} costs {own:,.0f} {challenger.currency} per asset-week, the live "
            f"{champion.candidate} {limit:,.0f}",
        )
    missed = _missed(heard)
    if missed is None:
        return Gate(name=BEATS_CHAMPION, passed=None, figure=None, limit=None, reason=_why_not(heard))
    mine, theirs = (1 - sum(one.values()) / len(one) for one in missed)
    return Gate(
        name=BEATS_CHAMPION,
        passed=mine > theirs,
        figure=mine,
        limit=theirs,
        reason=f"no faults are known to judge by; {challenger.candidate} hears {mine:.1%} of the moderate faults of "
        f"the self-test, the live {champion.candidate} {theirs:.1%} of the same ones",
    )


def surely_beats_champion(
    challenger: Judgement, champion: Judgement, heard: Pair | None = None, *, seed: int = 0
) -> Gate:
    """Ask whether it would still be better in other weeks, so that one lucky week is seen for what it is.

    The two are compared asset-week by asset-week; the figure is the share of resampled asset-weeks in which the
    challenger stays cheaper. Without faults it is the share of resampled episodes in which it hears more. It never
    blocks: it decides between challenger and champion.
    """
    name, limit = SURELY_BEATS_CHAMPION, SURE_SHARE
    if differ := _differ(challenger, champion):
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=differ, blocks=False)
    costs, word, of = _costs(challenger, champion), "is cheaper", "calendar weeks of an asset"
    if costs is None:
        costs, word, of = _missed(heard), "hears more", "episodes of the self-test"
    if costs is None:
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=_why_not(heard), blocks=False)
    better, count = share_cheaper(*costs, seed=seed)
    if better is None:
        reason = f"{count} {of} are too few to be sure on; at least {SURE_WEEKS} are needed"
        return Gate(name=name, passed=None, figure=None, limit=limit, reason=reason, blocks=False)
    return Gate(
        name=name,
        passed=better >= limit,
        figure=better,
        limit=limit,
        reason=f"it {word} in {better:.0%} of {DRAWS} resamplings of {count} {of}",
        blocks=False,
    )


def _differ(challenger: Judgement, champion: Judgement) -> str:
    """Say why the two cannot be compared; nothing if they can: the same faults, and the same weeks but for a window."""
    mine, theirs = ([(o.asset_id, o.kind, o.start) for o in one.outcomes] for one in (challenger, champion))
    weeks = challenger.asset_weeks, champion.asset_weeks
    if mine == theirs and challenger.part == champion.part and min(weeks) >= SAME_WEEKS * max(weeks):
        return ""
    return (
        f"cannot be compared: {challenger.candidate} was judged by {len(mine)} faults in {weeks[0]:.4g} asset-weeks, "
        f"the live {champion.candidate} by {len(theirs)} in {weeks[1]:.4g}, since their windows are others. {_BY_HAND}"
    )


def _costs(challenger: Judgement, champion: Judgement) -> Pair | None:
    """Return what either cost, by asset-week; None where no fault is known."""
    mine, theirs = challenger.cost_by_asset_week, champion.cost_by_asset_week
    return None if mine is None or theirs is None else (mine, theirs)


def _missed(heard: Pair | None) -> Pair | None:
    """Return what each missed, by episode: a cost like any other; None where they were not asked the same."""
    if heard is None or not heard[0] or heard[0].keys() != heard[1].keys():
        return None
    mine, theirs = ({episode: 1 - share for episode, share in one.items()} for one in heard)
    return mine, theirs


def _why_not(heard: Pair | None) -> str:
    if heard is None or not (heard[0] and heard[1]):
        return NO_FAULTS
    return f"{NO_FAULTS}, and the self-test asked the two in other episodes, since their windows are others. {_BY_HAND}"
