"""Score every stored window that the live models have not learnt from, and store scores and explained alarms."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from wheeltapper import faultpoints, tables
from wheeltapper.errors import DataError, NoChampionError
from wheeltapper.features.compute import compute
from wheeltapper.features.normalise import UNSEEN
from wheeltapper.names import in_order, listing
from wheeltapper.readings import exclude
from wheeltapper.scoring import alarms, diagnosis, explanation
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.calibration import Calibration
from wheeltapper.scoring.diagnosis import Diagnosis
from wheeltapper.scoring.live_model import live_bundle, stored_rows
from wheeltapper.scoring.tiers import tier_of
from wheeltapper.workspace import OBJECTIVE, Workspace

_log = logging.getLogger("wheeltapper.score")

CHAMPION, CHALLENGER = "champion", "challenger"
ROUNDING = 1e-9
"""Share of a score, or near 0 of a usual spread, by which it may differ and be the same: some detectors add up in
another order when the batch is another."""
MOST_NOTES = 3


class Findings(Protocol):
    """What a check of scores found."""

    @property
    def ok(self) -> bool:
        """Whether they may be stored."""

    @property
    def failures(self) -> Sequence[str]:
        """Each broken promise in words."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should look at."""


class CheckScores(Protocol):
    """Checks scores before they are stored."""

    def __call__(
        self,
        scores: pd.DataFrame,
        *,
        title: str,
        regimes: tuple[str, ...],
        learned_until: Mapping[str, str],
        docs: Path,
    ) -> Findings:
        """Check rows of the table of scores, with ``window_start``; the pages about it are written into ``docs``."""


@dataclass(frozen=True)
class Scored:
    """What a run of scoring did."""

    scored: int
    """Windows that the champion scored."""
    alarms: int
    """Alarms of the champion in these windows."""
    bundle: str
    """The champion's hash."""


def score_windows(space: Workspace, check: CheckScores) -> Scored:
    """Score every window that the live models have not learnt from, and store scores and alarms; once each.

    The challenger scores beside the champion; its windows raise no alarms.

    Raises
    ------
    NoChampionError
        If nothing is live.
    DataError
        If scores break a promise: then they are not stored.
    """
    champion = live_bundle(space)
    if champion is None:
        raise NoChampionError(
            f"{space.plant.name} has no champion: no candidate has passed the gates yet. "
            f"Look at: wheeltapper leaderboard {space.to_type}"
        )
    windows, alarm_count = _score(space, champion, CHAMPION, check)
    rival = space.registry.challenger(space.plant.name, OBJECTIVE)
    if rival is not None:
        folder = space.registry.download(rival)
        challenger = bundles.read(folder, expected=rival.bundle, plug_ins=space.plant.plug_ins)
        _score(space, challenger, CHALLENGER, check)
    _log.info("%s windows scored by %s, %d alarms", f"{windows:,}", champion.detector_name, alarm_count)
    return Scored(windows, alarm_count, bundles.fingerprint(champion))


def _score(space: Workspace, bundle: Bundle, role: str, check: CheckScores) -> tuple[int, int]:
    name = bundles.fingerprint(bundle)
    rows = _features(space, bundle)
    is_new = _is_unlearnt(bundle, rows)
    features = rows[is_new]
    scores = bundle.score(features)
    for line in _caveats(bundle, features):
        _log.info("  note: %s", line)
    folded = alarms.fold(scores, space.plant.alarms, space.plant.max_gap)
    part = pd.Series(np.where(is_new, "", "train"), index=rows.index)
    flags = exclude.informative_flags(rows, part, space.store.read(tables.FLAGS)).flags
    described = _describe(bundle, folded, features, flags, name, space.plant.alarms.open_after)
    digest = space.store.digest(tables.FEATURES)
    stored = scores.drop(columns="window_start").assign(bundle=name, role=role, top_sensors="")
    stored["top_sensors"] = _top_sensors(stored, described)
    _check(space, bundle, stored.assign(window_start=scores["window_start"]), role, check)
    # Readings, roles and rules of alarms may all return to what they were, so the name says what the rows follow.
    after = space.store.version(tables.SCORES)
    vanished = _vanished(space, stored, name)
    for line in rescored(space, stored, name):
        _log.info("  note: %s", line)
    space.store.upsert(tables.SCORES, stored, txn=f"scores:{name}:{role}:{digest}:after {after}", drop=vanished)
    faultpoints.hit("score.after_scores")
    if role == CHAMPION:
        outdated = _outdated_alarms(space, described, name)
        after = space.store.version(tables.ALARMS)
        space.store.upsert(tables.ALARMS, described, txn=f"alarms:{name}:{digest}:after {after}", drop=outdated)
    return len(scores), len(described)


