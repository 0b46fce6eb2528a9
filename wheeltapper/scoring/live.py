"""The live core: from new readings to features, scores and alarms.

A schedule, an HTTP request, a broker's message, a replay and an edge box all call `advance`. It returns the features of
the newest windows, the scores of champion and challenger, and what changes about the champion's alarms. It uses no
table, no server and no clock. Its results are those of the scheduled flows, to the last bit, in whatever order and
number readings come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.features.compute import WindowRows
from wheeltapper.features.conditioning import Track
from wheeltapper.features.memory import Arrivals, AssetMemory
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.alarm_records import take_overlapping
from wheeltapper.scoring.alarm_state import Alarm, AlarmState
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.refold import quiet_before
from wheeltapper.scoring.scorer import Scorer
from wheeltapper.tables import microseconds

Micros = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

Change = Literal["opened", "updated", "closed", "withdrawn"]

CHAMPION, CHALLENGER = "champion", "challenger"
_DAY = 24 * 3600 * 1_000_000
LOOKS = (_DAY, 8 * _DAY, 64 * _DAY)
"""How far back a quiet time is looked for, before everything is read."""


@dataclass(frozen=True)
class LiveModel:
    """A bundle and its role."""

    bundle: Bundle
    role: str
    """champion or challenger; only the champion raises alarms."""

    @cached_property
    def name(self) -> str:
        """Hash of the bundle."""
        return bundles.fingerprint(self.bundle)

    @cached_property
    def scorer(self) -> Scorer:
        """Scores windows as arrays."""
        return Scorer(self.bundle)

    @cached_property
    def learned_until(self) -> dict[str, int]:
        """Asset → until when its readings were learnt from, in microseconds: earlier windows are not scored."""
        until = self.bundle.provenance["learned_until"]
        times = microseconds(pd.to_datetime(list(until.values()), utc=True, format="ISO8601"))
        return dict(zip(until, times.tolist(), strict=True))


@dataclass(frozen=True)
class ScoredWindows:
    """Windows of one machine that one model has scored; arrays of shape (n_windows,), in the order of time."""

    ends: Micros
    """Time of each window's last reading in microseconds since the epoch."""
    regimes: Texts
    score: Floats
    threshold: Floats
    severity: Floats


@dataclass(frozen=True)
class Transition:
    """What new readings change about an alarm of the champion."""

    asset_id: str
    change: Change
    alarm: Alarm
    """The alarm afterwards; as it was before where it is withdrawn."""
    was_opened_at: int
    """When it opened by what was known before, in microseconds; differs from ``alarm.opened_at`` where late readings
    moved it."""


@dataclass(frozen=True)
class Answer:
    """What the new readings of one machine mean."""

    rows: WindowRows
    """The windows that are new or changed, with all features of the plant's plan."""
    gone: Micros
    """Ends of the windows that no longer exist."""
    scores: dict[str, ScoredWindows]
    """Role → the windows among them that its model has scored."""
    transitions: tuple[Transition, ...]


class History(Protocol):
    """What was read and scored before, for readings that come late; usually a plant's tables."""

    def readings(self, asset_id: str, start: int, end: int) -> Track:
        """Return the readings of a span: from ``start`` (inclusive) to ``end`` (exclusive), in microseconds."""

    def scores(self, asset_id: str, start: int | None) -> ScoredWindows:
        """Return the windows that the champion has scored from an instant on; all of them if it is None."""


@dataclass
class AssetState:
    """What is kept of one machine between two readings."""

    memories: dict[str, AssetMemory]
    """Hash of a feature plan → the readings that it can reach."""
    alarm: AlarmState


