"""New readings through the live core: the scores and alarms of the batch path, however the readings come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.unit.mill import Mill, mill
from tests.unit.scoring import alarm_tuples
from wheeltapper.errors import DataError
from wheeltapper.features.conditioning import Track
from wheeltapper.features.memory import Arrivals
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import alarms
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.live import CHALLENGER, CHAMPION, LiveModel, LiveState, ScoredWindows, advance
from wheeltapper.tables import microseconds

MAX_GAP = timedelta(minutes=3)
PROVENANCE = {"seed": 42, "learned_until": {"mill-1": "2026-01-05T12:00:00+00:00"}}
"""The second mill is new to the bundles: all of its windows are scored."""


@pytest.fixture(scope="module")
def bundle(the_mill: Mill) -> Bundle:
    return the_mill.fit(provenance=PROVENANCE)


@dataclass
class Kept:
    """What was read and scored so far: the history that late readings ask for."""

    arrivals: dict[str, list[Arrivals]] = field(default_factory=dict)
    scored: dict[str, dict[int, tuple[str, float, float, float]]] = field(default_factory=dict)

    def readings(self, asset_id: str, start: int, end: int) -> Track:
        parts = self.arrivals.get(asset_id, [])
        by_time = {int(micros): (part, at) for part in parts for at, micros in enumerate(part.micros)}
        inside = sorted(micros for micros in by_time if start <= micros < end)
        names = list(parts[0].sensors) if parts else []
        return Track(
            np.array(inside, dtype=np.int64),
            {name: np.array([by_time[m][0].sensors[name][by_time[m][1]] for m in inside]) for name in names},
            np.array([by_time[m][0].regimes[by_time[m][1]] for m in inside], dtype=object),
        )

    def scores(self, asset_id: str, start: int | None) -> ScoredWindows:
        rows = sorted(
            (end, *row) for end, row in self.scored.get(asset_id, {}).items() if start is None or end >= start
        )
        columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 5
        return ScoredWindows(
            np.array(columns[0], dtype=np.int64),
            np.array(columns[1], dtype=object),
            *(np.array(column, dtype=float) for column in columns[2:]),
        )


@dataclass
class Told:
    """What a listener has been told, put together."""

    kept: Kept = field(default_factory=Kept)
    challenger: dict[tuple[str, int], float] = field(default_factory=dict)
    alarms: dict[tuple[str, int], Any] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)


def arrivals(rows: pd.DataFrame, sensors: Sequence[str]) -> Arrivals:
    return Arrivals(
        microseconds(rows["timestamp"]),
        {name: rows[name].to_numpy(float) for name in sensors},
        rows["regime"].to_numpy(dtype=object),
    )


def listen(mill: Mill, models: list[LiveModel], parts: Iterator[pd.DataFrame]) -> Told:
    """Bring readings part by part, and keep what is told of them."""
    plan, told = FeaturePlan.of(mill.plant), Told()
    state = LiveState(plan, models, mill.plant.alarms, MAX_GAP)
    for part in parts:
        new = {str(asset): arrivals(rows, plan.sensors) for asset, rows in part.groupby("asset_id")}
        state, answers = advance(state, new, told.kept)
        for asset, answer in answers.items():
            told.kept.arrivals.setdefault(asset, []).append(new[asset])
            scored = told.kept.scored.setdefault(asset, {})
            touched = [*answer.gone.tolist(), *answer.rows.ends.tolist()]
            for end in touched:
                scored.pop(end, None)
            new_scores = answer.scores[CHAMPION]
            columns = (new_scores.regimes, new_scores.score, new_scores.threshold, new_scores.severity)
            scored |= dict(zip(new_scores.ends.tolist(), zip(*columns, strict=True), strict=True))
            if CHALLENGER in answer.scores:
                other = answer.scores[CHALLENGER]
                told.challenger |= {
                    (asset, end): float(score) for end, score in zip(other.ends.tolist(), other.score, strict=True)
                }
            for change in answer.transitions:
                told.changes.append(change.change)
                told.alarms.pop((asset, change.was_opened_at), None)
                if change.change != "withdrawn":
                    told.alarms[asset, change.alarm.opened_at] = change.alarm
    return told


def in_batch(mill: Mill, bundle: Bundle) -> tuple[dict[str, dict[int, Any]], list[tuple[Any, ...]]]:
    """Score the whole table of features, and fold all alarms at once."""
    rows = mill.features
    until = rows["asset_id"].map({a: pd.Timestamp(t) for a, t in bundle.provenance["learned_until"].items()})
    scores = bundle.score(rows[until.isna() | (rows["window_start"] >= until)])
    by_asset: dict[str, dict[int, Any]] = {}
    for asset, of_asset in scores.groupby("asset_id"):
        values = of_asset[["regime", "score", "threshold", "severity"]].itertuples(index=False, name=None)
        by_asset[str(asset)] = dict(zip(microseconds(of_asset["window_end"]).tolist(), values, strict=True))
    folded = alarms.fold(scores, mill.plant.alarms, MAX_GAP)
    raised = zip(folded["asset_id"], alarm_tuples.of_folded(folded), strict=True)
    return by_asset, sorted((asset, *alarm) for asset, alarm in raised)


def as_rows(told: Told) -> list[tuple[Any, ...]]:
    return sorted((asset, *alarm_tuples.of_alarm(alarm)) for (asset, _), alarm in told.alarms.items())


def once(readings: pd.DataFrame, _rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    yield readings


def one_by_one(readings: pd.DataFrame, _rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    yield from (readings.iloc[[at]] for at in range(len(readings)))


def in_chunks(readings: pd.DataFrame, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    cuts = np.sort(rng.choice(len(readings), 40, replace=False))
    yield from (readings.iloc[places] for places in np.split(np.arange(len(readings)), cuts))


def shuffled(readings: pd.DataFrame, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Hours in any order, each of them shuffled, and every tenth reading twice."""
    hours = [hour for _, hour in readings.groupby(readings["timestamp"].dt.floor("h"))]
    for at in rng.permutation(len(hours)):
        hour = hours[at].iloc[rng.permutation(len(hours[at]))]
        yield pd.concat([hour, hour.iloc[::10]])


