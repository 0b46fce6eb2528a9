"""A detector's notes about itself are shown below the leaderboard."""

from __future__ import annotations

import sys

import pytest

from tests.unit.mill import mill
from wheeltapper.evaluation import leaderboard
from wheeltapper.training.judging import judge_scores


def test_a_second_stage_that_is_not_installed_is_noted_below_the_leaderboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained without TensorFlow: the candidate is judged like any other, and its name stands before the note."""
    for module in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, module, None)
    here = mill()
    bundle = here.fit("two_stage", options={"preset": "reference_001"})
    rows = here.rows("validate")
    judged = judge_scores(here.plant, "two_stage", "validate", bundle.score(rows), here.faults, bundle, rows)
    assert judged.faults == 1
    (note,) = [note for note in leaderboard.rank([judged], set()).notes if "second stage" in note]
    assert note.startswith("two_stage: no second stage: isolation_forest alone decides")
