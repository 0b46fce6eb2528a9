"""The self-test of one bundle: known faults are put into recent normal readings, to see which it hears."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks._training import TrainingTable
from wheeltapper import tables
from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.ranking import chance_above
from wheeltapper.features.compute import compute, select
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import why_masked
from wheeltapper.scoring import alarms
from wheeltapper.scoring.bundle import POOLED, Bundle
from wheeltapper.selftest import episodes, gates, obvious, relations, sensitivity
from wheeltapper.selftest.episodes import CLEAN, Rehearsal
from wheeltapper.selftest.injections import Usual
from wheeltapper.store import Ref
from wheeltapper.training.candidate import guard
from wheeltapper.workspace import Workspace

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROWS = 3000
"""Recent windows that are tested, of all assets together: enough for a share, few enough to cost little."""
LEAST, MOST = 30, 300
"""Windows of one asset."""
WIDE = 200_000
"""Normal windows, of all assets together, whose newest readings say how far a sensor usually strays."""


def run(space: Workspace, bundle: Bundle, readings: Ref, table: TrainingTable) -> dict[str, Any]:
    """Return what `examine` says about a bundle on the readings that a training run was opened with.

    The bundle may be an older one, with another plan than the plant has now: it is asked about the same faults in the
    same readings, by the features of its own.
    """
    plan = FeaturePlan.of(space.plant)
    if plan.hash in (bundle.plan.hash, bundle.whole):
        twins = _twins(space, readings, table)
    elif bundle.plan.is_part_of(plan):
        twins = _twins(space, readings, table).with_features_of(bundle.plan)
    else:
        twins = recent_twins(space, bundle.plan, _normal(space, plan, table), readings.version)
    return examine(bundle, twins, space.plant.alarms, space.plant.max_gap)


@dataclass(frozen=True)
class Twins:
    """Feature rows of recent normal readings: clean, with an obvious step in all sensors, and with one fault each."""

    clean: pd.DataFrame
    difference: pd.DataFrame
    """The columns in which the obvious twin differs."""
    rehearsal: Rehearsal

    def obvious(self) -> pd.DataFrame:
        """Return the rows with an unmistakable step of all sensors."""
        return self.clean.assign(**{str(column): values for column, values in self.difference.items()})

    def with_features_of(self, plan: FeaturePlan) -> Twins:
        """Return the same twins with the features of a plan that is part of theirs."""
        clean = select(plan, self.clean)
        difference = self.difference[[column for column in self.difference if column in clean]]
        return Twins(clean, difference, replace(self.rehearsal, rows=select(plan, self.rehearsal.rows)))


def examine(bundle: Bundle, twins: Twins, rule: Alarms, max_gap: timedelta) -> dict[str, Any]:
    """Return the gates of the self-test, and the smallest fault of each sensor and kind that the bundle finds.

    Returns
    -------
    dict
        ``gates``: each as JSON. ``table``: a line for each sensor and kind, see `sensitivity.table`. ``skipped``: what
        could not be tested and why. ``rung_for``: sensor → share of episodes in which its most audible fault opens an
        alarm. ``stands_out``: sensor → how surely that fault scores above clean running. ``heard``: episode → share of
        its moderate faults that stand out. ``mean``: the mean of these, which ranks candidates where no faults are
        known; higher is better.
    """
    clean, stepped = _both(_scored(bundle, twins.clean), _scored(bundle, twins.obvious()))
    anomalous = [one["severity"].fillna(0.0) > 1 for one in (clean, stepped)]
    heard = _listen(bundle, twins.rehearsal, clean, rule, max_gap)
    asked = (
        gates.is_not_inverted(clean["score"], stepped["score"]),
        gates.threshold_is_reachable(stepped["threshold"], stepped["score"]),
        gates.is_not_random(clean["score"], stepped["score"], *anomalous),
        gates.is_not_blind(
            heard["stands_out"], {one["sensor"]: one["reason"] for one in heard["skipped"] if not one["kind"]}
        ),
        gates.rings_for_each_sensor(heard["rung_for"]),
        gates.finds_small_faults(heard["table"]),
        relations.has_learnt(_relations(bundle, twins.clean)),
    )
    # Where nothing could be rehearsed, how well the obvious step is told apart has to do.
    fallback = chance_above(clean["score"].to_numpy(), stepped["score"].to_numpy())
    mean = float(np.mean([*heard["heard"].values()])) if heard["heard"] else fallback
    return {"gates": [gate.model_dump(mode="json") for gate in asked], "mean": round(mean, 4), **heard}


def figure(bundle: Bundle, twins: Twins, rule: Alarms) -> float:
    """Return the ``mean`` of `examine` alone, unrounded: what tells apart many bundles on the same twins."""
    clean = _scored(bundle, twins.clean)
    lasting = sensitivity.windows_in_episode(twins.rehearsal)
    usual = sensitivity.usual_peaks(clean.reset_index(), lasting, rule.open_after)
    if len(twins.rehearsal.rows) and len(usual):
        scored = bundle.score(twins.rehearsal.rows)["score"].to_numpy()
        heard = sensitivity.figure(
            twins.rehearsal, sensitivity.lasting_peaks(twins.rehearsal, scored, rule.open_after)[0], usual
        )
        if heard is not None:
            return heard
    clean, stepped = _both(clean, _scored(bundle, twins.obvious()))
    return chance_above(clean["score"].to_numpy(), stepped["score"].to_numpy())


def figures(tested: Mapping[str, Any]) -> dict[str, float]:
    """Return the self-test as figures for MLflow: the mean, and for each sensor how audible its faults are."""
    by_sensor = {
        f"self_test.{name}.{sensor}": float(share) for name in _BY_SENSOR for sensor, share in tested[name].items()
    }
    return {"self_test.mean": float(tested["mean"]), **by_sensor}


_BY_SENSOR = ("rung_for", "stands_out")


def _listen(
    bundle: Bundle, rehearsal: Rehearsal, clean: pd.DataFrame, rule: Alarms, max_gap: timedelta
) -> dict[str, Any]:
    """Score every rehearsed fault, and say which of them the bundle hears."""
    skipped = sensitivity.skipped(rehearsal)
    usual = sensitivity.usual_peaks(clean.reset_index(), sensitivity.windows_in_episode(rehearsal), rule.open_after)
    if not len(rehearsal.rows) or not len(usual):
        return {"table": [], "skipped": skipped, "rung_for": {}, "stands_out": {}, "heard": {}}
    scored = bundle.score(rehearsal.rows)
    found = _found(rehearsal, scored, rule, max_gap)
    faulty, quiet = sensitivity.lasting_peaks(rehearsal, scored["score"].to_numpy(), rule.open_after)
    watched = {sensor for feature in bundle.plan.features for sensor in feature.sensors}
    by_sensor = {
        "rung_for": sensitivity.rung_for(rehearsal, found),
        "stands_out": sensitivity.standing_out(rehearsal, faulty, quiet, usual),
    }
    idle = [sensor for sensor in by_sensor["rung_for"] if sensor not in watched]
    return {
        "table": sensitivity.table(rehearsal, found),
        "skipped": [*skipped, *({"sensor": one, "kind": "", "reason": "no feature of it is used"} for one in idle)],
        "heard": _by_episode(rehearsal, sensitivity.heard_by_episode(rehearsal, faulty, usual)),
        **{
            name: {sensor: round(share, 4) for sensor, share in shares.items() if sensor in watched}
            for name, shares in by_sensor.items()
        },
    }


def _by_episode(rehearsal: Rehearsal, heard: Floats | None) -> dict[str, float]:
    """Give each episode a name that tells whether two bundles were asked in the same one."""
    if heard is None:
        return {}
    begun = [(slot.asset_id, pd.Timestamp(slot.start, unit="us"), slot.end - slot.start) for slot in rehearsal.slots]
    names = [f"{asset} {start.isoformat()} for {lasting / 1e6:g} s" for asset, start, lasting in begun]
    return {name: round(float(share), 6) for name, share in zip(names, heard, strict=True)}


def gates_of(tested: Mapping[str, Any]) -> list[Gate]:
    """Read the gates of a self-test back."""
    return [Gate.model_validate(gate) for gate in tested["gates"]]


def _found(rehearsal: Rehearsal, scored: pd.DataFrame, rule: Alarms, max_gap: timedelta) -> Flags:
    """Tell for each fault and episode whether an alarm opens on it, and none in the same episode without it.

    Returns
    -------
    ndarray of bool, shape (n_injections, n_slots)
    """
    count = len(rehearsal.slots)
    episode = (rehearsal.injection - CLEAN) * count + rehearsal.slot
    rang = np.zeros((len(rehearsal.injections) + 1) * count, dtype=bool)
    # A severity that is no number (score and threshold both infinite) is no alarm.
    each = scored.assign(asset_id=episode.astype(str), severity=scored["severity"].fillna(0.0))
    loud = each.loc[each["severity"] > 1, "asset_id"].unique()
    opened = alarms.fold(each[each["asset_id"].isin(loud)], rule, max_gap)
    rang[opened["asset_id"].astype(np.int64).to_numpy()] = True
    by_injection = rang.reshape(-1, count)
    return np.asarray(by_injection[1:] & ~by_injection[0])


_lock = threading.Lock()
_last: list[tuple[TrainingTable, tuple[str, ...], Twins]] = []


def _twins(space: Workspace, readings: Ref, table: TrainingTable) -> Twins:
    """Compute the rows that all candidates of a training run are tested on.

    Candidates train in threads of one process and share the plant's feature plan (one that uses fewer features takes
    its columns from it): the first computes, the others are given it.
    """
    plan = FeaturePlan.of(space.plant)
    key = (readings.digest, plan.hash)
    with _lock:
        if not _last or _last[0][0] is not table or _last[0][1] != key:
            _last[:] = [(table, key, recent_twins(space, plan, _normal(space, plan, table), readings.version))]
        return _last[0][2]


def _normal(space: Workspace, plan: FeaturePlan, table: TrainingTable) -> pd.DataFrame:
    """Return the windows of normal running that no candidate was fitted on."""
    judged = table.features[table.part.isin(["calibrate", "validate"])]
    normal = judged[
        why_masked(plan.reaching(judged), table.faults, guard(space.plant), table.flags, lead=space.plant.lead) == ""
    ]
    return _known_as_normal(normal, table)


def _known_as_normal(normal: pd.DataFrame, table: TrainingTable) -> pd.DataFrame:
    """Leave out what a machine did while an alarm went on that nobody has judged.

    A candidate that rings there is right: taken for clean running, a fault that lasts would have every candidate
    refused. Where nothing else is left, it has to do.
    """
    is_doubtful = normal["asset_id"].isin(table.in_doubt) & (table.part.loc[normal.index] == "validate")
    return normal if is_doubtful.all() else normal[~is_doubtful]


def recent_twins(space: Workspace, plan: FeaturePlan, normal: pd.DataFrame, version: int | None) -> Twins:
    """Compute twins of each asset's newest normal windows from the plant's stored readings.

    Parameters
    ----------
    normal : DataFrame with columns asset_id, window_start, window_end
        Windows of normal running that no candidate was fitted on, by asset and time.
    version : int or None
        Of the table of readings; None for the newest.

    Raises
    ------
    DataError
        If there is none.
    """
    if normal.empty:
        raise DataError(f"{space.plant.name}: there is no normal window to test candidates on")
    newest = _newest(normal)
    rows = space.store.read(
        tables.READINGS,
        version=version,
        start=newest["window_start"].min() - episodes.look_back(plan),
        end=newest["window_end"].max() + plan.needed_after + pd.Timedelta(microseconds=1),
    )
    wide = _normal_readings(space, plan, normal, version)
    return twins_of(plan, _about(rows, newest, plan), newest, space.plant.alarms, wide)


def twins_among(plan: FeaturePlan, readings: pd.DataFrame, normal: pd.DataFrame, rule: Alarms) -> Twins:
    """Compute the same as `recent_twins` from readings that are at hand.

    Parameters
    ----------
    readings : DataFrame
        All readings, of any time.
    normal : DataFrame with columns asset_id, window_start, window_end

    Raises
    ------
    DataError
        If there is no normal window.
    """
    if normal.empty:
        raise DataError("there is no normal window to test candidates on")
    newest = _newest(normal)
    sensors = _sensors_to_measure(plan)
    wide = readings[["asset_id", "timestamp", "regime", *sensors]].merge(
        _wide_ends(normal), on=["asset_id", "timestamp"]
    )
    return twins_of(plan, _about(readings, newest, plan), newest, rule, wide)


def _newest(normal: pd.DataFrame) -> pd.DataFrame:
    """Return the newest normal windows of each asset."""
    each = int(np.clip(ROWS // normal["asset_id"].nunique(), LEAST, MOST))
    return normal.groupby("asset_id").tail(each)


def _about(rows: pd.DataFrame, newest: pd.DataFrame, plan: FeaturePlan) -> pd.DataFrame:
    """Return the readings that the newest windows of each asset, and faults put into them, are computed from."""
    span = newest.groupby("asset_id").agg(start=("window_start", "min"), end=("window_end", "max"))
    own = span.reindex(rows["asset_id"])
    inside = (rows["timestamp"].array >= (own["start"] - episodes.look_back(plan)).array) & (
        rows["timestamp"].array <= (own["end"] + plan.needed_after).array
    )
    return rows[np.asarray(inside, dtype=bool)]


def _normal_readings(space: Workspace, plan: FeaturePlan, normal: pd.DataFrame, version: int | None) -> pd.DataFrame:
    """Read the readings at which normal windows end, the newest of each asset; counters are left out."""
    ends, sensors = _wide_ends(normal), _sensors_to_measure(plan)
    rows = space.store.read(
        tables.READINGS,
        version=version,
        start=ends["timestamp"].min(),
        end=ends["timestamp"].max() + pd.Timedelta(microseconds=1),
        columns=["asset_id", "timestamp", "regime", *sensors],
    )
    return rows.merge(ends, on=["asset_id", "timestamp"])


def _wide_ends(normal: pd.DataFrame) -> pd.DataFrame:
    """Return asset and instant of the readings at which each asset's newest normal windows end."""
    wide = normal.groupby("asset_id").tail(max(WIDE // normal["asset_id"].nunique(), MOST))
    return wide[["asset_id", "window_end"]].rename(columns={"window_end": "timestamp"})


def _sensors_to_measure(plan: FeaturePlan) -> list[str]:
    return [name for name in plan.asset_type.measured if not plan.asset_type.sensors[name].counter]


def twins_of(
    plan: FeaturePlan, readings: pd.DataFrame, normal: pd.DataFrame, rule: Alarms, wide: pd.DataFrame | None = None
) -> Twins:
    """Compute twins of normal windows from their readings and those before them.

    Parameters
    ----------
    readings : DataFrame
        Of the same assets, beginning `episodes.look_back` before the first window.
    normal : DataFrame with columns asset_id, window_start, window_end
    wide : DataFrame with columns asset_id, regime and sensors, optional
        Readings of more normal running: a sensor that rests for hours and then stirs, as it usually does, has no
        smaller usual deviation because it happens to rest just now.
    """
    begin = normal.groupby("asset_id")["window_start"].min()
    counters = [name for name, sensor in plan.asset_type.sensors.items() if sensor.counter]
    since = readings[_is_since(readings, "timestamp", begin - plan.needed_before)]
    usual = _usual(readings[_is_since(readings, "timestamp", begin)], plan, counters)
    if wide is not None:
        usual = _at_least(usual, wide)
    deviations = {name: one.deviation for name, one in usual.items()}
    clean = _only(normal, compute(plan, since))
    stepped = obvious.inject_obvious(since, deviations, _limits(plan), counters=counters)[obvious.ALL]
    difference = _difference(clean, _only(normal, compute(plan, stepped)))
    rehearsal = episodes.rehearse(plan, readings, normal, usual, open_after=rule.open_after)
    return Twins(clean, difference, rehearsal)


def _is_since(rows: pd.DataFrame, column: str, begin: pd.Series) -> NDArray[np.bool_]:
    """Tell which rows lie in the span of their asset's recent normal windows, and not only before it."""
    return np.asarray(rows[column].array >= begin.reindex(rows["asset_id"]).array, dtype=bool)


def _only(normal: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the normal windows, without those that lie between them."""
    wanted = pd.MultiIndex.from_frame(normal[["asset_id", "window_end"]])
    return rows[pd.MultiIndex.from_frame(rows[["asset_id", "window_end"]]).isin(wanted)].reset_index(drop=True)


def _difference(clean: pd.DataFrame, twin: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that differ: a step of one sensor leaves nearly all features of the others alone."""
    return twin[[column for column in twin if not twin[column].equals(clean[column])]]


def _both(clean: pd.DataFrame, stepped: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of the windows that could be scored in both."""
    common = clean.index.intersection(stepped.index)
    return clean.loc[common], stepped.loc[common]


def _relations(bundle: Bundle, rows: pd.DataFrame) -> relations.Relations | None:
    """Measure what the bundle knows of how features move together; None where its detector claims nothing."""
    own = bundle.own_rows(rows)
    own = own[own["usable"]]
    detector = bundle.detectors[POOLED]
    if not detector.learns_relations or detector.in_units:
        return None
    assets = own["asset_id"].to_numpy()
    return relations.relations(
        lambda z: bundle.scores_of(z, assets), bundle.inputs(own), assets, features=bundle.plan.features
    )


def _scored(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    return bundle.score(rows).set_index(["asset_id", "window_end"])


def _usual(readings: pd.DataFrame, plan: FeaturePlan, counters: list[str]) -> dict[str, Usual]:
    """Return what is usual for each sensor; for a counter that of what it counts in an hour.

    The deviation is that of one asset, the median over assets.
    """
    readings = readings.sort_values(["asset_id", "timestamp"])
    steps = readings.groupby("asset_id")[["timestamp", *counters]].diff()
    hours = steps["timestamp"] / pd.Timedelta(hours=1)
    readings = readings.assign(**{name: steps[name] / hours for name in counters})
    by_asset = readings.groupby("asset_id")[list(plan.asset_type.measured)]
    deviations, centres = by_asset.std().median().fillna(0), by_asset.median().median()
    return {str(name): Usual(float(centres[name]), float(value)) for name, value in deviations.items()}


def _at_least(usual: dict[str, Usual], wide: pd.DataFrame) -> dict[str, Usual]:
    """Raise deviations to those of more normal running, within one regime; of one asset, the median over assets."""
    sensors = [name for name in usual if name in wide]
    by_regime = wide.groupby(["asset_id", "regime"])[sensors].var(ddof=0)
    count = wide.groupby(["asset_id", "regime"]).size()
    pooled = by_regime.mul(count, axis=0).groupby("asset_id").sum().div(count.groupby("asset_id").sum(), axis=0)
    longer = np.sqrt(pooled).median()
    return usual | {
        name: Usual(usual[name].centre, max(usual[name].deviation, float(longer[name])))
        for name in sensors
        if np.isfinite(longer[name])
    }


def _limits(plan: FeaturePlan) -> dict[str, obvious.Limits]:
    return {name: (sensor.low, sensor.high) for name, sensor in plan.asset_type.sensors.items()}
