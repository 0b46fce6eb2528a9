"""The scores suite: what must hold before scores are stored, and what is only noted."""

import numpy as np
import pandas as pd
import pytest

from expectations import scores
from expectations.scores import Terms
from wheeltapper import tables

START = pd.Timestamp("2026-01-05", tz="UTC")
TERMS = Terms("tiny", ("normal", "off"), {"a": START.isoformat()})


def frame(rows=4, **columns):
    """Make clean scores of one asset, a window a minute, then change columns."""
    ends = pd.date_range(START + pd.Timedelta("5min"), periods=rows, freq="min").as_unit("us")
    score = np.resize([-1.0, 0.5, 2.0, 6.0], rows)
    table = pd.DataFrame(
        {
            "asset_id": ["a"] * rows,
            "window_start": ends - pd.Timedelta("4min"),
            "window_end": ends,
            "bundle": ["0123456789abcdef"] * rows,
            "score": score,
            "threshold": [4.0] * rows,
            "severity": np.maximum(score, 0) / 4.0,
            "regime": ["normal"] * rows,
            "top_sensors": [""] * rows,
            "role": ["champion"] * rows,
        }
    )
    return table.assign(**columns)


def failures(rows):
    """Return what stops the batch."""
    findings = scores.check(rows, TERMS, None)
    assert findings.ok == (not findings.failures)
    return findings.failures


def test_clean_scores_keep_every_promise():
    """Nothing stops the batch and nothing is noted; the rows are rows of the table of scores."""
    findings = scores.check(frame(), TERMS, None)
    assert (findings.ok, findings.failures, findings.notes, len(findings.rejected)) == (True, (), (), 0)
    assert len(tables.SCORES.check(frame().drop(columns="window_start"))) == 4


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (frame().head(0), "at least one score"),
        (frame().drop(columns="threshold"), "Column threshold (above it is anomalous) is there"),
        (frame(score=["1", "2", "3", "4"]), "score holds numbers"),
        (frame(window_end=frame()["window_end"].dt.tz_localize(None)), "window_end holds instants with a time zone"),
        (frame(asset_id=["a", None, "a", "a"]), "Every row has an asset"),
        (frame(window_end=frame()["window_end"].iloc[[0, 0, 2, 3]].array), "is scored several times"),
        (frame(score=[-1.0, np.nan, 2.0, 6.0]), "Every row has a score"),
        (frame(score=[-1.0, np.inf, 2.0, 6.0]), "score of a at 2026-01-05 00:06:00+00:00 is inf"),
        (frame(threshold=[4.0, 0.0, 4.0, 4.0]), "threshold of a at 2026-01-05 00:06:00+00:00 is 0.0"),
        (frame(threshold=[4.0, np.inf, 4.0, 4.0]), "A threshold is a finite number above 0."),
        (frame(severity=[-0.25, 0.125, 0.5, 1.5]), "A severity is a finite number, at least 0."),
        (frame(severity=[0.0, 0.125, 0.5, 1.6]), "severity of a at 2026-01-05 00:08:00+00:00 is 1.6, its score 6"),
        (frame(regime=["normal", "party", "off", "transition"]), "regime 'party' is none of normal, off, transition"),
        (frame(role=["champion", "king", "challenger", "champion"]), "role 'king' is none of champion, challenger"),
        (frame(window_start=START - pd.Timedelta("1min")), "learnt is until 2026-01-05 00:00:00+00:00"),
    ],
    ids=[
        "empty",
        "no threshold",
        "text",
        "naive",
        "no asset",
        "twice",
        "no score",
        "infinite score",
        "threshold 0",
        "infinite threshold",
        "negative severity",
        "severity is no quotient",
        "unknown regime",
        "unknown role",
        "already learnt",
    ],
)
def test_what_stops_a_batch(rows, words):
    """Nothing of a broken batch may become an alarm, and the error names the promise and the first row."""
    assert any(words in failure for failure in failures(rows)), failures(rows)


def test_without_a_beginning_the_end_is_compared():
    """A window that ends within what was learnt is refused also where nobody says when it began."""
    rows = frame().drop(columns="window_start")
    assert failures(rows) == ()
    assert failures(rows.assign(window_end=rows["window_end"] - pd.Timedelta("1h")))


def test_an_asset_that_was_never_learnt_may_be_scored_at_any_time():
    """The bundle knows nothing of asset b, so no time of it is taken."""
    assert failures(frame(asset_id=["b"] * 4, window_start=START - pd.Timedelta("9D"))) == ()


def test_mostly_anomalous_assets_are_noted_worst_first():
    """Three of four windows are anomalous in b, all of c, none of a; two windows of d say nothing."""
    calm, bad = [0.0] * 4, [8.0, 8.0, 8.0, 0.0]
    parts = [("a", calm * 6), ("b", bad * 6), ("c", [8.0] * 24), ("d", [8.0] * 2)]
    rows = pd.concat([frame(len(s), asset_id=a, score=s, severity=np.array(s) / 4) for a, s in parts])
    findings = scores.check(rows, TERMS, None)
    assert findings.ok
    (note,) = findings.notes
    assert note.startswith("Anomalous most of the time: c (100% of 24 windows), b (75% of 24 windows). Look at")
