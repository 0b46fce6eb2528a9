"""What a person should know about the windows that were scored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wheeltapper.features.normalise import UNSEEN
from wheeltapper.names import in_order, listing
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.calibration import Calibration

ROUNDING = 1e-9
"""Relative difference (near 0: in usual spreads) up to which two scores are equal: rounding."""
MOST_NOTES = 3


def caveats(bundle: Bundle, features: pd.DataFrame) -> list[str]:
    """Return notes on machines and regimes with too little training data."""
    fallbacks = bundle.normaliser.fallbacks(features[features["usable"]])
    return [*_scaled_by_wider_group(fallbacks), *_new_machines(fallbacks, bundle.calibration)]


def _scaled_by_wider_group(fallbacks: pd.DataFrame) -> list[str]:
    return [
        f"{row.asset_id} in {row.regime} ({row.rows:,} windows) is scaled by its {row.used}: {row.why}"
        for row in fallbacks.sort_values("rows", ascending=False).head(MOST_NOTES).itertuples()
    ]


def _new_machines(fallbacks: pd.DataFrame, calibration: Calibration) -> list[str]:
    """Return a note on machines that are new since training and whose thresholds are not trusted yet."""
    unseen = in_order({str(asset) for asset in fallbacks.loc[fallbacks["why"] == UNSEEN, "asset_id"]})
    maturity = {asset: calibration.maturity(asset) for asset in unseen}
    untrusted = [f"{asset} ({stage})" for asset, stage in maturity.items() if stage in ("learning", "provisional")]
    if not untrusted:
        return []
    return [
        f"thresholds not trusted yet: {listing(untrusted)}; {UNSEEN}, so the threshold of their kind is used until the "
        "plant is trained with them"
    ]


def rescored(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Return notes on windows within scored time that are new or have a changed score: their readings were late.

    Parameters
    ----------
    before, after : DataFrame
        Rows of the table of scores around the changed windows, of one bundle: as stored, and as they are now.
    """
    if before.empty:
        return []
    key = ["asset_id", "window_end"]
    matched = after[[*key, "score"]].merge(before[[*key, "score"]], on=key, how="left", suffixes=("", "_before"))
    is_past = matched["window_end"] <= matched["asset_id"].map(before.groupby("asset_id")["window_end"].max())
    # A new window has no earlier score (NaN), so it is close to none; a stored window always has one.
    is_same = np.isclose(matched["score"], matched["score_before"], rtol=ROUNDING, atol=ROUNDING)
    late = matched[is_past & ~is_same]
    if late.empty:
        return []
    spans = late.groupby("asset_id")["window_end"].agg(["size", "min", "max"])
    lines = [
        f"{count:,} of {asset} between {first.isoformat()} and {last.isoformat()}"
        for asset, count, first, last in spans.head(MOST_NOTES).itertuples()
    ]
    lines += [f"and {len(spans) - MOST_NOTES} more machines"] if len(spans) > MOST_NOTES else []
    return [f"{len(late):,} windows of a time that was scored before are new or have changed: {'; '.join(lines)}"]
