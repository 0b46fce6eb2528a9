"""Summary: what the figures of a report mean, in sentences that somebody can act on."""

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
    "promote": "The new model is better and goes live.",
    "keep": "The live model stays; nothing changes.",
    "challenge": "The new model looks better on paper. It scores in the shadow before it may go live.",
    "refuse": "No model goes live.",
    "retrain": "The live model no longer fits; it is trained anew.",
    "roll back": "The previous model is live again.",
}


def verdict_sentence(verdict: str | None) -> str:
    """Say what a verdict means for the plant."""
    if verdict is None:
        return "Nothing was decided in this run."
    return _VERDICTS.get(verdict, "")


def by_part(leaderboard: Sequence[Row]) -> dict[str, list[Row]]:
    """Group the leaderboard by part, test last, with baselines on top of each and the given order kept otherwise."""
    parts: dict[str, list[Row]] = {}
    for row in leaderboard:
        parts.setdefault(str(row["part"]), []).append(row)
    order = sorted(parts, key=lambda name: (name == "test", name))
    return {name: sorted(parts[name], key=lambda row: not row["is_baseline"]) for name in order}


def choice_sentence(ranked_by: str) -> str:
    """Say what put the candidates of the validation part in their order; nothing of it where nobody said."""
    chosen = "candidates are chosen on it"
    if ranked_by == BY_SELF_TEST:
        return (
            f"{chosen}. No fault is known there, so they are ranked by the self-test: by the share of the faults put "
            "into recent normal readings that they hear."
        )
    if ranked_by == BY_NAME:
        return f"{chosen}. Neither a known fault nor a self-test tells them apart, so they are in order of their names."
    return f"{chosen}, ranked by {ranked_by}." if ranked_by else f"{chosen}."


def own_row(leaderboard: Sequence[Row], candidate: str | None) -> Row | None:
    """Return a candidate's judgement: on the test part where there is one."""
    own = [row for row in leaderboard if candidate is not None and row["candidate"] == candidate]
    return max(own, key=lambda row: row["part"] == "test", default=None)


def notes(rows: Sequence[Row]) -> list[str]:
    """List what limits these judgements, each remark once."""
    return list(dict.fromkeys(str(note) for row in rows for note in row.get("notes", ())))


def finding_sentences(row: Row) -> list[str]:
    """Say how many faults were found, how late, and what chance would have found."""
    if not row["faults"]:
        return [
            f"No fault is known in the {row['part']} part, so nobody can say how many would be found. "
            "Confirm or import faults, and this report will answer it."
        ]
    of = f"{words.count(row['found'])} of {words.things(row['faults'], 'fault')}"
    interval = words.between(row.get("detection_rate_low"), row.get("detection_rate_high"), "percent")
    text = f"{of} in the {row['part']} part were found ({words.percent(row.get('detection_rate'))}"
    sentences = [text + (f"; {words.INTERVAL} {interval})." if interval else ").")]
    if words.is_known(row.get("delay_minutes_median")):
        late = words.minutes(row["delay_minutes_median"])
        interval = words.spans(row.get("delay_minutes_median_low"), row.get("delay_minutes_median_high"))
        sentences.append(f"An alarm typically opened {late} after the fault's start (median{interval}).")
    sentences += lead_sentences(row)
    if words.is_known(row.get("chance_found")):
        sentences.append(f"As many alarms at random moments would find {words.percent(row['chance_found'])}.")
    return sentences


def lead_sentences(row: Row) -> list[str]:
    """Say how many failures were seen coming, and how long before; nothing where none is known to be one."""
    if not row.get("failures"):
        return []
    interval = words.between(row.get("foreseen_rate_low"), row.get("foreseen_rate_high"), "percent")
    text = (
        f"{words.count(row['foreseen'])} of {words.things(row['failures'], 'failure')} had an alarm before "
        f"({words.percent(row.get('foreseen_rate'))}; {words.INTERVAL} {interval})"
    )
    if not words.is_known(row.get("lead_minutes_median")):
        return [f"{text}."]
    lead, least = words.minutes(row["lead_minutes_median"]), words.minutes(row.get("lead_minutes_min"))
    interval = words.spans(row.get("lead_minutes_median_low"), row.get("lead_minutes_median_high"))
    return [f"{text}: typically {lead} before it (median{interval}), {least} at the least."]


def naming_sentences(naming: Row) -> list[str]:
    """Say how often alarms told machine from sensor, and one fault of the machine from another."""
    if not naming["found"]:
        return ["No fault of a known kind was found, so nobody can say whether alarms name faults rightly."]
    right = _share_of(naming, "part_right", "found", "part_share")
    sentences = [
        f"Of {words.things(naming['found'], 'found fault')}, the first alarm told rightly in {right} whether the "
        f"machine or one of its sensors is broken; in {words.count(naming['part_wrong'])} it named the wrong "
        "one of the two, and in the rest neither."
    ]
    if naming["machine_found"]:
        share = _share_of(naming, "machine_kind_right", "machine_found", "machine_kind_share")
        sentences.append(f"Faults of the machine were called by their kind in {share}.")
    if naming["sensor_found"]:
        sentences.append(
            f"Of {words.things(naming['sensor_found'], 'found sensor fault')}, the right sensor was named in "
            f"{words.count(naming['sensor_right'])}, and what it suffers in {words.count(naming['sensor_kind_right'])}."
        )
    return sentences


def _share_of(naming: Row, count: str, of: str, share: str) -> str:
    interval = words.between(naming.get(f"{share}_low"), naming.get(f"{share}_high"), "percent")
    return f"{words.count(naming[count])} of {words.count(naming[of])} ({words.INTERVAL} {interval})"


