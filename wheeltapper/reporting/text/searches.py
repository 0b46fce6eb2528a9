"""Searches: which options of a candidate were tried, how good they were on later readings, and which were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wheeltapper.reporting.text import words
from wheeltapper.workspace import brief

NONE = "–"


def table(candidate: str, search: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate's search as a table, ready to be shown.

    Parameters
    ----------
    search : mapping
        What `training.search.told` returned, as JSON.

    Returns
    -------
    dict
        ``candidate``, ``caption``. ``folds``: numbers. ``rows``: each ``options``, ``note``, ``mean``, ``spread``,
        ``figures`` and whether it is ``chosen``. ``guessing``: the figure of random scores in each fold; empty
        where it has no meaning.
        ``notes``: sentences.
    """
    guessing = [block["guessing"] for block in search["blocks"]]
    return {
        "candidate": candidate,
        "caption": f"{search['said']}.",
        "folds": range(1, len(search["blocks"]) + 1),
        "rows": [_row(trial) for trial in search["trials"]],
        "guessing": _figures(guessing) if any(figure is not None for figure in guessing) else [],
        "notes": _notes(search),
    }


def _row(trial: Mapping[str, Any]) -> dict[str, Any]:
    notes = ["★ chosen"] * trial["chosen"] + ["as written"] * trial.get("as_written", False)
    return {
        "options": brief(trial["options"]) or "defaults",
        "note": ", ".join(notes),
        "chosen": trial["chosen"],
        "mean": words.ratio(trial["mean"]),
        "spread": _figures([trial["spread"]])[0],
        "figures": _figures(trial["figures"]),
    }


def _figures(values: Sequence[float | None]) -> list[str]:
    return [NONE if value is None else words.ratio(value) for value in values]


def _gain(trials: Sequence[Mapping[str, Any]]) -> str:
    """Say in how many folds the chosen options are better than those in the plant's YAML: one fold may be luck."""
    (chosen,) = (trial for trial in trials if trial["chosen"])
    if not trials[0].get("as_written", True):  # runs of earlier versions have not recorded it
        return "The options as written cannot be fitted on these readings; the best of the others are used."
    if chosen is trials[0]:
        return "The options as written are kept: no others that were tried have a higher mean."
    pairs = zip(trials[0]["figures"], chosen["figures"], strict=True)
    gains = [after - before for before, after in pairs if before is not None and after is not None]
    better = sum(gain > 0 for gain in gains)
    return f"The chosen options are better than those as written in {better} of {words.things(len(gains), 'fold')}."


def _notes(search: Mapping[str, Any]) -> list[str]:
    notes = [
        _gain(search["trials"]),
        "Spread: standard deviation over the folds. Some folds are harder than others, so compare fold by fold.",
    ]
    for number, block in enumerate(search["blocks"], start=1):
        span = f"{words.instant(block['start'])} to {words.instant(block['end'])} UTC"
        notes.append(
            f"Fold {number}: fitted on the {words.things(block['fitted_on'], 'window')} before it, judged on "
            f"{words.things(block['windows'], 'window')}, {span}."
        )
    notes += [
        f"{brief(trial['options']) or 'defaults'} cannot be fitted: {trial['reason']}"
        for trial in search.get("refused", ())
    ]
    notes += [
        f"{brief(trial['options']) or 'defaults'}: {trial['reason']} after {len(trial['figures'])} of "
        f"{words.things(len(search['blocks']), 'fold')}, so it cannot be chosen."
        for trial in search.get("stopped", ())
    ]
    if search["left"]:
        names = words.listing([brief(options) for options in search["left"]], 6)
        count = words.things(len(search["left"]), "trial")
        notes.append(f"This search ended after its {search['minutes']:g} minutes, with {count} not started: {names}.")
    return notes
