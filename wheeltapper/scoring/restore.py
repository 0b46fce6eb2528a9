"""The live state from a plant's tables: after a start, a crash, or a change of the champion.

Everything in the state can be computed from the tables, so it may be thrown away at any time.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from wheeltapper import tables
from wheeltapper.errors import NoChampionError
from wheeltapper.features.conditioning import Track
from wheeltapper.features.memory import AssetMemory, needed_since
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring.alarm_state import AlarmState
from wheeltapper.scoring.live import (
    CHALLENGER,
    CHAMPION,
    LOOKS,
    AssetState,
    LiveModel,
    LiveState,
    ScoredWindows,
    since_quiet,
    windows_of,
)
from wheeltapper.scoring.live_model import challenger_bundle, live_bundle
from wheeltapper.store import Store
from wheeltapper.tables import microseconds
from wheeltapper.workspace import Workspace


def live_models(space: Workspace) -> list[LiveModel]:
    """Return the champion and, where there is one, its challenger.

    Raises
    ------
    NoChampionError
        If nothing is live.
    """
    champion, challenger = live_bundle(space), challenger_bundle(space)
    if champion is None:
        raise NoChampionError(f"{space.plant.name} has no live model yet. Run: wheeltapper run {space.to_type}")
    models = [LiveModel(champion, CHAMPION)]
    return models if challenger is None else [*models, LiveModel(challenger, CHALLENGER)]


class TableHistory:
    """What a plant's tables hold, for readings that come late."""

    def __init__(self, store: Store, plan: FeaturePlan, champion: str) -> None:
        self._store, self._plan, self._champion = store, plan, champion

    def readings(self, asset_id: str, start: int, end: int) -> Track:
        """Return the stored readings of a span, in microseconds since the epoch."""
        columns = ["asset_id", "timestamp", "regime", *self._plan.sensors]
        rows = self._store.read(
            tables.READINGS, columns=columns, start=_instant(start), end=_instant(end), assets=[asset_id]
        )
        return track_of(rows, self._plan)

    def scores(self, asset_id: str, start: int | None) -> ScoredWindows:
        """Return the windows that the champion has scored from an instant on; all of them if it is None."""
        since = None if start is None else _instant(start)
        rows = self._store.read(tables.SCORES, start=since, assets=[asset_id])
        rows = rows[rows["bundle"] == self._champion]
        return ScoredWindows(
            microseconds(rows["window_end"]),
            rows["regime"].to_numpy(dtype=object),
            *(rows[name].to_numpy(dtype=np.float64) for name in ("score", "threshold", "severity")),
        )


def restore(space: Workspace, models: list[LiveModel] | None = None) -> tuple[LiveState, TableHistory]:
    """Return the live state of all machines as the tables leave it, and the history for late readings.

    Windows that are not scored yet are left out: bring the tables up to date first
    (`wheeltapper.scoring.batch.score_windows`).

    Raises
    ------
    NoChampionError
        If nothing is live.
    """
    models = live_models(space) if models is None else models
    plan = FeaturePlan.of(space.plant)
    state = LiveState(plan, models, space.plant.alarms, space.plant.max_gap)
    champion = next(model.name for model in models if model.role == CHAMPION)
    history = TableHistory(space.store, plan, champion)
    newest = {asset: _micros(time) for asset, time in space.store.newest(tables.READINGS).items()}
    plans = {model_plan.hash: model_plan for model_plan in [plan, *(state.plan_of(model.role)[0] for model in models)]}
    memories = {name: _memories(space.store, model_plan, newest) for name, model_plan in plans.items()}
    for asset, time in newest.items():
        state.assets[asset] = AssetState(
            {name: by_asset[asset] for name, by_asset in memories.items()}, _alarm(state, history, asset, time)
        )
    return state, history


def track_of(rows: pd.DataFrame, plan: FeaturePlan) -> Track:
    """Return one asset's rows of the table of readings as arrays."""
    return Track(
        microseconds(rows["timestamp"]),
        {name: rows[name].to_numpy(dtype=np.float64) for name in plan.sensors},
        rows["regime"].to_numpy(dtype=object),
    )


def _memories(store: Store, plan: FeaturePlan, newest: dict[str, int]) -> dict[str, AssetMemory]:
    """Return each asset's memory from its newest readings; assets whose newest are of one day are read at once."""
    columns = ["asset_id", "timestamp", "regime", *plan.sensors]
    memories: dict[str, AssetMemory] = {}
    for assets in _of_one_day(newest):
        since = min(needed_since(plan, newest[asset]) for asset in assets)
        rows = store.read(tables.READINGS, columns=columns, start=_instant(since), assets=assets)
        by_asset = {str(asset): of_asset for asset, of_asset in rows.groupby("asset_id")}
        memories |= {asset: AssetMemory(plan, track_of(by_asset[asset], plan)) for asset in assets}
    return memories


def _of_one_day(newest: dict[str, int]) -> Iterable[list[str]]:
    """Group assets by the day of their newest reading."""
    by_day: dict[int, list[str]] = {}
    for asset, time in newest.items():
        by_day.setdefault(time // 86_400_000_000, []).append(asset)
    return by_day.values()


def _alarm(state: LiveState, history: TableHistory, asset: str, newest: int) -> AlarmState:
    """Return the state of an asset's alarm, from the last quiet time before its newest scored window on."""
    alarm = AlarmState(state.rule, state.max_gap)
    for look in LOOKS:
        ends = history.scores(asset, newest - look).ends
        if len(ends):
            alarm.steps(windows_of(since_quiet(state, asset, int(ends[-1]) + 1, history)))
            break
    return alarm


def _instant(micros: int) -> pd.Timestamp:
    return pd.Timestamp(micros, unit="us", tz="UTC")


def _micros(time: object) -> int:
    return int(microseconds(pd.DatetimeIndex([time]))[0])
