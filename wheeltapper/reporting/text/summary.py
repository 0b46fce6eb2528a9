"""Summary: the figures of a report in sentences, and as rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.evaluation.leaderboard import BY_NAME, BY_SELF_TEST
from wheeltapper.reporting.text import words
from wheeltapper.scoring.calibration import TRUSTED_FROM
from wheeltapper.tables import microseconds

Row = Mapping[str, Any]

_VERDICTS = {
    "promote": "The new model is better, so it goes live.",
    "keep": "The live model stays; nothing changes.",
    "challenge": "The new model looks better, but this is not certain yet. It scores beside the live model, without "
    "raising alarms, until this is known.",
    "refuse": "No model goes live.",
    "retrain": "The live model no longer fits the data; a new one is trained.",
    "roll back": "The previous model is live again.",
}


def verdict_sentence(verdict: str | None) -> str:
    """Say what a verdict means for the plant."""
    if verdict is None:
        return "This run made no decision."
    return _VERDICTS.get(verdict, "")


def by_part(leaderboard: Sequence[Row]) -> dict[str, list[Row]]:
    """Group the leaderboard by part, test last, with baselines on top of each and the given order kept otherwise."""
    parts: dict[str, list[Row]] = {}
    for row in leaderboard:
        parts.setdefault(str(row["part"]), []).append(row)
    order = sorted(parts, key=lambda name: (name == "test", name))
    return {name: sorted(parts[name], key=lambda row: not row["is_baseline"]) for name in order}


def choice_sentence(ranked_by: str) -> str:
    """Say what ranked the candidates on the validation part; without a known ranking only what the part is for."""
    purpose = "candidates are compared and chosen on it"
    if ranked_by == BY_SELF_TEST:
        return (
            f"{purpose}. No fault is known there, so they are ranked by the self-test: by the share of faults that "
            "they find when faults are injected into recent normal readings."
        )
    if ranked_by == BY_NAME:
        return (
            f"{purpose}. Neither a known fault nor a self-test can compare them, so they are listed in order of their "
            "names."
        )
    return f"{purpose}, ranked by {ranked_by}." if ranked_by else f"{purpose}."


def row_of(leaderboard: Sequence[Row], candidate: str | None) -> Row | None:
    """Return a candidate's judgement: on the test part where there is one."""
    rows = [row for row in leaderboard if candidate is not None and row["candidate"] == candidate]
    return max(rows, key=lambda row: row["part"] == "test", default=None)


def notes(rows: Sequence[Row]) -> list[str]:
    """List what limits these judgements, each remark once."""
    return list(dict.fromkeys(str(note) for row in rows for note in row.get("notes", ())))


def finding_sentences(row: Row) -> list[str]:
    """Say how many faults were found, how late, and how many alarms at random times would have found."""
    if not row["faults"]:
        return [
            f"No fault is known in the {row['part']} part, so the share of faults found cannot be measured. "
            "Confirm alarms as faults, or import known faults; the next report will then show it."
        ]
    count = f"{words.count(row['found'])} of {words.things(row['faults'], 'fault')}"
    interval = words.between(row.get("detection_rate_low"), row.get("detection_rate_high"), "percent")
    text = f"Found in the {row['part']} part: {count} ({words.percent(row.get('detection_rate'))}"
    sentences = [text + (f"; {words.INTERVAL} {interval})." if interval else ").")]
    if words.is_known(row.get("delay_minutes_median")):
        delay = words.minutes(row["delay_minutes_median"])
        interval = words.spans(row.get("delay_minutes_median_low"), row.get("delay_minutes_median_high"))
        sentences.append(f"An alarm typically opened {delay} after the start of the fault (median{interval}).")
    sentences += lead_sentences(row)
    if words.is_known(row.get("chance_found")):
        share = words.percent(row["chance_found"])
        sentences.append(f"The same number of alarms at random times would find {share} of the faults.")
    return sentences


