"""Gate on the alarm budget: false alarms compared with the rate that the calibration promises."""

from __future__ import annotations

from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.judgement import Judgement


def keeps_budget(judgement: Judgement, budget: float, *, promised: tuple[float, float, float] | None = None) -> Gate:
    """Check whether the rate of false alarms agrees with the rate that the calibration promises.

    Two intervals are compared: that of the achieved rate (two weeks of windows cannot distinguish 1 a week from 3),
    and that which the calibration states for its threshold (few normal windows do not fix it exactly).

    - The achieved interval lies wholly above the promised one: the calibration does not hold on new data, and the
      candidate is refused.
    - It lies wholly above the budget, but not above the promised interval: the budget is not kept, and a calibrate part
      this short could not show it. The gate informs.
    - There is no promised interval: the gate compares with the budget and informs.

    Parameters
    ----------
    budget : float
        False alarms per asset and week that the operator accepts.
    promised : tuple of float, optional
        Rate that the threshold stands for, with the lower and upper end of its 95 % interval in the long run, from
        `wheeltapper.scoring.promise`; None for a detector that sets its threshold itself.
    """
    blocks = promised is not None
    rate, low = judgement.false_alarms_per_asset_week, judgement.false_alarms_per_asset_week_low
    high = judgement.false_alarms_per_asset_week_high
    if rate is None or low is None or high is None:
        reason = "cannot be judged: no time was watched"
        return Gate(name="keeps_budget", passed=None, figure=None, limit=budget, reason=reason, blocks=blocks)
    what, caveat = ("false alarms", "") if judgement.faults else ("alarms", ", some of which may be right")
    achieved = (
        f"{judgement.false_alarms} {what} in {judgement.asset_weeks:.3g} asset-weeks are {rate:.3g} a week "
        f"({low:.3g} to {high:.3g}){caveat}"
    )
    if promised is None:
        limit = budget
        comparison = "surely over" if low > budget else "surely within" if high <= budget else "possibly within"
        reason = f"{achieved}: {comparison} the budget of {budget:g}"
    else:
        limit = max(budget, promised[2])
        blocks = not budget < low <= limit
        comparison = (
            "surely more than that"
            if low > limit
            else "surely over the budget, but a calibrate part this short can promise no better"
            if low > budget
            else "less than that"
            if high < promised[1]
            else "which agrees"
        )
        promised_rate, promised_low, promised_high = (
            f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in promised
        )
        reason = (
            f"{achieved}; the calibration promises {promised_rate} ({promised_low} to {promised_high}) for a "
            f"budget of {budget:g}: {comparison}"
        )
    return Gate(name="keeps_budget", passed=low <= budget, figure=rate, limit=limit, reason=reason, blocks=blocks)
