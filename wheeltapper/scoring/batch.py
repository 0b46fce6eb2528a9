"""Score every stored window that the live models were not trained on, and store scores and explained alarms."""

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
"""Relative difference (near 0: in usual spreads) up to which two scores are equal: in another batch, some detectors add
up in another order."""
MOST_NOTES = 3


class Findings(Protocol):
    """Result of a check of scores."""

    @property
    def ok(self) -> bool:
        """True if the scores may be stored."""

    @property
    def failures(self) -> Sequence[str]:
        """Each failed expectation as a sentence."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks that a person should look at."""


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
        """Check rows of the table of scores, with ``window_start``; write the report pages into ``docs``."""


@dataclass(frozen=True)
class Scored:
    """Result of one scoring run."""

    scored: int
    """Windows that the champion scored."""
    alarms: int
    """Alarms of the champion in these windows."""
    bundle: str
    """The champion's hash."""


def score_windows(space: Workspace, check: CheckScores) -> Scored:
    """Score every window that the live models were not trained on, and store scores and alarms, once each.

    The challenger scores beside the champion; its windows raise no alarms.

    Raises
    ------
    NoChampionError
        If nothing is live.
    DataError
        If scores fail an expectation; then they are not stored.
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
    # Readings, roles and alarm rules may return to an earlier state, so the transaction names the version before it.
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
    """Check scores before they are stored.

    Raises
    ------
    DataError
        If an expectation on scores fails; the message names it.
    """
    if stored.empty:
        return  # nothing new since training: no failure
    # The plant's regimes may have changed since the bundle was trained.
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
    """Return notes on machines and regimes with too little training data."""
    fallbacks = bundle.normaliser.fallbacks(features[features["usable"]])
    return [*_scaled_by_wider_group(fallbacks), *_new_machines(fallbacks, bundle.calibration)]


def _scaled_by_wider_group(fallbacks: pd.DataFrame) -> list[str]:
    return [
        f"{row.asset_id} in {row.regime} ({row.rows:,} windows) is scaled by its {row.used}: {row.why}"
        for row in fallbacks.sort_values("rows", ascending=False).head(MOST_NOTES).itertuples()
    ]


def _new_machines(fallbacks: pd.DataFrame, calibration: Calibration) -> list[str]:
    """Return a note on machines that are new since training and whose thresholds are not trusted yet."""
    unseen = in_order({str(asset) for asset in fallbacks.loc[fallbacks["why"] == UNSEEN, "asset_id"]})
    maturity = {asset: calibration.maturity(asset) for asset in unseen}
    untrusted = [f"{asset} ({stage})" for asset, stage in maturity.items() if stage in ("learning", "provisional")]
    if not untrusted:
        return []
    return [
        f"thresholds not trusted yet: {listing(untrusted)}; {UNSEEN}, so the threshold of their kind is used until the "
        "plant is trained with them"
    ]


def _features(space: Workspace, bundle: Bundle) -> pd.DataFrame:
    """Return rows of the bundle's plan: stored ones where they have its columns, else computed from the readings."""
    rows = stored_rows(space, bundle, space.store.read(tables.FEATURES))
    return compute(bundle.plan, space.store.read(tables.READINGS)) if rows is None else rows


def _is_unlearnt(bundle: Bundle, rows: pd.DataFrame) -> pd.Series:
    """Return which rows come after the bundle's training time; for an asset that is new to it, all do."""
    learnt = {asset: pd.Timestamp(when) for asset, when in bundle.provenance["learned_until"].items()}
    until = rows["asset_id"].map(learnt)
    return until.isna() | (rows["window_start"] >= until)


def _describe(
    bundle: Bundle, folded: pd.DataFrame, features: pd.DataFrame, flags: pd.DataFrame, name: str, open_after: int
) -> pd.DataFrame:
    """Add to each alarm its identifier, explanation, diagnosis and tier."""
    diagnoses = diagnosis.name_alarms(bundle, features, folded, open_after=open_after, flags=flags)
    by_asset = dict(iter(features[features["usable"]].groupby("asset_id")))
    sentences, ranked = [], []
    folded_alarms: list[Any] = list(folded.itertuples())
    for alarm, looks in zip(folded_alarms, diagnoses, strict=True):
        rows = by_asset[alarm.asset_id]
        inside = rows[(rows["window_end"] >= alarm.opened_at) & (rows["window_end"] <= alarm.last_at)]
        # A start-up inside the alarm may hold its peak; the explanation is about the regime that the machine
        # mostly ran in.
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
    """Find scores of this bundle whose windows no longer exist, because their readings were corrected."""
    key = list(tables.SCORES.key)
    before = space.store.read(tables.SCORES, columns=key)
    matched = before[before["bundle"] == name].merge(stored[key], on=key, how="left", indicator=True)
    return matched.loc[matched["_merge"] == "left_only", key]


def rescored(space: Workspace, stored: pd.DataFrame, name: str) -> list[str]:
    """Return notes on windows within scored time that are new or have a changed score: their readings were late."""
    key = ["asset_id", "window_end"]
    before = space.store.read(tables.SCORES, columns=[*tables.SCORES.key, "score"])
    before = before[before["bundle"] == name]
    if before.empty:
        return []
    matched = stored[[*key, "score"]].merge(before[[*key, "score"]], on=key, how="left", suffixes=("", "_before"))
    is_past = matched["window_end"] <= matched["asset_id"].map(before.groupby("asset_id")["window_end"].max())
    # A new window has no earlier score (NaN), so it is close to none; a stored window always has one.
    is_same = np.isclose(matched["score"], matched["score_before"], rtol=ROUNDING, atol=ROUNDING)
    late = matched[is_past & ~is_same]
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
    """Find stored alarms of this bundle that late or corrected readings removed or moved."""
    stored = space.store.read(tables.ALARMS)
    of_bundle = stored[stored["bundle"] == name]
    return of_bundle.loc[~of_bundle["alarm_id"].isin(described["alarm_id"]), ["alarm_id"]]
