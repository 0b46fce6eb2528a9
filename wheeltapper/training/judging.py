"""Judge scores: fold them into alarms, name these, and compute all figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Plant
from wheeltapper.evaluation.exposure import places_by_asset
from wheeltapper.evaluation.judge import judge
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.scoring import alarms, diagnosis
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.diagnosis import Diagnosis
from wheeltapper.tables import microseconds
from wheeltapper.training.rows import FeatureRows, LoadedRows, as_rows


def judge_scores(
    plant: Plant,
    label: str,
    part: Literal["validate", "test", "live"],
    scores: pd.DataFrame,
    faults: pd.DataFrame,
    bundle: Bundle | None = None,
    features: pd.DataFrame | FeatureRows | None = None,
    flags: pd.DataFrame | None = None,
) -> Judgement:
    """Fold scores into alarms, and judge both; with a bundle and its feature rows, alarms are named as well.

    Parameters
    ----------
    label : str
        Name of the candidate, in the judgement and before each of the bundle's notes.
    scores : DataFrame
        Result of `Bundle.score`.
    faults : DataFrame
        Known faults.
    bundle, features : Bundle and DataFrame or FeatureRows, optional
        Source of the scores; with them, each alarm is named by the kind of fault that it looks like.
    flags : DataFrame, optional
        Spans in which a sensor is stuck; an alarm on one is named so.
    """
    folded, kinds = alarms.fold(scores, plant.alarms, plant.max_gap), None
    if bundle is not None and features is not None:
        rows = as_rows(features)
        names = _names(bundle, rows, scores, folded, open_after=plant.alarms.open_after, flags=flags)
        folded = diagnosis.with_names(folded, names)
        kinds = diagnosis.parts_of_kinds(bundle.asset_type, faults["kind"].unique().tolist())
    judged = judge(
        label,
        part,
        scores,
        folded,
        faults,
        plant.costs,
        spacing=plant.window_spacing,
        max_gap=plant.max_gap,
        tolerance=plant.window_reach,
        vus_window=2 * plant.windows.usual_rows(plant.step),
        seed=plant.seed,
        parts_of_kinds=kinds,
        lead=plant.lead,
        failing_kinds=plant.failing_kinds,
    )
    notes = [f"{label}: {note}" for note in bundle.notes] if bundle is not None else []
    return judged.model_copy(update={"notes": (*judged.notes, *notes)})


def _names(
    bundle: Bundle,
    rows: FeatureRows,
    scores: pd.DataFrame,
    folded: pd.DataFrame,
    *,
    open_after: int,
    flags: pd.DataFrame | None,
) -> list[Diagnosis]:
    """Diagnose each alarm; of rows that are not in memory, read those that a diagnosis looks at."""
    if isinstance(rows, LoadedRows):
        return diagnosis.name_alarms(bundle, rows.frame, folded, open_after=open_after, flags=flags)
    windows, scored_windows = _by_asset(rows.windows), _by_asset(scores)
    looked_at = [
        _looked_at(windows[str(alarm.asset_id)], scored_windows[str(alarm.asset_id)], alarm, open_after)
        for alarm in folded.itertuples()
    ]
    is_needed = np.zeros(len(rows), dtype=bool)
    for places in looked_at:
        is_needed[places] = True
    rows_needed, numbers = rows.where(is_needed).read(), rows.windows.index
    return [
        diagnosis.name_alarms(
            bundle, rows_needed.loc[numbers[places]], folded.iloc[[at]], open_after=open_after, flags=flags
        )[0]
        for at, places in enumerate(looked_at)
    ]


@dataclass(frozen=True)
class _Windows:
    """The windows of one asset in time order."""

    place: NDArray[np.int64]
    end: NDArray[np.int64]
    """In microseconds since the epoch."""


def _by_asset(rows: pd.DataFrame) -> dict[str, _Windows]:
    end = microseconds(rows["window_end"])
    return {asset: _Windows(places, end[places]) for asset, places in places_by_asset(rows["asset_id"]).items()}


def _looked_at(windows: _Windows, scored_windows: _Windows, alarm: Any, open_after: int) -> NDArray[np.int64]:
    """Return the places of the windows that the diagnosis of an alarm looks at."""
    opened, last = microseconds(pd.Series([alarm.opened_at, alarm.last_at]))
    first = int(np.searchsorted(scored_windows.end, opened, "left"))
    stop = int(np.searchsorted(scored_windows.end, last, "right"))
    inside = scored_windows.end[max(first - open_after + 1, 0) : stop]
    inside = inside[:: max(-(-len(inside) // diagnosis.MOST_WINDOWS), 1)]
    places: NDArray[np.int64] = windows.place[np.searchsorted(windows.end, inside)]
    return places


def summary(judgement: Judgement) -> str:
    """Return a judgement in one line."""
    if not judgement.faults:
        return (
            f"{judgement.false_alarms} alarms on {judgement.asset_weeks:.1f} asset-weeks; no faults known to judge by"
        )
    cost = (
        f"{judgement.cost_per_asset_week:,.0f} {judgement.currency} per asset-week"
        if judgement.cost_per_asset_week is not None
        else ""
    )
    return f"{judgement.found} of {judgement.faults} faults, {judgement.false_alarms} false alarms, {cost}"


def metrics(judgement: Judgement) -> dict[str, float]:
    """Return every single figure; figures of naming have the prefix ``naming_``, those of costs ``cost_``."""
    content = judgement.model_dump(mode="json")
    inner = {f"{group}_{name}": value for group in ("naming", "cost") for name, value in (content[group] or {}).items()}
    return {name: float(value) for name, value in (content | inner).items() if isinstance(value, int | float)}
