"""Drawings: which figures a report has, and under which names; a figure that would be empty is left out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from wheeltapper.reporting.alarm_rows import Span, span_around, strongest_first
from wheeltapper.reporting.figures.alarm import alarm_figure
from wheeltapper.reporting.figures.drawing import Drawing
from wheeltapper.reporting.figures.overview import alarms_together, machines_now, readings_in_figures
from wheeltapper.reporting.figures.quality import comparisons, what_raised_alarms
from wheeltapper.reporting.figures.timeline import part_spans, score_figure, score_grid_figure
from wheeltapper.reporting.text import words
from wheeltapper.reporting.text.summary import watched

if TYPE_CHECKING:
    from wheeltapper.reporting.data import ReportData

EACH = 24
"""Up to this number of assets, each has a timeline; above it, a grid shows all and a few have a timeline."""
SHOWN_LARGE = 6
"""Assets with a timeline beside a grid, and alarms with a figure."""
CELLS = 96
"""Most assets in a grid."""


def draw(data: ReportData) -> list[Drawing]:
    """Draw every figure that the data allows."""
    drawings = [
        *machines_now(data),
        *comparisons(data),
        *_timelines(data),
        *alarms_together(data),
        *_alarms(data),
        *readings_in_figures(data),
        *what_raised_alarms(data),
    ]
    names = _file_names([drawing.name for drawing in drawings])
    return [replace(drawing, name=name) for name, drawing in zip(names, drawings, strict=True)]


def _timelines(data: ReportData) -> Iterator[Drawing]:
    scores = {str(name): group for name, group in data.scores.groupby("asset_id", sort=False)}
    assets = words.in_order(scores)
    if len(assets) > EACH:
        events = pd.concat([data.faults["asset_id"], data.alarms["asset_id"]]).value_counts()
        by_events = sorted(assets, key=lambda name: -int(events.get(name, 0)))
        shown = words.in_order(by_events[:CELLS])
        yield Drawing(
            "score_over_time_all",
            "grid",
            "Every asset" if len(shown) == len(assets) else f"The {CELLS} assets with the most faults and alarms",
            f"Small timelines with severity, threshold, true faults and alarms of {words.listing(shown, CELLS)}.",
            score_grid_figure(data.scores, data.faults, data.alarms, shown),
        )
        assets = [name for name in by_events[:SHOWN_LARGE] if events.get(name, 0)]
    for asset in assets:
        yield _timeline(data, asset, scores[asset])


def _timeline(data: ReportData, asset: str, scores: pd.DataFrame) -> Drawing:
    faults, alarms = (frame[frame["asset_id"] == asset] for frame in (data.faults, data.alarms))
    faults = watched(faults, scores)
    counts = f"{words.things(len(faults), 'true fault')} and {words.things(len(alarms), 'alarm')}"
    return Drawing(
        f"score_over_time_{asset}",
        "timelines",
        f"{asset}: {counts}",
        f"Severity of {asset} over time with its threshold, {counts}. The table of machines contains the figures.",
        score_figure(scores, faults, alarms, asset, _spans(data, asset, scores)),
    )


def _spans(data: ReportData, asset: str, scores: pd.DataFrame) -> dict[str, Span] | None:
    if data.parts is None or asset not in data.parts.index:
        return None
    return part_spans(scores["window_end"].min(), scores["window_end"].max(), data.parts.loc[[asset]].iloc[0])


def _alarms(data: ReportData) -> Iterator[Drawing]:
    """Draw the sensors around the strongest alarms, where there are readings."""
    for _, alarm in strongest_first(data.alarms).head(SHOWN_LARGE).iterrows():
        readings = data.readings[data.readings["asset_id"] == alarm["asset_id"]]
        begin, end = span_around(alarm, data.plant.asset_type.step)
        if not readings["timestamp"].between(begin, end).any():
            continue
        yield Drawing(
            f"alarm_{alarm['alarm_id']}",
            "alarms",
            f"{alarm['asset_id']}, {words.instant(alarm['opened_at'])} UTC",
            f"Readings before, during and after the alarm: {alarm['explanation']}",
            alarm_figure(readings, alarm, data.plant.asset_type, data.faults, flags=data.flags),
            alarm=str(alarm["alarm_id"]),
        )


def _file_names(names: list[str]) -> list[str]:
    """Turn any names into different file names that every system accepts."""
    safe, taken = [], set[str]()
    for name in names:
        short = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
        if short != name or short.lower() in taken:
            short = f"{short}_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
        taken.add(short.lower())
        safe.append(short)
    return safe
