from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.evaluation.exposure import is_covered, watched_rows

MINUTE = timedelta(minutes=1)


def watch(scores, spacing=MINUTE, max_gap=3 * MINUTE):
    return watched_rows(scores, spacing=spacing, max_gap=max_gap)


def test_window_stands_for_the_time_since_the_one_before(draw):
    """Two minutes without a window are watched; ten are not, and count as one usual minute."""
    rows = watch(draw("00 0          0").scores)
    assert (rows["hours"] * 60).round(6).tolist() == [1, 1, 2, 1]


def test_each_asset_starts_anew(draw):
    """The time between two assets belongs to nobody."""
    both = draw("00", asset="a") + draw("    00", asset="b")
    assert watch(both.scores)["hours"].sum() * 60 == pytest.approx(4)


def test_wide_windows_keep_their_spacing(draw):
    """Where windows lie further apart than the longest pause, each stands for the spacing."""
    rows = watch(draw("0    0    0").scores, spacing=5 * MINUTE)
    assert (rows["hours"] * 60).round(6).tolist() == [5, 5, 5]


def test_idle_time_is_not_watched(draw):
    """A machine in maintenance or off is not watched."""
    scores = draw("0000").scores.assign(regime=["normal", "off", "maintenance", "normal"])
    assert len(watch(scores)) == 2


def test_threshold_itself_is_normal(draw):
    """Severity above 1 is anomalous; exactly 1 is not."""
    scores = draw("00").scores.assign(score=[4.5, 4.6])
    assert watch(scores)["is_anomalous"].tolist() == [False, True]


def test_wrong_tables_are_refused(draw):
    """A missing column, a missing score and two bundles at once are named."""
    scores = draw("00").scores
    with pytest.raises(DataError, match=r"need column \['threshold'\]"):
        watch(scores.drop(columns="threshold"))
    with pytest.raises(DataError, match="1 scores are not numbers"):
        watch(scores.assign(score=[1.0, np.nan]))
    with pytest.raises(DataError, match="pump has several scores for one window"):
        watch(pd.concat([scores, scores.assign(bundle="c")]))
    with pytest.raises(DataError, match="longer than 0"):
        watch(scores, spacing=timedelta(0))


def test_spans_may_overlap_and_hold_both_ends():
    """Spans 2–5 and 4–8 cover 2 to 8."""
    covered = is_covered(np.arange(10), np.array([4, 2]), np.array([8, 5]))
    assert np.flatnonzero(covered).tolist() == [2, 3, 4, 5, 6, 7, 8]