@dataclass
class LiveState:
    """What is kept of a plant between two readings. It can be rebuilt from the tables at any time."""

    plan: FeaturePlan
    """The plant's feature plan; a bundle with another one has a memory of its own."""
    models: list[LiveModel]
    rule: Alarms
    max_gap: timedelta
    assets: dict[str, AssetState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find out which columns each model takes from which plan."""
        self._plans = {self.plan.hash: self.plan}
        self._columns = {model.role: self._columns_of(model) for model in self.models}

    def of(self, asset_id: str) -> AssetState:
        """Return the state of a machine; a new one where none was heard of yet."""
        if asset_id not in self.assets:
            memories = {name: AssetMemory(plan) for name, plan in self._plans.items()}
            self.assets[asset_id] = AssetState(memories, AlarmState(self.rule, self.max_gap))
        return self.assets[asset_id]

    def _columns_of(self, model: LiveModel) -> tuple[FeaturePlan, NDArray[np.intp] | None]:
        """Return the plan that a model's features are computed with, and the places of its columns; None for all."""
        plan = model.bundle.plan
        computed = self.plan if plan.is_part_of(self.plan) else self._plans.setdefault(plan.hash, plan)
        if plan.columns == computed.columns:
            return computed, None
        # A plan's hash says nothing about the order of its columns: a sensor may have been written elsewhere since.
        return computed, np.array([computed.columns.index(column) for column in plan.columns], dtype=np.intp)

    def plan_of(self, role: str) -> tuple[FeaturePlan, NDArray[np.intp] | None]:
        """Return the plan and the places of the columns of the model in a role."""
        return self._columns[role]


def advance(
    state: LiveState, readings: Mapping[str, Track | Arrivals], history: History | None = None
) -> tuple[LiveState, dict[str, Answer]]:
    """Take new readings in.

    Parameters
    ----------
    state : LiveState
        It is changed in place, machine by machine.
    readings : mapping of asset to Track or Arrivals
        New readings, in any order; of several for one instant the last one counts.
    history : History, optional
        Asked where a reading comes later than what the state still holds, and for the scores that it reaches.

    Returns
    -------
    state : LiveState
    answers : dict of asset to Answer

    Raises
    ------
    DataError
        If a sensor is missing, or a reading is late and there is no history; nothing of that machine was taken in.
    """
    return state, {asset: _advance_asset(state, asset, arrived, history) for asset, arrived in readings.items()}


def _advance_asset(state: LiveState, asset: str, arrived: Track | Arrivals, history: History | None) -> Answer:
    of_asset = state.of(asset)
    earlier = None if history is None else lambda start, end: history.readings(asset, start, end)
    changes = {name: memory.add(arrived, earlier) for name, memory in of_asset.memories.items()}
    whole = changes[state.plan.hash]
    scores = {}
    for model in state.models:
        plan, places = state.plan_of(model.role)
        scores[model.role] = _score(model, asset, changes[plan.hash].rows, places)
    transitions: tuple[Transition, ...] = ()
    if CHAMPION in scores:
        plan, _ = state.plan_of(CHAMPION)
        changed = changes[plan.hash]
        if changed.is_in_order:
            transitions = _step(of_asset.alarm, asset, scores[CHAMPION])
        else:
            touched = np.union1d(changed.rows.ends, changed.gone)
            of_asset.alarm, transitions = _refold(state, asset, scores[CHAMPION], touched, history)
    return Answer(whole.rows, whole.gone, scores, transitions)


def _score(model: LiveModel, asset: str, rows: WindowRows, places: NDArray[np.intp] | None) -> ScoredWindows:
    """Score the windows that may be used and were not learnt from."""
    since = model.learned_until.get(asset)
    is_scored = rows.why_not == ""
    if since is not None:
        is_scored = is_scored & (rows.starts >= since)
    if not is_scored.all():
        at = np.flatnonzero(is_scored)
        values, regimes, ends = rows.values[at], rows.regimes[at], rows.ends[at]
    else:
        values, regimes, ends = rows.values, rows.regimes, rows.ends
    if places is not None:
        values = values[:, places]
    scored = model.scorer.score(asset, regimes, values)
    return ScoredWindows(ends, regimes, scored.score, scored.threshold, scored.severity)


def windows_of(scored: ScoredWindows) -> list[tuple[int, float, str]]:
    """Return windows as `AlarmState.steps` takes them."""
    return list(zip(scored.ends.tolist(), scored.severity.tolist(), scored.regimes.tolist(), strict=True))


def _step(alarm: AlarmState, asset: str, scored: ScoredWindows) -> tuple[Transition, ...]:
    """Go on with windows that are all newer than those before."""
    return tuple(
        Transition(asset, change.change, change.alarm, change.alarm.opened_at)
        for change in alarm.steps(windows_of(scored))
    )


def _refold(
    state: LiveState, asset: str, scored: ScoredWindows, touched: Micros, history: History | None
) -> tuple[AlarmState, tuple[Transition, ...]]:
    """Fold again from a quiet time before the earliest changed window on, and compare with the alarms before."""
    if history is None or not len(touched):
        return state.of(asset).alarm, ()
    before = since_quiet(state, asset, int(touched[0]), history)
    after = _overlaid(before, scored, touched)
    alarms_before, _ = _alarms(state, before)
    alarms_now, alarm = _alarms(state, after)
    return alarm, _differences(asset, alarms_before, alarms_now)


def since_quiet(state: LiveState, asset: str, first: int, history: History) -> ScoredWindows:
    """Return the scores that were given before, from a quiet time before an instant on."""
    for look in LOOKS:
        before = history.scores(asset, first - look)
        place = quiet_before(before.ends, before.severity, first, state.rule, state.max_gap)
        if place is not None:
            return _cut(before, place)
    return history.scores(asset, None)


def _cut(scored: ScoredWindows, place: int) -> ScoredWindows:
    return ScoredWindows(
        scored.ends[place:],
        scored.regimes[place:],
        scored.score[place:],
        scored.threshold[place:],
        scored.severity[place:],
    )


def _overlaid(before: ScoredWindows, scored: ScoredWindows, touched: Micros) -> ScoredWindows:
    """Return the scores from before with the changed windows in their place."""
    unchanged = np.flatnonzero(~np.isin(before.ends, touched) & ~np.isin(before.ends, scored.ends))
    ends = np.concatenate([before.ends[unchanged], scored.ends])
    order = np.argsort(ends, kind="stable")

    def merged(name: str) -> NDArray[np.generic]:
        return np.asarray(np.concatenate([getattr(before, name)[unchanged], getattr(scored, name)])[order])

    return ScoredWindows(ends[order], *(merged(name) for name in ("regimes", "score", "threshold", "severity")))  # type: ignore[arg-type]


def _alarms(state: LiveState, scored: ScoredWindows) -> tuple[list[Alarm], AlarmState]:
    """Fold windows; return the alarms in the order of time, and the state afterwards."""
    alarm = AlarmState(state.rule, state.max_gap)
    by_opening: dict[int, Alarm] = {}
    for change in alarm.steps(windows_of(scored)):
        by_opening[change.alarm.opened_at] = change.alarm
    return list(by_opening.values()), alarm


def _differences(asset: str, alarms_before: list[Alarm], alarms_now: list[Alarm]) -> tuple[Transition, ...]:
    """Return how the alarms differ: an alarm continues the first earlier one that it overlaps."""
    unmatched = list(alarms_before)
    transitions: list[Transition] = []
    for alarm in alarms_now:
        earlier_alarm: Alarm | None = take_overlapping(unmatched, alarm)
        if earlier_alarm is None:
            transitions.append(Transition(asset, "opened", alarm, alarm.opened_at))
        elif earlier_alarm != alarm:
            change: Change = "updated" if alarm.is_open or not earlier_alarm.is_open else "closed"
            transitions.append(Transition(asset, change, alarm, earlier_alarm.opened_at))
    return (*transitions, *(Transition(asset, "withdrawn", old, old.opened_at) for old in unmatched))
