"""The features suite: what must hold before anything learns from feature rows."""

import numpy as np
import pandas as pd
import pytest

from expectations import features

COLUMNS = ("pressure", "pressure__mean")


def frame(**columns):
    """Make three clean feature rows, then change columns."""
    ends = pd.date_range("2026-01-05 00:05", periods=3, freq="min", tz="UTC").astype("datetime64[us, UTC]")
    rows = pd.DataFrame(
        {
            "asset_id": ["a"] * 3,
            "window_start": ends - pd.Timedelta(minutes=4),
            "window_end": ends,
            "regime": ["normal"] * 3,
            "usable": [True] * 3,
            "why_not": [""] * 3,
            "pressure": [1.0, 2.0, 3.0],
            "pressure__mean": [1.0, 1.5, 2.0],
        }
    )
    return rows.assign(**columns)


def test_clean_rows_keep_every_promise():
    """Nothing is put aside, nothing noted."""
    findings = features.check(frame(), COLUMNS, None)
    assert (findings.ok, findings.failures, findings.notes, len(findings.rejected)) == (True, (), (), 0)


def test_a_usable_row_that_is_not_finite_is_put_aside():
    """The reason names the feature; rows are named by their place."""
    findings = features.check(frame(pressure__mean=[1.0, np.nan, np.inf]), COLUMNS, None)
    assert findings.ok
    assert findings.rejected.to_dict("list") == {
        "row": [1, 2],
        "expectation": ["features_finite"] * 2,
        "reason": ["pressure__mean is nan", "pressure__mean is inf"],
    }


def test_a_row_that_may_not_be_used_may_hold_anything():
    """NaN is expected where a window has a gap."""
    rows = frame(pressure=[np.nan, 2.0, 3.0], usable=[False, True, True], why_not=["gap", "", ""])
    assert len(features.check(rows, COLUMNS, None).rejected) == 0


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (frame().head(0), "at least one feature row"),
        (frame().drop(columns="pressure__mean"), "Column pressure__mean"),
        (frame(pressure=["1", "2", "3"]), "pressure holds numbers"),
        (frame(window_end=frame()["window_end"].iloc[[0, 0, 1]].to_numpy()), "one feature row for the end"),
        (frame(window_start=frame()["window_end"] + pd.Timedelta("1s")), "does not end before it starts"),
        (frame(usable=[False, True, True]), "usable is False, why_not is ''"),
        (frame(why_not=["gap", "", ""]), "usable is True, why_not is 'gap'"),
    ],
    ids=["empty", "no column", "text", "twice", "backwards", "no reason", "reason of a usable row"],
)
def test_what_stops_a_batch(rows, words):
    """A broken table is the pipeline's own mistake and must not be learnt from."""
    rows["window_end"] = pd.to_datetime(rows["window_end"], utc=True)
    findings = features.check(rows, COLUMNS, None)
    assert not findings.ok
    assert any(words in failure for failure in findings.failures)


def test_few_usable_windows_are_noted():
    """A plant that is mostly off is hard to watch, and that is said."""
    rows = frame(usable=[False, False, True], why_not=["off", "off", ""])
    (note,) = features.check(rows, COLUMNS, None).notes
    assert note == "Not so: At least 50% of the windows may be learnt from. It is 0.3333."
