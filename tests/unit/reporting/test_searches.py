"""A search as a table: which options, how well, how surely, and what there was no time for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.report import render
from wheeltapper.reporting.text.searches import table


def one(options: dict[str, int], *figures: float | None, chosen: bool = False, first: bool = False) -> dict[str, Any]:
    known = [figure for figure in figures if figure is not None]
    return {
        "options": options,
        "figures": list(figures),
        "mean": sum(known) / len(known),
        "spread": 0.1 if len(known) > 1 else None,
        "as_written": first,
        "chosen": chosen,
    }


def block(guess: float | None) -> dict[str, Any]:
    span = {"start": "2026-01-05T00:00:00+00:00", "end": "2026-01-06T12:00:00+00:00"}
    return {**span, "fitted_on": 1200, "windows": 600, "guessing": guess}


FOUND: dict[str, Any] = {
    "how": "grid",
    "minutes": 5.0,
    "folds": 3,
    "judged_by": "vus_pr",
    "said": "mean VUS-PR over the 2 of 3 folds that hold known faults",
    "blocks": [block(0.2), block(None), block(0.3)],
    "trials": [one({}, 0.5, None, 0.4, first=True), one({"n_neighbors": 40}, 0.45, None, 0.65, chosen=True)],
    "refused": [{"options": {"n_neighbors": 9999}, "reason": "there are 600 windows"}],
    "left": [{"n_neighbors": 80}],
    "chosen": {"n_neighbors": 40},
}


def test_a_row_has_its_figures_and_what_it_is() -> None:
    """As written and chosen are said; a fold that could not be judged is a dash, in the row for guessing too."""
    shown = table("lof", FOUND)
    assert [(row["options"], row["note"], row["mean"]) for row in shown["rows"]] == [
        ("defaults", "as written", "0.450"),
        ("n_neighbors=40", "★ chosen", "0.550"),
    ]
    assert shown["rows"][1]["figures"] == ["0.450", "–", "0.650"]
    assert shown["guessing"] == ["0.200", "–", "0.300"]
    assert list(shown["folds"]) == [1, 2, 3]


def test_it_says_in_how_many_folds_the_chosen_one_is_better() -> None:
    """Better in one fold of two that were judged; what was confirmed is said to be confirmed."""
    assert "do better than those as written in 1 of 2 folds" in table("lof", FOUND)["notes"][0]
    confirmed = FOUND | {"trials": [one({}, 0.9, None, 0.8, chosen=True, first=True)]}
    assert "as written are confirmed" in table("lof", confirmed)["notes"][0]


def test_what_cannot_be_fitted_is_named_with_its_reason() -> None:
    """One that is refused is a note and no row; the options as written may be among them."""
    assert "n_neighbors=9999 cannot be fitted: there are 600 windows" in table("lof", FOUND)["notes"]
    refused = FOUND | {"trials": [one({"n_neighbors": 40}, 0.45, None, 0.65, chosen=True)]}
    assert "as written cannot be fitted" in table("lof", refused)["notes"][0]


def test_what_was_left_is_named() -> None:
    """The time was used up with one trial not begun; where nothing was left nothing is said."""
    assert (
        "5 minutes of this search were used up with 1 trial not begun: n_neighbors=80."
        in table("lof", FOUND)["notes"][-1]
    )
    assert "used up" not in " ".join(table("lof", FOUND | {"left": []})["notes"])


def test_a_trial_that_was_stopped_is_named() -> None:
    """With the folds that it was judged on; a run of an earlier version has none."""
    stopped = {"options": {"n_neighbors": 80}, "reason": "stopped, time used up", "figures": [0.9]}
    said = "n_neighbors=80: stopped, time used up after 1 of 3 folds; it cannot be chosen."
    assert said in table("lof", FOUND | {"stopped": [stopped]})["notes"]


def test_guessing_has_no_row_where_it_means_nothing() -> None:
    """Judged by hearing: there is no random score to stand beside it."""
    assert table("lof", FOUND | {"blocks": [block(None)] * 3})["guessing"] == []


def test_the_report_shows_the_table_and_does_without_one(data: ReportData) -> None:
    """A report with a search has its table; one without says nothing about it."""
    page = render(replace(data, searches={"lof": FOUND}))
    assert "Options that were searched" in page and "<small>★ chosen</small>" in page
    assert "Options that were searched" not in render(data)
