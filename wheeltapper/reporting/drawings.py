"""Drawings: which figures a report has, under which names; one that would be empty is left out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from wheeltapper.reporting import figures, summary, words
from wheeltapper.reporting.profiles import sensor_profiles_figure
from wheeltapper.reporting.timeline import Span, alarm_figure, part_spans, score_figure, score_grid_figure, view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wheeltapper.reporting.report import ReportData

EACH = 24
"""Up to so many assets, each gets a timeline of its own; above, all share a grid and the telling ones stand out."""
TELLING = 6
"""Assets that get a full timeline beside a grid, and alarms that get a figure."""
CELLS = 96
"""Assets in a grid at most."""


@dataclass(frozen=True)
class Drawing:
    """One figure of the report."""

    name: str
    """File name without ending: letters, digits, dot, dash and underscore only."""
    section: str
    title: str
    alt: str
    """What it shows, for those who cannot see it."""
    figure: Figure
    about: str = ""
    """The alarm that it shows."""


def draw(data: ReportData) -> list[Drawing]:
    """Draw every figure that the data allows."""
    drawings = [*_comparisons(data), *_timelines(data), *_alarms(data), *_profiles(data)]
    names = _file_names([one.name for one in drawings])
    return [replace(one, name=name) for name, one in zip(names, drawings, strict=True)]


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do: pump-2 before pump-10."""
    return sorted(names, key=_natural)


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name)], name


def _comparisons(data: ReportData) -> Iterator[Drawing]:
    """Draw what compares candidates, on the part that they are compared on."""
    parts = summary.by_part(data.leaderboard)
    part = next(iter(parts), None)
    board = parts.get(part, []) if part else []
    if any(row.get(name) is not None for row in board for name in figures.MEASURES):
        yield Drawing(
            "model_comparison",
            "comparison",
            f"Every candidate on the {part} part",
            f"{words.things(len(board), 'candidate')} compared by faults found, false alarms, cost and VUS-PR; "
            "the table of the leaderboard holds the same figures.",
            figures.comparison_figure(board, data.plant.alarm_budget),
        )
    counts = {str(row["candidate"]): row["confusion"] for row in board if row.get("confusion") is not None}
    if counts:
        yield Drawing(
            "confusion_matrices",
            "quality",
            f"Windows called right and wrong ({part} part)",
            "Confusion matrices, rows: normal and in fault, columns: quiet and anomalous. "
            + "; ".join(f"{name}: {_told(count)}" for name, count in counts.items()),
            figures.confusion_figure(counts),
        )
    if data.roc:
        yield Drawing(
            "roc_curves",
            "curves",
            "ROC curves",
            f"ROC curves of {words.listing(list(data.roc))}.",
            figures.roc_figure(data.roc, data.champion),
        )
    if data.pr:
        rates = [row["base_rate"] for row in board if row.get("base_rate") is not None]
        yield Drawing(
            "pr_curves",
            "curves",
            "Precision-recall curves",
            f"Precision-recall curves of {words.listing(list(data.pr))}.",
            figures.pr_figure(data.pr, rates[0] if rates else None, data.champion),
        )


def _told(count: Mapping[str, Any]) -> str:
    return f"{count['tn']} and {count['fp']}, {count['fn']} and {count['tp']}"


def _timelines(data: ReportData) -> Iterator[Drawing]:
    scores = {str(name): group for name, group in data.scores.groupby("asset_id", sort=False)}
    assets = in_order(scores)
    if len(assets) > EACH:
        events = pd.concat([data.faults["asset_id"], data.alarms["asset_id"]]).value_counts()
        by_events = sorted(assets, key=lambda name: -int(events.get(name, 0)))
        shown = in_order(by_events[:CELLS])
        yield Drawing(
            "score_over_time_all",
            "grid",
            "Every asset" if len(shown) == len(assets) else f"The {CELLS} assets with most faults and alarms",
            f"Small timelines of severity, threshold, true faults and alarms of {words.listing(shown, CELLS)}.",
            score_grid_figure(data.scores, data.faults, data.alarms, shown),
        )
        assets = [name for name in by_events[:TELLING] if events.get(name, 0)]
    for asset in assets:
        yield _timeline(data, asset, scores[asset])


def _timeline(data: ReportData, asset: str, scores: pd.DataFrame) -> Drawing:
    faults, alarms = (frame[frame["asset_id"] == asset] for frame in (data.faults, data.alarms))
    told = f"{words.things(len(faults), 'true fault')} and {words.things(len(alarms), 'alarm')}"
    return Drawing(
        f"score_over_time_{asset}",
        "timelines",
        f"{asset}: {told}",
        f"Severity of {asset} over time with its threshold, {told}; the table of machines holds the figures.",
        score_figure(scores, faults, alarms, asset, _spans(data, asset, scores)),
    )


def _spans(data: ReportData, asset: str, scores: pd.DataFrame) -> dict[str, Span] | None:
    if data.parts is None or asset not in data.parts.index:
        return None
    return part_spans(scores["window_end"].min(), scores["window_end"].max(), data.parts.loc[[asset]].iloc[0])


def _alarms(data: ReportData) -> Iterator[Drawing]:
    """Draw the sensors round the strongest alarms whose readings are at hand."""
    strongest = data.alarms.sort_values(["peak_severity", "opened_at", "alarm_id"], ascending=[False, True, True])
    for _, alarm in strongest.head(TELLING).iterrows():
        own = data.readings[data.readings["asset_id"] == alarm["asset_id"]]
        begin, end = view(alarm, data.plant.asset_type.step)
        if not own["timestamp"].between(begin, end).any():
            continue
        yield Drawing(
            f"alarm_{alarm['alarm_id']}",
            "alarms",
            f"{alarm['asset_id']}, {words.instant(alarm['opened_at'])} UTC",
            f"Readings round the alarm: {alarm['explanation']}",
            alarm_figure(own, alarm, data.plant.asset_type, data.faults, flags=data.flags),
            about=str(alarm["alarm_id"]),
        )


def _profiles(data: ReportData) -> Iterator[Drawing]:
    known = data.plant.asset_type.sensors
    if any(name in data.readings and data.readings[name].notna().any() for name in known):
        yield Drawing(
            "sensor_profiles",
            "profiles",
            "How often each sensor shows which value",
            "Histograms of each sensor's values; the table of sensors holds lowest, middle and highest ones.",
            sensor_profiles_figure(data.readings, data.faults, data.plant.asset_type),
        )


def _file_names(names: list[str]) -> list[str]:
    """Turn names with anything in them into file names that no system refuses or mixes up."""
    safe, taken = [], set[str]()
    for name in names:
        short = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
        if short != name or short.lower() in taken:
            short = f"{short}_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
        taken.add(short.lower())
        safe.append(short)
    return safe
