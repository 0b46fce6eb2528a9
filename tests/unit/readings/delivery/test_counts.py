"""Counts of a run: how many rows arrived, what was put aside, and which files were lost as a whole."""

from __future__ import annotations

import pandas as pd

from wheeltapper.readings.delivery.counts import Counts, most_frequent

REJECTED = pd.DataFrame({"origin": ["a.csv"] * 3 + ["b.csv"], "expectation": ["number", "number", "order", "order"]})


def test_a_file_of_which_nothing_is_kept_is_named() -> None:
    """A machine whose file cannot be read is not watched: it is named, although other files are fine."""
    counts = Counts()
    counts.add(9, pd.DataFrame({"origin": ["b.csv"] * 5}), REJECTED)
    assert counts.lost_origins() == ["not one row of a.csv was kept: 3 put aside, most often number"]
    counts.add(1, pd.DataFrame({"origin": ["a.csv"]}), REJECTED.head(0))
    assert counts.lost_origins() == []


def test_rows_and_reasons_add_up() -> None:
    """Nine rows arrive, four are put aside: five are kept, and each reason is counted."""
    counts = Counts()
    counts.add(9, pd.DataFrame({"origin": ["b.csv"] * 5}), REJECTED)
    assert (counts.rows, counts.kept, counts.quarantined) == (9, 5, 4)
    assert most_frequent(counts.reasons, 2) == {"number": 2, "order": 2}
    assert most_frequent(counts.reasons, 1) == {"number": 2}