def lead_sentences(row: Row) -> list[str]:
    """Say how many failures had an alarm before them, and how long before; empty where no failure is known."""
    if not row.get("failures"):
        return []
    interval = words.between(row.get("foreseen_rate_low"), row.get("foreseen_rate_high"), "percent")
    text = (
        f"An alarm opened before {words.count(row['foreseen'])} of {words.things(row['failures'], 'failure')} "
        f"({words.percent(row.get('foreseen_rate'))}; {words.INTERVAL} {interval})"
    )
    if not words.is_known(row.get("lead_minutes_median")):
        return [f"{text}."]
    median, shortest = words.minutes(row["lead_minutes_median"]), words.minutes(row.get("lead_minutes_min"))
    interval = words.spans(row.get("lead_minutes_median_low"), row.get("lead_minutes_median_high"))
    return [
        f"{text}. It typically opened {median} before the failure (median{interval}); the shortest time was {shortest}."
    ]


def naming_sentences(naming: Row) -> list[str]:
    """Say how often alarms named the right part (machine or sensor), and the right kind of fault."""
    if not naming["found"]:
        return ["No fault of a known kind was found, so it is unknown whether alarms name faults correctly."]
    right = _share_of(naming, "part_right", "found", "part_share")
    sentences = [
        f"Found faults of a known kind: {words.count(naming['found'])}. The first alarm named the right part, the "
        f"machine or one of its sensors, in {right}. It named the wrong part in {words.count(naming['part_wrong'])}, "
        "and no part in the others."
    ]
    if naming["machine_found"]:
        share = _share_of(naming, "machine_kind_right", "machine_found", "machine_kind_share")
        sentences.append(f"For faults of the machine, the alarm named the right kind in {share}.")
    if naming["sensor_found"]:
        sentences.append(
            f"Found sensor faults: {words.count(naming['sensor_found'])}. The alarm named the right sensor in "
            f"{words.count(naming['sensor_right'])}, and the right kind of sensor fault in "
            f"{words.count(naming['sensor_kind_right'])}."
        )
    return sentences


def _share_of(naming: Row, count: str, of: str, share: str) -> str:
    interval = words.between(naming.get(f"{share}_low"), naming.get(f"{share}_high"), "percent")
    return f"{words.count(naming[count])} of {words.count(naming[of])} ({words.INTERVAL} {interval})"


def budget_sentences(row: Row, budget: float, asset: str) -> list[str]:
    """Say how many false alarms there were, beside how many the operator accepts."""
    rate = row.get("false_alarms_per_asset_week")
    if rate is None or not words.is_known(rate):
        return ["The rate of false alarms could not be judged: the scored time is too short."]
    low, high = row.get("false_alarms_per_asset_week_low"), row.get("false_alarms_per_asset_week_high")
    interval = words.between(low, high)
    text = f"{words.rough(rate)} false alarms per {asset} and week"
    text += f" ({words.INTERVAL} {interval})" if interval else ""
    sentences = [f"{text}; you accept {words.number(budget)}. {_kept(rate, low, high, budget)}"]
    weeks = words.number(row.get("asset_weeks"))
    alarms, wrong = words.things(row["alarms"], "alarm"), words.count(row["false_alarms"])
    sentences.append(f"Counted: {alarms} in {weeks} asset-weeks; {wrong} of them opened outside every known fault.")
    if not row["faults"]:
        sentences.append("No fault is known there, so every alarm counts as false: the true rate may be lower.")
    return sentences


def _kept(rate: float, low: float | None, high: float | None, budget: float) -> str:
    """Say whether the budget is kept, and how certain that is."""
    if low is None or high is None:
        return "That is within the budget." if rate <= budget else "That is above the budget."
    if high <= budget:
        return "The budget is kept: the whole interval lies within it."
    if low > budget:
        return "The budget is exceeded: even the lower end of the interval lies above it."
    if rate <= budget:
        return "The budget is kept, but this is not certain: the upper end of the interval lies above it."
    return "That is above the budget, but this is not certain: the budget lies within the interval."


def cost_sentence(row: Row) -> str:
    """Say what faults and alarms cost in one week of one asset."""
    if not words.is_known(row.get("cost_per_asset_week")):
        return "The cost could not be judged: without known faults, a model without alarms would cost nothing."
    interval = words.between(row.get("cost_per_asset_week_low"), row.get("cost_per_asset_week_high"))
    text = f"{words.number(row['cost_per_asset_week'])} {row.get('currency', '')} per asset and week".replace("  ", " ")
    return text + (f" ({words.INTERVAL} {interval})." if interval else ".")


