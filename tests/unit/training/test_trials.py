"""A search keeps to its time, confirms what was written or improves on it, and says what it has seen."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.evaluation.exposure import watched_rows
from wheeltapper.evaluation.ranking import mean_vus_pr, rank_windows
from wheeltapper.training.trials import Block, Trial, attempt_in_time, best, guessing, judge_in_time, ranks, record

MINUTE = timedelta(minutes=1)
WATCH = {"spacing": MINUTE, "max_gap": 3 * MINUTE}


def trial(*figures: float | None, seconds: float = 30.0, **options: int) -> Trial:
    return Trial(options=options, figures=figures, seconds=seconds)


@pytest.mark.parametrize(("minutes", "begun"), [(0.01, 1), (0.5, 1), (0.51, 2), (1.0, 2), (1.4, 3), (60, 4)])
def test_no_trial_is_begun_once_the_time_is_used_up(minutes: float, begun: int) -> None:
    """Four trials of half a minute each: the first is always begun, the others only while there is time."""
    asked: list[tuple[int, str]] = []

    def attempt(number: int, name: str, _: float) -> Trial:
        asked.append((number, name))
        return trial(0.5)

    done = attempt_in_time(["a", "b", "c", "d"], attempt, timedelta(minutes=minutes))
    assert len(done) == begun
    assert asked == [(1, "a"), (2, "b"), (3, "c"), (4, "d")][:begun]


def test_a_trial_that_is_looked_up_counts_with_the_time_that_it_took() -> None:
    """After a kill the first two are found again: the search stops where it would have stopped."""
    known = {"a": trial(0.5, seconds=40), "b": trial(0.6, seconds=40)}
    done = attempt_in_time(["a", "b", "c"], lambda _, name, __: known[name], timedelta(minutes=1))
    assert [one.mean for one in done] == [0.5, 0.6]


def test_the_preparation_counts_with_the_first_trial() -> None:
    """Forty seconds of it and thirty of the first trial are more than a minute; looked up they still are."""
    known = {"a": trial(0.5).model_copy(update={"prepared": 40.0}), "b": trial(0.6)}
    done = attempt_in_time(["a", "b"], lambda _, name, __: known[name], timedelta(minutes=1))
    assert done == [known["a"]]


def test_each_trial_is_told_what_is_left_for_it() -> None:
    """Of 100 s the first may take what it needs, and so may the next as long as none could be fitted."""
    given: list[float] = []
    refused = Trial(options={}, figures=(), seconds=10, prepared=5, refused="too few rows")

    def attempt(number: int, _: str, left: float) -> Trial:
        given.append(left)
        return refused if number == 1 else trial(0.5)

    attempt_in_time(["a", "b", "c", "d"], attempt, timedelta(seconds=100))
    assert given == [np.inf, np.inf, 55.0, 25.0]


def test_nothing_is_begun_after_a_trial_that_was_stopped() -> None:
    """Also where its seconds, which are rounded, are a trifle less than what was left."""
    known = {"a": trial(0.5, seconds=40), "b": trial(0.6, seconds=19.999).model_copy(update={"stopped": True})}
    done = attempt_in_time(["a", "b", "c"], lambda _, name, __: known[name], timedelta(minutes=1))
    assert [one.stopped for one in done] == [False, True]


@pytest.mark.parametrize(("left", "judged"), [(np.inf, 4), (25.0, 3), (20.0, 2), (5.0, 1), (0.0, 1)])
def test_a_trial_stops_between_two_folds(left: float, judged: int) -> None:
    """Four folds of ten seconds each: one that has begun is judged, and the first always is."""
    now = [100.0]

    def judge(place: int) -> float:
        now[0] += 10.0
        return place / 10

    figures = judge_in_time(4, judge, left, lambda: now[0])
    assert figures == (0.0, 0.1, 0.2, 0.3)[:judged]


def test_a_trial_that_was_stopped_never_wins_and_is_told() -> None:
    """Its only fold is the best of all, and may be the easiest; or has no figure at all."""
    stopped = trial(0.9, trees=20).model_copy(update={"stopped": True})
    found = record([trial(0.5, 0.4, trees=10), stopped], [], [block(0.1), block(0.2)], "vus_pr", {})
    assert found["chosen"] == {"trees": 10}
    assert [one["options"] for one in found["trials"]] == [{"trees": 10}]
    assert found["stopped"] == [{"options": {"trees": 20}, "reason": "stopped, time used up", "figures": [0.9]}]
    assert best([trial(0.1), trial(None).model_copy(update={"stopped": True})]) == 0


def test_the_highest_mean_wins_and_the_first_of_equals() -> None:
    """A fold without a figure counts for nobody; what is only as good as the first changes nothing."""
    assert best([trial(0.5, 0.6), trial(0.9, 0.4), trial(None, 0.6)]) == 1
    assert best([trial(0.5, 0.6), trial(0.6, 0.5)]) == 0
    assert best([trial(0.5, None), trial(0.4, None)]) == 0


def test_spread_is_that_of_the_folds() -> None:
    """Two folds, 0.2 apart; of a single one nobody can say."""
    assert trial(0.5, None, 0.7).spread == pytest.approx(0.2 / np.sqrt(2))
    assert trial(0.5, None).spread is None


def test_a_block_is_ranked_as_candidates_are() -> None:
    """The figure is the VUS-PR of the leaderboard, on windows of running machines only; perfect here."""
    ends = pd.date_range("2026-01-05", periods=20, freq="1min", tz="UTC")
    scores = pd.DataFrame({"asset_id": "a", "window_end": ends, "regime": "normal", "threshold": 1.0})
    scores["score"] = np.where((ends >= ends[8]) & (ends <= ends[11]), 9.0, 1.0)
    scores.loc[19, ["regime", "score"]] = ["off", 99.0]
    faults = tables.FAULTS.check(
        pd.DataFrame([{"asset_id": "a", "start": ends[8], "end": ends[11], "kind": "jam", "severity": 1.0}]).assign(
            origin="person"
        )
    )
    assert ranks(scores, faults, vus_window=0, **WATCH) == pytest.approx(1.0)
    block = scores.assign(usable=True)
    chance = guessing(block, faults, vus_window=0, seed=1, **WATCH)
    assert chance is not None and 0.1 < chance < 0.6
    assert guessing(block, faults.iloc[:0], vus_window=0, seed=1, **WATCH) is None
    assert guessing(block.assign(usable=False), faults, vus_window=0, seed=1, **WATCH) is None


def test_the_short_way_to_vus_pr_is_the_same(draw) -> None:  # type: ignore[no-untyped-def]
    """Two assets with faults and one without: the same mean as the whole ranking says."""
    line = draw("0013900000", asset="a") + draw("0900900100", asset="b") + draw("0101010101", asset="c")
    rows = watched_rows(line.scores, **WATCH)
    faulty = np.array([letter == "F" for letter in "   FF     " + "    FF    " + "          "])
    whole = rank_windows(rows, faulty, vus_window=2, seed=1)
    assert mean_vus_pr(rows, faulty, vus_window=2) == whole.vus_pr
    assert mean_vus_pr(rows, np.zeros(30, dtype=bool), vus_window=2) is None


def block(guess: float | None) -> Block:
    return Block(
        start="2026-01-05T00:00:00+00:00", end="2026-01-06T00:00:00+00:00", fitted_on=99, windows=50, guessing=guess
    )


def test_a_search_is_told_as_json() -> None:
    """Every trial with its figures, the chosen one marked, what was left, and by what it was judged; no clock in it."""
    found = record(
        [trial(0.5, None, trees=10), trial(0.7, None, trees=20)],
        [{"trees": 30}],
        [block(0.1), block(None)],
        "vus_pr",
        {"how": "grid", "minutes": 5.0, "folds": 2},
    )
    assert json.loads(json.dumps(found)) == found
    assert found["chosen"] == {"trees": 20}
    assert [(one["options"], one["mean"], one["chosen"]) for one in found["trials"]] == [
        ({"trees": 10}, 0.5, False),
        ({"trees": 20}, 0.7, True),
    ]
    assert found["left"] == [{"trees": 30}]
    assert found["said"] == "mean VUS-PR over the 1 of 2 folds with known faults"
    assert "seconds" not in json.dumps(found)


def test_a_trial_that_cannot_be_fitted_is_told_and_never_chosen() -> None:
    """Also where it is the one as written; where none can be fitted there is nothing to choose."""
    bad = Trial(options={"trees": 0}, figures=(), seconds=1, refused="too few rows")
    found = record([bad, trial(0.5, trees=10)], [], [block(0.1)], "vus_pr", {})
    assert found["refused"] == [{"options": {"trees": 0}, "reason": "too few rows"}]
    assert [(one["options"], one["as_written"], one["chosen"]) for one in found["trials"]] == [
        ({"trees": 10}, False, True)
    ]
    assert best([bad, trial(0.1)]) == 1
    with pytest.raises(DataError, match="none of 1 trials of the search could be fitted: too few rows"):
        best([bad])


def test_hearing_says_that_it_is_hearing() -> None:
    """Where no fault can be ranked, the result says what was asked instead."""
    found = record([trial(0.5, 0.5)], [], [block(None), block(None)], "hearing", {"minutes": 1.0})
    assert found["judged_by"] == "hearing"
    assert "moderate injected faults that are found" in found["said"] and "no known fault" in found["said"]