def budget_sentences(row: Row, budget: float, asset: str) -> list[str]:
    """Say how often it rang for nothing, beside what was promised."""
    rate = row.get("false_alarms_per_asset_week")
    if rate is None or not words.is_known(rate):
        return ["The rate of false alarms could not be judged: too little time was watched."]
    low, high = row.get("false_alarms_per_asset_week_low"), row.get("false_alarms_per_asset_week_high")
    interval = words.between(low, high)
    text = f"{words.rough(rate)} false alarms per {asset} and week"
    text += f" ({words.INTERVAL} {interval})" if interval else ""
    sentences = [f"{text}; you accept {words.number(budget)}. {_kept(rate, low, high, budget)}"]
    weeks = words.number(row.get("asset_weeks"))
    alarms, wrong = words.things(row["alarms"], "alarm"), words.count(row["false_alarms"])
    sentences.append(
        f"Counted: {alarms} in {weeks} asset-weeks of watching, {wrong} of them outside every known fault."
    )
    if not row["faults"]:
        sentences.append("As no fault is known there, every alarm counts as false: the true rate may be lower.")
    return sentences


def _kept(rate: float, low: float | None, high: float | None, budget: float) -> str:
    if low is None or high is None:
        return "That is within the budget." if rate <= budget else "That is above the budget."
    if high <= budget:
        return "The budget is kept, and so is the whole interval."
    if low > budget:
        return "The budget is broken: even the lower end of the interval lies above it."
    if rate <= budget:
        return "The budget is kept, but the time watched is too short to be sure: the interval reaches above it."
    return "That is above the budget, but the time watched is too short to be sure: the interval includes it."


def cost_sentence(row: Row) -> str:
    """Say what faults and alarms cost in one week of one asset."""
    if not words.is_known(row.get("cost_per_asset_week")):
        return "What it costs could not be judged: without known faults, silence would look free."
    interval = words.between(row.get("cost_per_asset_week_low"), row.get("cost_per_asset_week_high"))
    text = f"{words.number(row['cost_per_asset_week'])} {row.get('currency', '')} per asset and week".replace("  ", " ")
    return text + (f" ({words.INTERVAL} {interval})." if interval else ".")


def returns_sentence(row: Row) -> str:
    """Say what following the alarms brought beside what it took, with the formula; empty where nobody can say."""
    cost = row.get("cost")
    if not cost or not words.is_known(cost.get("roi")):
        return ""
    currency = row.get("currency", "")
    return (
        f"Unwatched, the same faults would have cost {words.number(cost['without_detector'])} {currency}; with it all "
        f"cost {words.number(cost['total'])}. ROI: {words.number(cost['net_saving'])} saved / "
        f"{words.number(cost['spent'])} spent on repairs and false alarms = {words.number(cost['roi'])}."
    )


def maturity_sentence(maturity: Mapping[str, str]) -> str:
    """Say what the words mean that tell how far a threshold is a machine's own; empty where there are none."""
    if not maturity:
        return ""
    text = (
        "A machine's threshold is learning until its own normal running in the calibrate part is as long as one "
        f"accepted alarm takes, provisional until it is as long as {TRUSTED_FROM:g} take, and trusted from then on; "
        "the younger it is, the more its kind's stands behind it."
    )
    return text + (" Fixed is that of a detector which has decided for itself." if "fixed" in maturity.values() else "")


def machines(scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame, assets: Sequence[str]) -> list[Row]:
    """Return one line for each asset: what was scored, what was true then, what rang; all scored parts together.

    An alarm belongs to a fault if it opened between the fault's start and end.
    """
    own_scores = {str(name): group for name, group in scores.groupby("asset_id", sort=False)}
    own_faults = {str(name): group for name, group in faults.groupby("asset_id", sort=False)}
    own_alarms = {str(name): group for name, group in alarms.groupby("asset_id", sort=False)}
    return [
        _machine(
            asset,
            own_scores.get(asset, scores.iloc[:0]),
            own_faults.get(asset, faults.iloc[:0]),
            own_alarms.get(asset, alarms.iloc[:0]),
        )
        for asset in assets
    ]


def watched(faults: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the faults of an asset that reach into the time that was scored: what was learnt from rings nowhere."""
    if scores.empty:
        return faults
    is_watched = (faults["end"] >= scores["window_end"].min()) & (faults["start"] <= scores["window_end"].max())
    own: pd.DataFrame = faults[is_watched]
    return own


def _machine(asset: str, scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame) -> Row:
    faults = watched(faults, scores)
    opened = np.sort(microseconds(alarms["opened_at"]))
    starts, ends = microseconds(faults["start"]), microseconds(faults["end"])
    first = np.searchsorted(opened, starts, "left")
    heard = np.append(opened, np.iinfo(np.int64).max)[first] <= ends
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
        "heard": int(heard.sum()),
        "alarms": len(alarms),
        "outside": len(alarms) - sum(inside),
        "first_delay": float(opened[first[heard]][0] - starts[heard][0]) / 6e7 if heard.any() else None,
    }


def sensors(readings: pd.DataFrame, named: Mapping[str, Any]) -> list[Row]:
    """Return one line for each sensor: its unit and limits, and what came."""
    rows: list[Row] = []
    for name, sensor in named.items():
        known = readings[name].dropna() if name in readings else pd.Series(dtype="float64")
        row: dict[str, Any] = {
            "sensor": name,
            "unit": "" if sensor.unit == "1" else sensor.unit,
            "limits": sensor.limits(),
        }
        row |= {"missing": 1 - len(known) / len(readings) if len(readings) else None}
        for what in ("min", "median", "max"):
            row[what] = float(getattr(known, what)()) if len(known) else None
        rows.append(row)
    return rows