def returns_sentence(row: Row) -> str:
    """Say what acting on the alarms saves and what it costs, with the formula; empty where that is unknown."""
    cost = row.get("cost")
    if not cost or not words.is_known(cost.get("roi")):
        return ""
    currency = row.get("currency", "")
    return (
        f"Without a model, the same faults would have cost {words.number(cost['without_detector'])} {currency}; with "
        f"it, everything costs {words.number(cost['total'])} {currency}. "
        f"ROI: {words.number(cost['net_saving'])} saved / "
        f"{words.number(cost['spent'])} spent on repairs and false alarms = {words.number(cost['roi'])}."
    )


def maturity_sentence(maturity: Mapping[str, str]) -> str:
    """Explain learning, provisional, trusted and fixed; empty where the report does not use them."""
    if not maturity:
        return ""
    text = (
        "A threshold is based on a machine's own normal running in the calibrate part. It is learning while that time "
        "is shorter than the time in which one false alarm is accepted, provisional while it is shorter than "
        f"{TRUSTED_FROM:g} times that, and trusted from then on. Until it is trusted, normal running of the other "
        "machines counts as well."
    )
    return text + (" Fixed: the detector sets its own threshold." if "fixed" in maturity.values() else "")


def machines(scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame, assets: Sequence[str]) -> list[Row]:
    """Return one line for each asset: windows scored, true faults and alarms; all scored parts together.

    An alarm belongs to a fault if it opened between the fault's start and end.
    """
    scores_of, faults_of, alarms_of = (
        {str(name): rows for name, rows in frame.groupby("asset_id", sort=False)} for frame in (scores, faults, alarms)
    )
    return [
        _machine(
            asset,
            scores_of.get(asset, scores.iloc[:0]),
            faults_of.get(asset, faults.iloc[:0]),
            alarms_of.get(asset, alarms.iloc[:0]),
        )
        for asset in assets
    ]


def watched(faults: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the faults of an asset that reach into the time that was scored; none before it can have an alarm."""
    if scores.empty:
        return faults
    is_watched = (faults["end"] >= scores["window_end"].min()) & (faults["start"] <= scores["window_end"].max())
    rows: pd.DataFrame = faults[is_watched]
    return rows


def _machine(asset: str, scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame) -> Row:
    faults = watched(faults, scores)
    opened = np.sort(microseconds(alarms["opened_at"]))
    starts, ends = microseconds(faults["start"]), microseconds(faults["end"])
    first = np.searchsorted(opened, starts, "left")
    has_alarm = np.append(opened, np.iinfo(np.int64).max)[first] <= ends
    inside = [bool(((starts <= at) & (at <= ends)).any()) for at in opened]
    thresholds = scores["threshold"]
    return {
        "asset": asset,
        "windows": len(scores),
        "anomalous": float((scores["severity"] > 1).mean()) if len(scores) else None,
        "threshold_low": float(thresholds.min()) if len(scores) else None,
        "threshold_high": float(thresholds.max()) if len(scores) else None,
        "peak": float(scores["severity"].max()) if len(scores) else None,
        "faults": len(faults),
        "kinds": sorted({words.spaced(kind) for kind in faults["kind"]}),
        "with_alarm": int(has_alarm.sum()),
        "alarms": len(alarms),
        "outside": len(alarms) - sum(inside),
        "first_delay": float(opened[first[has_alarm]][0] - starts[has_alarm][0]) / 6e7 if has_alarm.any() else None,
    }


def sensors(readings: pd.DataFrame, described: Mapping[str, Any]) -> list[Row]:
    """Return one line for each sensor: its unit, its limits, and the values that were read.

    Parameters
    ----------
    readings : DataFrame like `tables.READINGS`
    described : mapping of name → `config.Sensor`
    """
    rows: list[Row] = []
    for name, sensor in described.items():
        values = readings[name].dropna() if name in readings else pd.Series(dtype="float64")
        row: dict[str, Any] = {
            "sensor": name,
            "unit": "" if sensor.unit == "1" else sensor.unit,
            "limits": sensor.limits(),
        }
        row |= {"missing": 1 - len(values) / len(readings) if len(readings) else None}
        for measure in ("min", "median", "max"):
            row[measure] = float(getattr(values, measure)()) if len(values) else None
        rows.append(row)
    return rows
