"""Counts: right and wrong windows as shares, and false alarms by machine and by operating state."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wheeltapper.tables import microseconds


def window_shares(tp: int, fp: int, fn: int, tn: int) -> dict[str, float | None]:
    """Return precision, recall, F1 and specificity of windows at the threshold, each 0 to 1; None where undefined.

    They count windows, not faults: a long fault weighs more than a short one. Accuracy is left out, because a detector
    without alarms has a high accuracy wherever faults are rare.

    Examples
    --------
    >>> window_shares(tp=3, fp=1, fn=0, tn=6)["window_precision"]
    0.75
    """
    return {
        "window_precision": tp / (tp + fp) if tp + fp else None,
        "window_recall": tp / (tp + fn) if tp + fn else None,
        "window_f1": 2 * tp / (2 * tp + fp + fn) if tp + fn else None,
        "window_specificity": tn / (tn + fp) if tn + fp else None,
    }


def false_alarms_by(alarms: pd.DataFrame, scores: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count false alarms by machine, and by the operating state in which they opened.

    Parameters
    ----------
    alarms : DataFrame with columns asset_id, opened, is_false
        As `events.match` returns them: merged alarms are counted once.
    scores : DataFrame with columns asset_id, window_end and, where known, regime

    Returns
    -------
    dict
        ``false_alarms_by_asset`` and ``false_alarms_by_regime``; names without any are left out.
    """
    openings = alarms.loc[alarms["is_false"].to_numpy(bool), ["asset_id", "opened"]]
    regime = scores["regime"].array if "regime" in scores else np.full(len(scores), "normal")
    states = pd.DataFrame(
        {"asset_id": scores["asset_id"].array, "opened": microseconds(scores["window_end"]), "regime": regime}
    )
    false_alarms = (
        openings.merge(states, on=["asset_id", "opened"], how="left") if len(openings) else openings.assign(regime="")
    )
    return {
        f"false_alarms_by_{name}": {str(key): int(count) for key, count in false_alarms.groupby(column).size().items()}
        for name, column in (("asset", "asset_id"), ("regime", "regime"))
    }
