"""Cells: the figures of a candidate, each as the text of one cell in a table of the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
"""One candidate on the leaderboard: a judgement as JSON."""

NOT_JUDGED = "–"


def number(value: float | None, form: str) -> str:
    """Write a figure in a format such as ``{:.2f}``; a dash where it could not be judged."""
    return NOT_JUDGED if value is None else form.format(value)


def faults_found(row: Row) -> str:
    """Write how many of the known faults were found."""
    return f"{row['found']} of {row['faults']}" if row["faults"] else NOT_JUDGED


def delay(row: Row) -> str:
    """Write the median time from the start of a fault to its alarm."""
    minutes = row["delay_minutes_median"]
    if minutes is None:
        return NOT_JUDGED
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes * 60:.0f} s"


def false_alarms(row: Row) -> str:
    """Write the false alarms per asset and week with their 95 % interval."""
    rate, low, high = (row[f"false_alarms_per_asset_week{end}"] for end in ("", "_low", "_high"))
    if rate is None:
        return NOT_JUDGED
    form = "{:.0f}" if high >= 100 else "{:.1f}"
    return f"{form.format(rate)} ({form.format(low)}–{form.format(high)})"


def cost(row: Row) -> str:
    """Write what faults and alarms cost per asset and week."""
    return number(row["cost_per_asset_week"], "{:,.0f} " + row["currency"])


def ranking_quality(row: Row) -> str:
    """Write VUS-PR, and in brackets what a random score would reach."""
    if row["vus_pr"] is None:
        return NOT_JUDGED
    return f"{row['vus_pr']:.2f} ({number(row['vus_pr_random'], '{:.2f}')})"


def self_test_share(row: Row) -> str:
    """Write the share of the self-test's faults that the candidate finds."""
    return number(row.get("self_test"), "{:.0%}")


def figure(name: str, row: Row) -> str:
    """Write one figure of an objective with its own kind of judgement, to four digits."""
    return number(row.get(name), "{:.4g}")
