"""The self-test in the report: which fault of which sensor is found, the smaller the better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wheeltapper.reporting.text import words

NONE = "–"
UNTESTED = ""


def grid(tested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest fault found as a table of sensors and kinds, ready to be shown.

    Parameters
    ----------
    tested : mapping
        A self-test: ``table`` with a line for each sensor and kind, ``skipped``, as JSON.

    Returns
    -------
    dict
        ``kinds``: headings. ``rows``: each ``sensor`` and its ``cells``, of a text (the size, – where none was found,
        empty where it cannot be tested) and a ``level``: 3 for the smallest size that was tried, down to 1, 0 for none,
        None for untested. ``notes``: sentences.
    """
    lines = {(line["sensor"], line["kind"]): line for line in tested["table"]}
    kinds = list(dict.fromkeys(kind for _, kind in lines))
    sensors = list(dict.fromkeys(sensor for sensor, _ in lines))
    return {
        "kinds": [words.spaced(kind) for kind in kinds],
        "rows": [
            {"sensor": sensor, "cells": [_cell(lines.get((sensor, kind))) for kind in kinds]} for sensor in sensors
        ],
        "notes": _notes(tested),
    }


def _cell(line: Mapping[str, Any] | None) -> dict[str, Any]:
    if line is None:
        return {"text": UNTESTED, "level": None}
    if line["smallest"] is None:
        return {"text": NONE, "level": 0}
    place = [size["in_units"] for size in line["sizes"]].index(line["smallest"])
    return {"text": line["smallest"], "level": max(3 - place, 1)}


def _notes(tested: Mapping[str, Any]) -> list[str]:
    notes = []
    if tested["table"]:
        episodes = tested["table"][0]["episodes"]
        notes.append(
            f"Found: an alarm opens in at least four of five of {episodes} episodes, and none there without the fault. "
            f"{NONE}: no size that was tried was found."
        )
    else:
        notes.append("Normal running never lasts long enough for an episode: no single fault could be tried.")
    return notes + _not_tried(tested["skipped"])


def _not_tried(skipped: Iterable[Mapping[str, str]]) -> list[str]:
    """Say what was not tried, a sentence for each kind of fault and reason with all its sensors."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in skipped:
        alike.setdefault((one["kind"], one["reason"]), []).append(one["sensor"])
    return [
        f"Not tried: {f'{words.spaced(kind)} of ' if kind else ''}{words.listing(sensors)}: {reason}."
        for (kind, reason), sensors in alike.items()
    ]
