"""Ablation: what each variant of a study reaches, as mean ± standard deviation over its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper.cli.printing.cells import NOT_JUDGED, number

Spread = tuple[float | None, float | None]
"""Mean and standard deviation; None where they could not be judged."""


def show_ablation(out: Console, result: Mapping[str, Any]) -> None:
    """Show every variant, study by study."""
    seeds = ", ".join(str(seed) for seed in result["seeds"])
    detector = f"Detector {escape(result['detector'])}" if result["detector"] else "Every baseline and candidate"
    out.print(f"{detector}, seeds {seeds}. Judged on everything after the calibrate part.\n")
    for study, variants in result["studies"].items():
        out.print(_table(study, variants, len(result["seeds"])))
        out.print()
    out.print(f"All trials: {escape(result['path'])}")


def _table(study: str, variants: list[dict[str, Any]], seeds: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column(f"[bold]{study}[/]", no_wrap=True)
    is_compared = any("beats_baselines" in variant for variant in variants)
    headers = ("found", "VUS-PR (random)", "false alarms/week", "delay min", "cost/asset-week")
    for header in (*headers, *(["beats baselines"] if is_compared else [])):
        table.add_column(header, justify="right", no_wrap=True)
    for variant in variants:
        wins = [_wins(variant, seeds)] if is_compared else []
        style = "dim" if variant.get("is_baseline") else ""
        table.add_row(escape(variant["variant"]), *_figures(variant), *wins, style=style)
    return table


def _figures(variant: Mapping[str, Any]) -> list[str]:
    random = number(variant["vus_pr_random"][0], "{:.2f}")
    return [
        f"{variant['found']} of {variant['faults']}{_share(variant['found_share'])}",
        f"{_spread(variant['vus_pr'], '.3f')} ({random})",
        _spread(variant["false_alarms_per_week"], ".2f"),
        _spread(variant["delay_minutes"], ".1f"),
        _spread(variant["cost_per_asset_week"], ",.0f"),
    ]


def _share(spread: Spread) -> str:
    mean, deviation = spread
    return "" if mean is None or deviation is None else f" ({100 * mean:.0f} ± {100 * deviation:.0f} %)"


def _wins(variant: Mapping[str, Any], seeds: int) -> str:
    if variant["is_baseline"]:
        return ""
    wins = variant["beats_baselines"]
    return NOT_JUDGED if wins is None else f"{wins} of {seeds} seeds"


def _spread(spread: Spread, form: str) -> str:
    mean, deviation = spread
    if mean is None:
        return NOT_JUDGED
    return f"{mean:{form}}" if deviation is None else f"{mean:{form}} ± {deviation:{form}}"
