"""A search in the report: which options were tried, how they did on later readings, and which were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wheeltapper.reporting.text import words
from wheeltapper.workspace import brief

NONE = "–"


def table(candidate: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate's search as a table, ready to be shown.

    Parameters
    ----------
    found : mapping
        What `evaluation.search.told` returned, as JSON.

    Returns
    -------
    dict
        ``candidate``, ``caption``. ``folds``: numbers. ``rows``: each ``options``, ``note``, ``mean``, ``spread``,
        ``figures`` and whether it is ``chosen``. ``guessing``: a figure for each fold, empty where it has no meaning.
        ``notes``: sentences.
    """
    guessing = [block["guessing"] for block in found["blocks"]]
    return {
        "candidate": candidate,
        "caption": f"{found['said']}.",
        "folds": range(1, len(found["blocks"]) + 1),
        "rows": [_row(trial) for trial in found["trials"]],
        "guessing": _figures(guessing) if any(one is not None for one in guessing) else [],
        "notes": _notes(found),
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
    return [NONE if one is None else words.ratio(one) for one in values]


def _gain(trials: Sequence[Mapping[str, Any]]) -> str:
    """Say in how many folds the chosen options do better than those as written: a gain in one alone may be luck."""
    (chosen,) = (one for one in trials if one["chosen"])
    if not trials[0].get("as_written", True):  # a run of an earlier version did not say
        return "The options as written cannot be fitted on these readings; of those that can, the best are taken."
    if chosen is trials[0]:
        return "The options as written are confirmed: none that was tried has a higher mean."
    pairs = zip(trials[0]["figures"], chosen["figures"], strict=True)
    gains = [after - before for before, after in pairs if before is not None and after is not None]
    better = sum(gain > 0 for gain in gains)
    return f"The chosen options do better than those as written in {better} of {words.things(len(gains), 'fold')}."


def _notes(found: Mapping[str, Any]) -> list[str]:
    notes = [
        _gain(found["trials"]),
        "Spread: standard deviation over the folds, some of which are harder than others: compare fold by fold.",
    ]
    for number, block in enumerate(found["blocks"], start=1):
        span = f"{words.instant(block['start'])} to {words.instant(block['end'])} UTC"
        notes.append(
            f"Fold {number}: fitted on {words.things(block['fitted_on'], 'window')} before, judged on "
            f"{words.things(block['windows'], 'window')}, {span}."
        )
    notes += [
        f"{brief(one['options']) or 'defaults'} cannot be fitted: {one['reason']}" for one in found.get("refused", ())
    ]
    notes += [
        f"{brief(one['options']) or 'defaults'}: {one['reason']} after {len(one['figures'])} of "
        f"{words.things(len(found['blocks']), 'fold')}; it cannot be chosen."
        for one in found.get("stopped", ())
    ]
    if found["left"]:
        left = words.listing([brief(one) for one in found["left"]], 6)
        many = words.things(len(found["left"]), "trial")
        notes.append(f"The {found['minutes']:g} minutes of this search were used up with {many} not begun: {left}.")
    return notes