def _check(space: Workspace, bundle: Bundle, stored: pd.DataFrame, role: str, check: CheckScores) -> None:
    """Store nothing that alarms could not be raised by.

    Raises
    ------
    DataError
        If a promise about scores is broken; it is named.
    """
    if stored.empty:
        return  # nothing new since training is no broken promise
    # A bundle may score readings that came before the plant's regimes were changed.
    regimes = dict.fromkeys((*space.plant.asset_type.regimes, *bundle.asset_type.regimes))
    folder = "scores" if role == CHAMPION else f"scores_{role}"
    findings = check(
        stored,
        title=f"{space.plant.name} ({role})",
        regimes=tuple(regimes),
        learned_until=bundle.provenance["learned_until"],
        docs=space.reports / "data_docs" / folder,
    )
    if not findings.ok:
        raise DataError(f"{space.plant.name}: scores of the {role} are not stored. {'; '.join(findings.failures)}")
    for note in findings.notes:
        _log.info("  note: %s", note)


def _caveats(bundle: Bundle, features: pd.DataFrame) -> list[str]:
    """Say of which machines and regimes training knew too little."""
    fallbacks = bundle.normaliser.fallbacks(features[features["usable"]])
    return [*_scaled_by_wider_group(fallbacks), *_new_machines(fallbacks, bundle.calibration)]


def _scaled_by_wider_group(fallbacks: pd.DataFrame) -> list[str]:
    return [
        f"{row.asset_id} in {row.regime} ({row.rows:,} windows) is scaled by its {row.used}: {row.why}"
        for row in fallbacks.sort_values("rows", ascending=False).head(MOST_NOTES).itertuples()
    ]


def _new_machines(fallbacks: pd.DataFrame, calibration: Calibration) -> list[str]:
    """Name the machines that training has never seen and whose thresholds are not trusted yet; nothing if none."""
    unseen = in_order({str(asset) for asset in fallbacks.loc[fallbacks["why"] == UNSEEN, "asset_id"]})
    maturity = {asset: calibration.maturity(asset) for asset in unseen}
    young = [f"{asset} ({word})" for asset, word in maturity.items() if word in ("learning", "provisional")]
    if not young:
        return []
    return [
        f"thresholds not trusted yet: {listing(young)}; {UNSEEN}, so their kind's stands in until the plant is "
        "trained with them"
    ]


def _features(space: Workspace, bundle: Bundle) -> pd.DataFrame:
    """Return rows of the bundle's own plan: the stored ones where they hold them, else computed from the readings."""
    rows = stored_rows(space, bundle, space.store.read(tables.FEATURES))
    return compute(bundle.plan, space.store.read(tables.READINGS)) if rows is None else rows


def _is_unlearnt(bundle: Bundle, rows: pd.DataFrame) -> pd.Series:
    """Tell which rows come after the time that the bundle has learnt from; of an asset that it never saw, all do."""
    learnt = {asset: pd.Timestamp(when) for asset, when in bundle.provenance["learned_until"].items()}
    until = rows["asset_id"].map(learnt)
    return until.isna() | (rows["window_start"] >= until)


