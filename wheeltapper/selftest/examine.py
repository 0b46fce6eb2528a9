"""Examine one bundle: find out which injected faults it finds, and check the gates of the self-test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from wheeltapper.config import Alarms
from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.ranking import chance_above
from wheeltapper.scoring import alarms
from wheeltapper.scoring.bundle import POOLED, Bundle
from wheeltapper.selftest import gates, relations, sensitivity
from wheeltapper.selftest.episodes import CLEAN, Rehearsal
from wheeltapper.selftest.twins import Twins

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class SelfTest(BaseModel):
    """Results of the self-test of one bundle, as stored with the candidate's run."""

    model_config = ConfigDict(frozen=True)

    gates: tuple[Gate, ...]
    mean: float = Field(
        description="mean share of moderate faults that stand out, 0 to 1; ranks candidates where no faults are known"
    )
    table: list[dict[str, Any]] = Field(
        default_factory=list, description="one line for each sensor and kind of fault, see `sensitivity.table`"
    )
    skipped: list[dict[str, str]] = Field(
        default_factory=list, description="sensors and kinds that could not be tested, with the reason"
    )
    rung_for: dict[str, float] = Field(
        default_factory=dict, description="sensor → share of episodes in which its clearest fault opens an alarm"
    )
    stands_out: dict[str, float] = Field(
        default_factory=dict, description="sensor → chance that its clearest fault scores above clean running"
    )
    heard: dict[str, float] = Field(
        default_factory=dict, description="episode → share of its moderate faults that stand out"
    )

    @property
    def failed_gates(self) -> tuple[Gate, ...]:
        """Failed gates that stop the bundle from going live."""
        return tuple(gate for gate in self.gates if gate.blocks and gate.passed is False)

    def metrics(self) -> dict[str, float]:
        """Return the figures for MLflow: the mean, and two figures for each sensor."""
        by_sensor = {"rung_for": self.rung_for, "stands_out": self.stands_out}
        return {"self_test.mean": self.mean} | {
            f"self_test.{figure}.{sensor}": share
            for figure, shares in by_sensor.items()
            for sensor, share in shares.items()
        }


def examine(bundle: Bundle, twins: Twins, rule: Alarms, max_gap: timedelta) -> SelfTest:
    """Score the twins, check the gates, and determine the smallest fault of each sensor and kind that the bundle finds.

    Where no fault could be rehearsed, the chance that the obvious step scores above clean running replaces the mean.
    """
    clean, stepped = _scored_in_both(_scored(bundle, twins.clean), _scored(bundle, twins.obvious()))
    anomalous = [scores["severity"].fillna(0.0) > 1 for scores in (clean, stepped)]
    figures = _find_faults(bundle, twins.rehearsal, clean, rule, max_gap)
    untested = {line["sensor"]: line["reason"] for line in figures["skipped"] if not line["kind"]}
    gated = (
        gates.is_not_inverted(clean["score"], stepped["score"]),
        gates.threshold_is_reachable(stepped["threshold"], stepped["score"]),
        gates.is_not_random(clean["score"], stepped["score"], *anomalous),
        gates.is_not_blind(figures["stands_out"], untested),
        gates.opens_alarm_for_each_sensor(figures["rung_for"]),
        gates.finds_small_faults(figures["table"]),
        relations.has_learnt(_relations(bundle, twins.clean)),
    )
    fallback = chance_above(clean["score"].to_numpy(), stepped["score"].to_numpy())
    mean = float(np.mean([*figures["heard"].values()])) if figures["heard"] else fallback
    return SelfTest(gates=gated, mean=round(mean, 4), **figures)


def share_found(bundle: Bundle, twins: Twins, rule: Alarms) -> float:
    """Return the ``mean`` of `examine` alone, unrounded; it compares many bundles on the same twins."""
    clean = _scored(bundle, twins.clean)
    lasting = sensitivity.windows_in_episode(twins.rehearsal)
    clean_peaks = sensitivity.clean_peaks_of(clean.reset_index(), lasting, rule.open_after)
    if len(twins.rehearsal.rows) and len(clean_peaks):
        scores = bundle.score(twins.rehearsal.rows)["score"].to_numpy()
        peaks = sensitivity.lasting_peaks(twins.rehearsal, scores, rule.open_after)[0]
        share = sensitivity.figure(twins.rehearsal, peaks, clean_peaks)
        if share is not None:
            return share
    clean, stepped = _scored_in_both(clean, _scored(bundle, twins.obvious()))
    return chance_above(clean["score"].to_numpy(), stepped["score"].to_numpy())


