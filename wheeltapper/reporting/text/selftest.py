"""Self-test: the smallest fault of each sensor and kind that is found, and what was not tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wheeltapper.reporting.text import words

NONE = "–"
UNTESTED = ""


def grid(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest fault found as a table of sensors and kinds, ready to be shown.

    Parameters
    ----------
    result : mapping
        A self-test as JSON: ``table`` with a line for each sensor and kind, and ``skipped``.

    Returns
    -------
    dict
        ``kinds``: headings. ``rows``: each ``sensor`` and its ``cells``, of a text (the size, – where none was found,
        empty where it was not tested) and a ``level``: 3 for the smallest size that was tried, down to 1; 0 where none
        was found, None where it was not tested. ``notes``: sentences.
    """
    lines = {(line["sensor"], line["kind"]): line for line in result["table"]}
    kinds = list(dict.fromkeys(kind for _, kind in lines))
    sensors = list(dict.fromkeys(sensor for sensor, _ in lines))
    return {
        "kinds": [words.spaced(kind) for kind in kinds],
        "rows": [
            {"sensor": sensor, "cells": [_cell(lines.get((sensor, kind))) for kind in kinds]} for sensor in sensors
        ],
        "notes": _notes(result),
    }


def _cell(line: Mapping[str, Any] | None) -> dict[str, Any]:
    if line is None:
        return {"text": UNTESTED, "level": None}
    if line["smallest"] is None:
        return {"text": NONE, "level": 0}
    place = [size["in_units"] for size in line["sizes"]].index(line["smallest"])
    return {"text": line["smallest"], "level": max(3 - place, 1)}


def _notes(result: Mapping[str, Any]) -> list[str]:
    notes = []
    if result["table"]:
        episodes = result["table"][0]["episodes"]
        notes.append(
            f"Each fault was injected into {episodes} episodes of normal running. It counts as found if an alarm opens "
            "in at least 80 % of them that would not open without the fault. "
            f"{NONE}: not found at any size that was tried."
        )
    else:
        notes.append("Normal running is never long enough for an episode, so no fault could be injected.")
    return notes + _not_tried(result["skipped"])


def _not_tried(skipped: Iterable[Mapping[str, str]]) -> list[str]:
    """Say what was not tested: one sentence for each kind of fault and reason, with all its sensors."""
    sensors_of: dict[tuple[str, str], list[str]] = {}
    for test in skipped:
        sensors_of.setdefault((test["kind"], test["reason"]), []).append(test["sensor"])
    return [
        f"Not tested: {f'{words.spaced(kind)} of ' if kind else ''}{words.listing(sensors)}: {reason}."
        for (kind, reason), sensors in sensors_of.items()
    ]
