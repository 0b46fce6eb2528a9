"""A search as a table: which options, how well, how surely, and what there was no time for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.report import render
from wheeltapper.reporting.text.searches import table


def trial(options: dict[str, int], *figures: float | None, chosen: bool = False, first: bool = False) -> dict[str, Any]:
    judged = [figure for figure in figures if figure is not None]
    return {
        "options": options,
        "figures": list(figures),
        "mean": sum(judged) / len(judged),
        "spread": 0.1 if len(judged) > 1 else None,
        "as_written": first,
        "chosen": chosen,
    }


def block(guess: float | None) -> dict[str, Any]:
    span = {"start": "2026-01-05T00:00:00+00:00", "end": "2026-01-06T12:00:00+00:00"}
    return {**span, "fitted_on": 1200, "windows": 600, "guessing": guess}


SEARCH: dict[str, Any] = {
    "how": "grid",
    "minutes": 5.0,
    "folds": 3,
    "judged_by": "vus_pr",
    "said": "mean VUS-PR over the 2 of 3 folds that hold known faults",
    "blocks": [block(0.2), block(None), block(0.3)],
    "trials": [trial({}, 0.5, None, 0.4, first=True), trial({"n_neighbors": 40}, 0.45, None, 0.65, chosen=True)],
    "refused": [{"options": {"n_neighbors": 9999}, "reason": "there are 600 windows"}],
    "left": [{"n_neighbors": 80}],
    "chosen": {"n_neighbors": 40},
}


def test_a_row_has_its_figures_and_a_note() -> None:
    """As written and chosen are notes; a fold that could not be judged is a dash, also in the row of random scores."""
    content = table("lof", SEARCH)
    assert [(row["options"], row["note"], row["mean"]) for row in content["rows"]] == [
        ("defaults", "as written", "0.450"),
        ("n_neighbors=40", "★ chosen", "0.550"),
    ]
    assert content["rows"][1]["figures"] == ["0.450", "–", "0.650"]
    assert content["guessing"] == ["0.200", "–", "0.300"]
    assert list(content["folds"]) == [1, 2, 3]


def test_the_note_counts_the_folds_in_which_the_chosen_options_are_better() -> None:
    """Better in one of the two folds that were judged; options as written that are best are kept."""
    assert "are better than those as written in 1 of 2 folds" in table("lof", SEARCH)["notes"][0]
    kept = SEARCH | {"trials": [trial({}, 0.9, None, 0.8, chosen=True, first=True)]}
    assert "as written are kept" in table("lof", kept)["notes"][0]


def test_what_cannot_be_fitted_is_named_with_its_reason() -> None:
    """Refused options are a note, not a row; the options as written may be among them."""
    assert "n_neighbors=9999 cannot be fitted: there are 600 windows" in table("lof", SEARCH)["notes"]
    refused = SEARCH | {"trials": [trial({"n_neighbors": 40}, 0.45, None, 0.65, chosen=True)]}
    assert "as written cannot be fitted" in table("lof", refused)["notes"][0]


def test_trials_that_were_not_started_are_named() -> None:
    """One trial was not started; where all were, there is no such sentence."""
    assert (
        "This search ended after its 5 minutes, with 1 trial not started: n_neighbors=80."
        in table("lof", SEARCH)["notes"][-1]
    )
    assert "not started" not in " ".join(table("lof", SEARCH | {"left": []})["notes"])


def test_a_trial_that_was_stopped_is_named() -> None:
    """With the number of folds on which it was judged."""
    stopped = {"options": {"n_neighbors": 80}, "reason": "stopped, time used up", "figures": [0.9]}
    sentence = "n_neighbors=80: stopped, time used up after 1 of 3 folds, so it cannot be chosen."
    assert sentence in table("lof", SEARCH | {"stopped": [stopped]})["notes"]


def test_random_scores_have_no_row_where_they_have_no_meaning() -> None:
    """A search judged by the self-test has no figure of random scores."""
    assert table("lof", SEARCH | {"blocks": [block(None)] * 3})["guessing"] == []


def test_the_report_shows_the_table_and_does_without_one(undrawn: ReportData) -> None:
    """A report with a search contains its table; one without has no such section."""
    page = render(replace(undrawn, searches={"lof": SEARCH}))
    assert "Searched options" in page and "<small>★ chosen</small>" in page
    assert "Searched options" not in render(undrawn)
