"""What an alarm says: its explanation, the suspected cause, its sensors and its tier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.scoring import diagnosis, explanation
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.diagnosis import Diagnosis
from wheeltapper.scoring.tiers import tier_of


def describe(
    bundle: Bundle,
    name: str,
    folded: pd.DataFrame,
    identifiers: Sequence[str],
    features: pd.DataFrame,
    flags: pd.DataFrame,
    open_after: int,
) -> pd.DataFrame:
    """Return the records of alarms: rows of `tables.ALARMS`.

    Parameters
    ----------
    bundle : Bundle
        The bundle that raised them.
    name : str
        Its hash.
    folded : DataFrame
        The alarms, as `wheeltapper.scoring.alarms.fold` returns them.
    identifiers : sequence of str
        One for each.
    features : DataFrame
        Feature rows with the alarms' windows, and those that led to them.
    flags : DataFrame
        Rows of the table of flags: which sensors repeated themselves, and when.
    open_after : int
        Anomalous windows in a row that opened them.
    """
    diagnoses = diagnosis.name_alarms(bundle, features, folded, open_after=open_after, flags=flags)
    by_asset = diagnosis.usable_windows(features)
    sentences, ranked = [], []
    folded_alarms: list[Any] = list(folded.itertuples())
    for alarm, cause in zip(folded_alarms, diagnoses, strict=True):
        inside = features.iloc[diagnosis.windows_inside(by_asset[alarm.asset_id], alarm)]
        # A start-up inside the alarm may hold its peak; the explanation is about the regime that the machine
        # mostly ran in.
        mostly = alarm._replace(regime=str(inside["regime"].mode().iloc[0]))
        findings = explanation.explain(bundle, inside[inside["regime"] == mostly.regime])
        sentences.append(explanation.sentence(str(mostly.asset_id), mostly, findings, cause, bundle.calibration.rarity))
        ranked.append(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False))
    described = folded.drop(columns=["peak_at", "held_severity"]).assign(
        alarm_id=list(identifiers),
        explanation=sentences,
        sensors=ranked,
        bundle=name,
        tier=_tiers(bundle, folded, diagnoses),
    )
    return tables.ALARMS.check(described)


def _tiers(bundle: Bundle, folded: pd.DataFrame, diagnoses: list[Diagnosis]) -> list[str]:
    severities = folded["peak_severity"].tolist()
    return [tier_of(peak, cause.kind, bundle.asset_type) for peak, cause in zip(severities, diagnoses, strict=True)]


def top_sensors(scores: pd.DataFrame, described: pd.DataFrame) -> pd.Series:
    """Name the leading sensors of each window that lies inside an alarm, as JSON; empty for all others.

    Parameters
    ----------
    scores : DataFrame with columns asset_id, window_end
    described : DataFrame
        Rows of `tables.ALARMS`.
    """
    top = pd.Series("", index=scores.index, dtype="str")
    alarm: Any
    for alarm in described.itertuples():
        leading = [finding["sensor"] for finding in json.loads(alarm.sensors)[: explanation.TOP]]
        inside = (scores["asset_id"] == alarm.asset_id) & scores["window_end"].between(alarm.opened_at, alarm.last_at)
        top[inside] = json.dumps(leading)
    return top