def corrected(readings: pd.DataFrame, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """All readings, first with an hour of false alarm in them; then that hour as it was."""
    is_wrong = readings["timestamp"].dt.hour.eq(18) & (readings["asset_id"] == "line/2")
    wrong = readings.assign(load=readings["load"].mask(is_wrong, readings["load"] + 15))
    yield from in_chunks(wrong, rng)
    yield readings[is_wrong]


@pytest.mark.parametrize("way", [once, one_by_one, in_chunks, shuffled, corrected], ids=lambda way: way.__name__)
def test_scores_and_alarms_are_those_of_the_batch_path(the_mill: Mill, bundle: Bundle, way: Any) -> None:
    """All at once, one by one, in chunks, hours shuffled and repeated, and corrected afterwards: to the last bit."""
    readings = the_mill.readings.sort_values(["timestamp", "asset_id"], ignore_index=True)
    told = listen(the_mill, [LiveModel(bundle, CHAMPION)], way(readings, np.random.default_rng(3)))
    scores, folded = in_batch(the_mill, bundle)
    assert {asset: dict(sorted(rows.items())) for asset, rows in told.kept.scored.items()} == scores
    assert len(folded) > 1
    assert as_rows(told) == folded
    assert ("withdrawn" in told.changes) == (way is corrected)


def test_a_challenger_scores_beside_the_champion_and_raises_no_alarm(the_mill: Mill, bundle: Bundle) -> None:
    """Two models of other features each: both score every window, the alarms are those of the champion alone."""
    rival = the_mill.fit("k_sigma", provenance=PROVENANCE)
    models = [LiveModel(bundle, CHAMPION), LiveModel(rival, CHALLENGER)]
    readings = the_mill.readings.sort_values(["timestamp", "asset_id"], ignore_index=True)
    told = listen(the_mill, models, in_chunks(readings, np.random.default_rng(5)))
    expected, _ = in_batch(the_mill, rival)
    flat = {(asset, end): row[1] for asset, rows in expected.items() for end, row in rows.items()}
    assert told.challenger == flat
    assert as_rows(told) == in_batch(the_mill, bundle)[1]


def test_a_champion_with_another_plan_keeps_a_memory_of_its_own(the_mill: Mill, other_mill: Mill) -> None:
    """The plant's plan has changed since the champion was trained: it scores windows of its own plan."""
    champion = other_mill.fit(provenance=PROVENANCE)
    readings = the_mill.readings.sort_values(["timestamp", "asset_id"], ignore_index=True)
    told = listen(the_mill, [LiveModel(champion, CHAMPION)], in_chunks(readings, np.random.default_rng(7)))
    assert {asset: dict(sorted(rows.items())) for asset, rows in told.kept.scored.items()} == in_batch(
        other_mill, champion
    )[0]


def test_the_order_in_which_the_plant_names_its_sensors_does_not_matter(the_mill: Mill, bundle: Bundle) -> None:
    """The plan has the same hash and its columns another order than when the champion was trained."""
    lines = "    load: {unit: A, low: 0, high: 80}\n", "    speed: {unit: rpm, low: 0, high: 3000}\n"
    turned = mill(**{lines[1] + lines[0]: lines[0] + lines[1]})
    plans = FeaturePlan.of(turned.plant), bundle.plan
    assert plans[0].hash == plans[1].hash
    assert plans[0].columns != plans[1].columns
    readings = the_mill.readings.sort_values(["timestamp", "asset_id"], ignore_index=True)
    told = listen(turned, [LiveModel(bundle, CHAMPION)], in_chunks(readings, np.random.default_rng(7)))
    assert {asset: dict(sorted(rows.items())) for asset, rows in told.kept.scored.items()} == in_batch(
        the_mill, bundle
    )[0]


def test_a_late_reading_without_a_history_is_refused_and_nothing_is_lost(the_mill: Mill, bundle: Bundle) -> None:
    """It would take readings that are no longer held: the error names the instant, and later readings go on."""
    plan = FeaturePlan.of(the_mill.plant)
    readings = the_mill.readings[the_mill.readings["asset_id"] == "mill-1"].sort_values("timestamp", ignore_index=True)
    state = LiveState(plan, [LiveModel(bundle, CHAMPION)], the_mill.plant.alarms, MAX_GAP)

    def bring(rows: pd.DataFrame) -> NDArray[np.int64]:
        return advance(state, {"mill-1": arrivals(rows, plan.sensors)})[1]["mill-1"].rows.ends

    bring(readings.iloc[:1000])
    late = readings.iloc[[10]].assign(load=1.0)
    with pytest.raises(DataError, match="is late"):
        bring(late)
    assert bring(readings.iloc[1000:1001]).tolist() == microseconds(readings["timestamp"].iloc[1000:1001]).tolist()