def _find_faults(
    bundle: Bundle, rehearsal: Rehearsal, clean: pd.DataFrame, rule: Alarms, max_gap: timedelta
) -> dict[str, Any]:
    """Score every rehearsed fault; return the fields of `SelfTest` on the faults found."""
    skipped = sensitivity.skipped(rehearsal)
    windows = sensitivity.windows_in_episode(rehearsal)
    clean_peaks = sensitivity.clean_peaks_of(clean.reset_index(), windows, rule.open_after)
    if not len(rehearsal.rows) or not len(clean_peaks):
        return {"table": [], "skipped": skipped, "rung_for": {}, "stands_out": {}, "heard": {}}
    scores = bundle.score(rehearsal.rows)
    opens = _opens_alarm(rehearsal, scores, rule, max_gap)
    faulty, episode_peaks = sensitivity.lasting_peaks(rehearsal, scores["score"].to_numpy(), rule.open_after)
    used = {sensor for feature in bundle.plan.features for sensor in feature.sensors}
    by_sensor = {
        "rung_for": sensitivity.alarm_share(rehearsal, opens),
        "stands_out": sensitivity.chance_above_clean(rehearsal, faulty, episode_peaks, clean_peaks),
    }
    unused = [sensor for sensor in by_sensor["rung_for"] if sensor not in used]
    return {
        "table": sensitivity.table(rehearsal, opens),
        "skipped": [*skipped, *({"sensor": name, "kind": "", "reason": "no feature of it is used"} for name in unused)],
        "heard": _by_episode(rehearsal, sensitivity.found_by_episode(rehearsal, faulty, clean_peaks)),
        **{
            figure: {sensor: round(share, 4) for sensor, share in shares.items() if sensor in used}
            for figure, shares in by_sensor.items()
        },
    }


def _by_episode(rehearsal: Rehearsal, shares: Floats | None) -> dict[str, float]:
    """Name each episode by asset, start and length, so that two bundles are compared on the same episodes."""
    if shares is None:
        return {}
    spans = [(slot.asset_id, pd.Timestamp(slot.start, unit="us"), slot.end - slot.start) for slot in rehearsal.slots]
    names = [f"{asset} {start.isoformat()} for {lasting / 1e6:g} s" for asset, start, lasting in spans]
    return {name: round(float(share), 6) for name, share in zip(names, shares, strict=True)}


def _opens_alarm(rehearsal: Rehearsal, scores: pd.DataFrame, rule: Alarms, max_gap: timedelta) -> Flags:
    """Return for each fault and episode whether an alarm opens with the fault and none without it.

    Returns
    -------
    ndarray of bool, shape (n_injections, n_slots)
    """
    count = len(rehearsal.slots)
    episode = (rehearsal.injection - CLEAN) * count + rehearsal.slot
    opened = np.zeros((len(rehearsal.injections) + 1) * count, dtype=bool)
    # A severity that is not a number (score and threshold both infinite) opens no alarm.
    by_episode = scores.assign(asset_id=episode.astype(str), severity=scores["severity"].fillna(0.0))
    anomalous = by_episode.loc[by_episode["severity"] > 1, "asset_id"].unique()
    folded = alarms.fold(by_episode[by_episode["asset_id"].isin(anomalous)], rule, max_gap)
    opened[folded["asset_id"].astype(np.int64).to_numpy()] = True
    by_injection = opened.reshape(-1, count)
    return np.asarray(by_injection[1:] & ~by_injection[0])


def _scored_in_both(clean: pd.DataFrame, stepped: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of the windows that could be scored in both."""
    common = clean.index.intersection(stepped.index)
    return clean.loc[common], stepped.loc[common]


def _relations(bundle: Bundle, rows: pd.DataFrame) -> relations.Relations | None:
    """Measure how well the bundle learnt relations between features; None where its detector does not learn any."""
    usable = bundle.rows_of_plan(rows)
    usable = usable[usable["usable"]]
    detector = bundle.detectors[POOLED]
    if not detector.learns_relations or detector.in_units:
        return None
    assets = usable["asset_id"].to_numpy()
    return relations.relations(
        lambda z: bundle.scores_of(z, assets), bundle.inputs(usable), assets, features=bundle.plan.features
    )


def _scored(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    return bundle.score(rows).set_index(["asset_id", "window_end"])
