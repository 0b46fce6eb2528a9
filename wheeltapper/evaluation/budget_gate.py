"""Whether a candidate keeps the alarm budget, as far as the calibration could promise it."""

from __future__ import annotations

from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.judgement import Judgement


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