def _describe(
    bundle: Bundle, folded: pd.DataFrame, features: pd.DataFrame, flags: pd.DataFrame, name: str, open_after: int
) -> pd.DataFrame:
    """Give each alarm its name, its explanation, what it looks like, and the tier that follows."""
    diagnoses = diagnosis.name_alarms(bundle, features, folded, open_after=open_after, flags=flags)
    by_asset = dict(iter(features[features["usable"]].groupby("asset_id")))
    sentences, ranked = [], []
    folded_alarms: list[Any] = list(folded.itertuples())
    for alarm, looks in zip(folded_alarms, diagnoses, strict=True):
        rows = by_asset[alarm.asset_id]
        inside = rows[(rows["window_end"] >= alarm.opened_at) & (rows["window_end"] <= alarm.last_at)]
        # A start that falls into the alarm may hold its peak; what a person sees is the state that it mostly ran in.
        mostly = alarm._replace(regime=str(inside["regime"].mode().iloc[0]))
        findings = explanation.explain(bundle, inside[inside["regime"] == mostly.regime])
        sentences.append(explanation.sentence(str(mostly.asset_id), mostly, findings, looks, bundle.calibration.rarity))
        ranked.append(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False))
    names = [alarms.alarm_id(row.asset_id, row.opened_at, name) for row in folded_alarms]
    described = folded.drop(columns=["peak_at", "held_severity"]).assign(
        alarm_id=names, explanation=sentences, sensors=ranked, bundle=name, tier=_tiers(bundle, folded, diagnoses)
    )
    return tables.ALARMS.check(described)


def _tiers(bundle: Bundle, folded: pd.DataFrame, diagnoses: list[Diagnosis]) -> list[str]:
    severities = folded["peak_severity"].tolist()
    return [tier_of(peak, looks.kind, bundle.asset_type) for peak, looks in zip(severities, diagnoses, strict=True)]


def _top_sensors(scores: pd.DataFrame, described: pd.DataFrame) -> pd.Series:
    """Name the leading sensors of each window that lies inside an alarm; empty for all others."""
    top = pd.Series("", index=scores.index, dtype="str")
    alarm: Any
    for alarm in described.itertuples():
        leading = [finding["sensor"] for finding in json.loads(alarm.sensors)[: explanation.TOP]]
        inside = (scores["asset_id"] == alarm.asset_id) & scores["window_end"].between(alarm.opened_at, alarm.last_at)
        top[inside] = json.dumps(leading)
    return top


def _vanished(space: Workspace, stored: pd.DataFrame, name: str) -> pd.DataFrame:
    """Find scores of this bundle whose windows are no longer there (their readings were corrected away)."""
    key = list(tables.SCORES.key)
    before = space.store.read(tables.SCORES, columns=key)
    both = before[before["bundle"] == name].merge(stored[key], on=key, how="left", indicator=True)
    return both.loc[both["_merge"] == "left_only", key]


def rescored(space: Workspace, stored: pd.DataFrame, name: str) -> list[str]:
    """Say which windows of a time that was scored before are new or have another score: their readings came late."""
    key = ["asset_id", "window_end"]
    before = space.store.read(tables.SCORES, columns=[*tables.SCORES.key, "score"])
    before = before[before["bundle"] == name]
    if before.empty:
        return []
    both = stored[[*key, "score"]].merge(before[[*key, "score"]], on=key, how="left", suffixes=("", "_before"))
    is_past = both["window_end"] <= both["asset_id"].map(before.groupby("asset_id")["window_end"].max())
    # A window that is new has no score before, and so is close to none; one that was stored always has one.
    is_same = np.isclose(both["score"], both["score_before"], rtol=ROUNDING, atol=ROUNDING)
    late = both[is_past & ~is_same]
    if late.empty:
        return []
    spans = late.groupby("asset_id")["window_end"].agg(["size", "min", "max"])
    lines = [
        f"{count:,} of {asset} between {first.isoformat()} and {last.isoformat()}"
        for asset, count, first, last in spans.head(MOST_NOTES).itertuples()
    ]
    lines += [f"and {len(spans) - MOST_NOTES} more machines"] if len(spans) > MOST_NOTES else []
    return [f"{len(late):,} windows of a time that was scored before are new or have changed: {'; '.join(lines)}"]


def _outdated_alarms(space: Workspace, described: pd.DataFrame, name: str) -> pd.DataFrame:
    """Find stored alarms of this bundle that late or corrected readings have made vanish or move."""
    stored = space.store.read(tables.ALARMS)
    of_bundle = stored[stored["bundle"] == name]
    return of_bundle.loc[~of_bundle["alarm_id"].isin(described["alarm_id"]), ["alarm_id"]]
