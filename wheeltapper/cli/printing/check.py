"""Check: what is in a source, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper.cli.printing.cells import number
from wheeltapper.cli.printing.suggestion import show_suggestion
from wheeltapper.config import Settings
from wheeltapper.readings.order import in_words
from wheeltapper.sources._files import natural

Survey = Mapping[str, Any]
"""What `readings.survey` returns."""

MOST_ASSETS = 12
"""Assets that are listed; ``--json`` lists all."""


def show_check(out: Console, survey: Survey, plant: str) -> None:
    """Show what is in a source, or why it cannot be read; ``plant`` is what the user called it."""
    if "problem" in survey:
        out.print(f"[bold red]{escape(survey['plant'])}[/]: {escape(survey['problem'])}")
        show_suggestion(out, survey["suggestion"])
        return
    _show_span(out, survey)
    _show_rejected(out, survey)
    _show_sensors(out, survey)
    _show_assets(out, survey["by_asset"])
    for caveat in survey["caveats"]:
        out.print(f"[yellow]{escape(caveat)}[/]")
    for suspicion in survey["suspicions"]:
        out.print(f"[yellow]suspected {suspicion['kind'].replace('_', ' ')}[/]  {escape(suspicion['said'])}")
    if survey.get("suggestion"):
        show_suggestion(out, survey["suggestion"])
    out.print(f"[dim]Nothing was written. Next: wheeltapper run {escape(plant)} (writes to {Settings().home})[/]")


def _show_span(out: Console, survey: Survey) -> None:
    """Show from which assets readings come, from when to when, and how often."""
    assets = survey["assets"]
    whose = f"asset {assets[0]}" if len(assets) == 1 else f"{len(assets)} assets"
    span = f", {survey['first']} to {survey['last']}" if survey["rows"] else ""
    out.print(f"[bold]{escape(survey['plant'])}[/]: {survey['rows']:,} readings of {escape(whose)}{span}")
    out.print(_step(survey))
    if survey["steps_back"]:
        out.print(f"steps back in time: {survey['steps_back']:,}")
    if survey["faults"]:
        out.print(f"{survey['faults']:,} known faults")
    else:
        out.print("no known faults: real alarms cannot be judged; only the self-test can judge a model")


def _step(survey: Survey) -> str:
    """Describe the usual time between two readings, and the gaps."""
    step, count = survey["step_seconds"], survey["gap_count"]
    if not step:
        return "no asset has two readings in a row"
    gaps = f"{count:,} gap{'s' * (count > 1)}" if count else "no gaps"
    if survey["gaps"]:
        longest = survey["gaps"][0]
        asset = f" ({escape(longest['asset_id'])})" if len(survey["assets"]) > 1 else ""
        gaps += f"; the longest lasts {_duration(longest['seconds'])}, until {longest['until']}{asset}"
    return f"usual step {_duration(step)}, {gaps}"


def _duration(seconds: float) -> str:
    return in_words(pd.Timedelta(seconds=seconds))


def _show_rejected(out: Console, survey: Survey) -> None:
    """Show how many rows would be put aside, and why."""
    total = sum(survey["rejected"].values())
    out.print(f"{total:,} rows would go to quarantine" if total else "no row would go to quarantine")
    for promise, count in sorted(survey["rejected"].items(), key=lambda item: -item[1]):
        out.print(f"  {count:,} × {promise.replace('_', ' ')}, for example: {escape(survey['reasons'][promise])}")
    outside = sum(sensor["outside"] for sensor in survey["sensors"].values())
    if outside:
        out.print(f"  and the rows of {outside:,} values outside their sensor's limits")
    for note, count in survey["notes"].items():
        out.print(f"  {count:,} × {escape(note)}")


def _show_sensors(out: Console, survey: Survey) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("sensor")
    for header in ("unit", "missing", "min", "mean", "max", "std", "outliers", "outside limits"):
        table.add_column(header, justify="right")
    for name, sensor in survey["sensors"].items():
        figures = [number(sensor[key], "{:.4g}") for key in ("min", "mean", "max", "std")]
        counts = [f"{sensor[key]:,}" for key in ("outliers", "outside")]
        table.add_row(name, sensor["unit"], f"{sensor['missing']:,}", *figures, *counts)
    out.print(table)
    if survey["every"] > 1:
        out.print(f"[dim]mean, std, outliers and suspicions: from every {survey['every']}th reading of each asset[/]")


def _show_assets(out: Console, by_asset: Mapping[str, Mapping[str, Any]]) -> None:
    """List the assets, if there are several: those with the most gaps first."""
    if len(by_asset) < 2:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("asset")
    for header in ("readings", "first", "last", "usual step", "gaps", "longest"):
        table.add_column(header, justify="right")
    ordered = sorted(by_asset, key=lambda name: (-by_asset[name]["gaps"], natural(name)))
    for name in ordered[:MOST_ASSETS]:
        asset = by_asset[name]
        step, longest = (
            _duration(asset[key]) if asset[key] else "–" for key in ("step_seconds", "longest_gap_seconds")
        )
        ends = [asset[key][:19].replace("T", " ") for key in ("first", "last")]
        table.add_row(escape(name), f"{asset['rows']:,}", *ends, step, f"{asset['gaps']:,}", longest)
    out.print(table)
    more = len(ordered) - MOST_ASSETS
    if more > 0:
        out.print(f"[dim]and {more} more assets, none with more gaps; --json lists all[/]")
