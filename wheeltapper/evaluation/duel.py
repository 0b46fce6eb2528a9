"""The duel: whether a candidate is better than the live champion, and whether it would be so again.

In money where faults are known. Where none is, by the faults of the self-test: both are asked about the same ones, in
the same episodes of the same running, at the same share of false alarms.
"""

from __future__ import annotations

from collections.abc import Mapping

from wheeltapper.evaluation.gates import BEATS_CHAMPION, SURELY_BEATS_CHAMPION, Gate, require_same_data
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement
from wheeltapper.evaluation.pairs import DRAWS, SURE_SHARE, SURE_WEEKS, share_cheaper

Pair = tuple[Mapping[str, float], Mapping[str, float]]
"""The challenger's, and the champion's."""


def beats_champion(challenger: Judgement, champion: Judgement, heard: Pair | None = None) -> Gate:
    """Ask whether the challenger costs less than the champion on the same windows, or hears more without known faults.

    Parameters
    ----------
    heard : pair of mappings, optional
        Of either: episode of the self-test → share of its moderate faults that it hears, 0 to 1.

    Raises
    ------
    DataError
        If the two were judged on other data.
    """
    require_same_data(challenger, champion)
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

    Raises
    ------
    DataError
        If the two were judged on other data.
    """
    require_same_data(challenger, champion)
    name, limit = SURELY_BEATS_CHAMPION, SURE_SHARE
    costs, word, of = _costs(challenger, champion), "is cheaper", "asset-weeks"
    if costs is None:
        costs, word, of = _missed(heard), "hears more", "the self-test's episodes"
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
    return (
        f"{NO_FAULTS}, and the self-test asked the two in different episodes: the windows of one are others than those "
        "of the other. Accept what is normal now (`wheeltapper rebaseline`) to have the champion replaced, or promote "
        "by hand"
    )
