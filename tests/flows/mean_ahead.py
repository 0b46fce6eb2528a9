"""A throw-away objective for the tests: what will a sensor show on average in the hours after a window?

It is what a stranger would put into the folder of plug-ins of a plant: one file, public names only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from wheeltapper import manifest
from wheeltapper.config import Plant, PlugIn
from wheeltapper.evaluation.gates import BEATS_CHAMPION, Gate
from wheeltapper.training.objective import Decision, Job, Objective, Ranking, Trained
from wheeltapper.training.result import CandidateResult


class Figures(BaseModel):
    """How one forecast did on one part."""

    candidate: str
    part: str
    rows: int
    rmse: float
    notes: list[str] = []


@dataclass(frozen=True)
class Line:
    """A forecast: an intercept and a slope on the sensor's newest value."""

    sensor: str
    intercept: float
    slope: float
    known_until: str
    """End of the last label that it was fitted on."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.sensor,)

    @property
    def packages(self) -> tuple[str, ...]:
        return ("numpy",)

    def forecast(self, rows: pd.DataFrame) -> pd.Series:
        return self.intercept + self.slope * rows[self.sensor]

    def write(self, folder: Path) -> str:
        return manifest.write(folder, {"line.json": json.dumps(vars(self), sort_keys=True).encode()})

    def example(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.loc[rows["usable"], [self.sensor]].head(3).reset_index(drop=True)


class MeanAhead(Objective):
    """Forecast the mean of one sensor over the next hours."""

    answer = ("forecast",)
    example_options: ClassVar[dict[str, Any]] = {"sensor": "pressure"}

    def __init__(self, sensor: str, hours: float = 24.0) -> None:
        self.sensor = sensor
        self.hours = hours

    @property
    def options(self) -> dict[str, Any]:
        return {"sensor": self.sensor, "hours": self.hours}

    @property
    def embargo(self) -> timedelta:
        return timedelta(hours=self.hours)

    def baselines(self, plant: Plant) -> dict[str, PlugIn]:
        return {"mean": PlugIn(name="mean"), "last_value": PlugIn(name="last_value")}

    def candidates(self, plant: Plant) -> dict[str, PlugIn]:
        return {"line": PlugIn(name="line")}

    def train(self, job: Job) -> Trained:
        rows, target, until = self._labelled(job.table.features[job.table.part.isin(["train", "calibrate"])])
        slope, intercept = np.polyfit(rows[self.sensor], target, 1)
        fitted = {
            "mean": (float(target.mean()), 0.0),
            "last_value": (0.0, 1.0),
            "line": (float(intercept), float(slope)),
        }
        model = Line(self.sensor, *fitted[job.candidate.name], until.isoformat())
        figures = self._judge(job.label, "validate", model, job.table.rows("validate"))
        return Trained(
            job.candidate, model, figures, {"rmse": figures.rmse}, f"root mean square error {figures.rmse:.4g}"
        )

    def read(self, plant: Plant, folder: Path, expected: str) -> Line:
        return Line(**json.loads(manifest.read(folder, expected)["line.json"]))

    def rank(self, results: Sequence[CandidateResult]) -> Ranking:
        in_order = sorted(results, key=lambda result: (not result.is_baseline, result.judgement["rmse"], result.label))
        rows = [result.judgement | {"is_baseline": result.is_baseline} for result in in_order]
        order = tuple(result.label for result in in_order if not result.is_baseline)
        text = "\n".join(f"{row['candidate']}: {row['rmse']:.4g}" for row in rows)
        return Ranking(order=order, ranked_by="root mean square error", rows=rows, text=text)

    def gates(self, decision: Decision, result: CandidateResult) -> list[Gate]:
        best = min(row.judgement["rmse"] for row in decision.results.values() if row.is_baseline)
        limits = {"beats_baselines": best}
        if decision.rival is not None:
            limits[BEATS_CHAMPION] = decision.rival.rmse
        rmse = result.judgement["rmse"]
        return [
            Gate(name=name, passed=rmse < limit, figure=rmse, limit=limit, reason=f"{rmse:.4g} against {limit:.4g}")
            for name, limit in limits.items()
        ]

    def judge_champion(self, decision: Decision, folder: Path, expected: str) -> Figures:
        model = self.read(decision.space.plant, folder, expected)
        return self._judge("champion", "validate", model, decision.table.rows("validate"))

    def _judge(self, label: str, part: str, model: Line, rows: pd.DataFrame) -> Figures:
        rows, target, _ = self._labelled(rows)
        errors = model.forecast(rows) - target
        return Figures(candidate=label, part=part, rows=len(rows), rmse=float(np.sqrt((errors**2).mean())))

    def _labelled(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series, pd.Timestamp]:
        """Return the rows whose label lies within these rows, the labels, and the end of the last one."""
        labelled = []
        for _, own in rows[rows["usable"]].groupby("asset_id"):
            values = own.set_index("window_end")[self.sensor]
            ahead = values[::-1].rolling(self.embargo, closed="left").mean()[::-1]
            known = own["window_end"] + self.embargo <= own["window_end"].max()
            labelled.append(own.assign(target=ahead.to_numpy())[known.to_numpy()].dropna(subset=["target"]))
        found = pd.concat(labelled)
        return found, found["target"], (found["window_end"] + self.embargo).max()
