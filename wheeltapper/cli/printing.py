"""What the command line shows: the leaderboard, a verdict, an explained alarm, the ledger, a source's check."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper import tables
from wheeltapper.config import Settings
from wheeltapper.readings.exclude import BEFORE, NOT_JUDGED, WAYS_OUT
from wheeltapper.readings.order import in_words
from wheeltapper.sources._files import natural
from wheeltapper.workspace import Workspace

if TYPE_CHECKING:
    from wheeltapper.training.rebaseline import Preview

_MARKS = {True: "[green]✓[/]", False: "[yellow]✗[/]", None: "–"}
_GOOD = {"promote": "green", "challenge": "green", "keep": "green", "refuse": "yellow"}


def show_run(out: Console, space: Workspace, found: Any, plant: str) -> None:
    """Show how a run of the main job ended; ``plant`` is what the user called it."""
    for verdict in found.verdicts:
        show_leaderboard(out, verdict.as_dict())
        show_verdict(out, verdict.as_dict())
    if found.score is not None:
        _show_strongest_alarm(out, space, found.score.bundle, plant)
    out.print(f"[bold]Report[/]   {escape(found.report)}")
    settings = space.settings
    out.print(
        "[bold]Look[/]     wheeltapper up    then Prefect "
        f"http://127.0.0.1:{settings.prefect_port} and MLflow http://127.0.0.1:{settings.mlflow_port}"
    )


def show_ablation(out: Console, found: dict[str, Any]) -> None:
    """Show mean ± standard deviation over the seeds of every variant, study by study."""
    seeds = ", ".join(str(seed) for seed in found["seeds"])
    who = f"Detector {escape(found['detector'])}" if found["detector"] else "Every baseline and candidate"
    out.print(f"{who}, seeds {seeds}; judged on all that follows the calibrate part.\n")
    for study, lines in found["studies"].items():
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
        table.add_column(f"[bold]{study}[/]", no_wrap=True)
        against = ["beats baselines"] if any("beats_baselines" in line for line in lines) else []
        for header in ("found", "VUS-PR (random)", "false alarms/week", "delay min", "cost/asset-week", *against):
            table.add_column(header, justify="right", no_wrap=True)
        for line in lines:
            random = _number(line["vus_pr_random"][0], "{:.2f}")
            table.add_row(
                escape(line["variant"]),
                f"{line['found']} of {line['faults']}{_share(line['found_share'])}",
                f"{_spread(line['vus_pr'], '.3f')} ({random})",
                _spread(line["false_alarms_per_week"], ".2f"),
                _spread(line["delay_minutes"], ".1f"),
                _spread(line["cost_per_asset_week"], ",.0f"),
                *(_wins(line, len(found["seeds"])) for _ in against),
                style="dim" if line.get("is_baseline") else "",
            )
        out.print(table)
        out.print()
    out.print(f"Every trial: {escape(found['path'])}")


def _share(mean_and_sd: tuple[float | None, float | None]) -> str:
    mean, sd = mean_and_sd
    return "" if mean is None or sd is None else f" ({100 * mean:.0f} ± {100 * sd:.0f} %)"


def _wins(line: dict[str, Any], seeds: int) -> str:
    wins = line["beats_baselines"]
    return "" if line["is_baseline"] else "–" if wins is None else f"{wins} of {seeds} seeds"


def _spread(mean_and_sd: tuple[float | None, float | None], form: str) -> str:
    mean, sd = mean_and_sd
    if mean is None:
        return "–"
    return f"{mean:{form}}" if sd is None else f"{mean:{form}} ± {sd:{form}}"


def show_leaderboard(out: Console, judged: dict[str, Any]) -> None:
    """Show the leaderboard, baselines on top."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("", no_wrap=True)
    write = _heard_cells if judged["ranked_by"] == "self-test" else _cells
    for header in _HEADERS[write]:
        table.add_column(header, justify="right", no_wrap=True)
    for is_baseline, heading in ((True, "baselines"), (False, "candidates")):
        table.add_row(f"[italic]{heading}[/]")
        for row in judged["leaderboard"]:
            if row["is_baseline"] == is_baseline:
                table.add_row(*write(row), style=_style(row, judged))
    out.print(f"[bold]Leaderboard[/] of the validate part, by {judged['ranked_by']}")
    out.print(table)
    for note in judged["notes"]:
        out.print(f"[yellow]{escape(note)}[/]")
    out.print()


def _style(row: dict[str, Any], judged: dict[str, Any]) -> str:
    if row["is_baseline"]:
        return "dim"
    return "bold" if row["candidate"] == judged["candidate"] else ""


def _cells(row: dict[str, Any]) -> list[str]:
    delay = row["delay_minutes_median"]
    random = _number(row["vus_pr_random"], "{:.2f}")
    return [
        f"  {escape(row['candidate'])}",
        f"{row['found']} of {row['faults']}" if row["faults"] else "–",
        "–" if delay is None else f"{delay:.0f} min" if delay >= 10 else f"{delay * 60:.0f} s",
        _rate(row),
        _number(row["cost_per_asset_week"], "{:,.0f} " + row["currency"]),
        "–" if row["vus_pr"] is None else f"{row['vus_pr']:.2f} ({random})",
    ]


def _heard_cells(row: dict[str, Any]) -> list[str]:
    """Say what is known where no fault is: how much of the self-test stands out, and how often it rang."""
    return [f"  {escape(row['candidate'])}", _number(row.get("self_test"), "{:.0%}"), _rate(row)]


_HEADERS = {
    _cells: ("found", "delay", "false alarms/week", "cost/asset-week", "VUS-PR (random)"),
    _heard_cells: ("self-test's faults heard", "alarms/week"),
}


def _rate(row: dict[str, Any]) -> str:
    """Write false alarms per asset and week with their 95 % interval."""
    rate, low, high = (row[f"false_alarms_per_asset_week{end}"] for end in ("", "_low", "_high"))
    if rate is None:
        return "–"
    form = "{:.0f}" if high >= 100 else "{:.1f}"
    return f"{form.format(rate)} ({form.format(low)}–{form.format(high)})"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def show_verdict(out: Console, judged: dict[str, Any]) -> None:
    """Show the verdict with its reasons, and the chosen candidate on the test part."""
    colour = _GOOD.get(judged["verdict"], "yellow")
    chosen = f" {judged['candidate']}" if judged["candidate"] else ""
    out.print(f"[bold]Verdict[/]  [bold {colour}]{judged['verdict']}{escape(chosen)}[/]")
    _show_gates(out, judged["gates"])
    if not judged["gates"]:
        out.print(f"         {escape('; '.join(judged['reasons']))}")
    _show_passed_over(out, judged)
    _show_withheld(out, judged.get("learnt", {}))  # older runs have not written it down
    own = [row for row in judged["test"] if row["candidate"] == judged["candidate"]]
    for row in own:
        cells = _cells(row)
        told = (
            f"{cells[1]} faults found, {cells[3]} false alarms and {cells[4]} per asset-week"
            if row["faults"]
            else f"no faults known, {cells[3]} alarms per asset-week"
        )
        out.print(f"         On the test part, looked at once: {told}.")
        cheaper = cheaper_baseline(judged["test"], row)
        if cheaper is not None:
            out.print(
                f"         [yellow]There the baseline {cheaper['candidate']} costs less: {_cells(cheaper)[4]}.[/]"
            )
    out.print()


_WAYS_ON = {
    "beats_baselines": "A baseline does as well on these windows. More weeks with known faults tell them apart; "
    "or name other candidates or features in the plant's YAML.",
    "keeps_budget": "Give the calibrate part more weeks of normal running (parts), or accept more false alarms "
    "(alarm_budget).",
    "threshold_is_reachable": "Normal running that is as loud as a fault was calibrated on: look at the calibrate part "
    "in the report, and record its faults or leave it out.",
    "is_not_blind": "Name features of the sensor that is not heard, or a candidate that looks at each sensor alone.",
    "has_learnt": "Learn from more normal running, or name a simpler candidate.",
}
"""What may help where a gate refuses; of those that a data set or a plant's YAML can change."""


def _show_passed_over(out: Console, judged: dict[str, Any]) -> None:
    """Say why candidates that stand above the chosen one, or beside a refused one, were not it; and what may help."""
    for name, failed in judged.get("passed_over", {}).items():  # older runs have not written it down
        gates = ", ".join(f"'{gate.replace('_', ' ')}'" for gate in failed)
        why = f"it fails {gates}" if failed else "no gate could be passed, so nothing is known about it"
        out.print(f"         Not {escape(name)}: {escape(why)}.")
    if judged["verdict"] == "refuse":
        failed = [gate["name"] for gate in judged["gates"] if gate["passed"] is False and gate["blocks"]]
        for way in dict.fromkeys(_WAYS_ON[name] for name in failed if name in _WAYS_ON):
            out.print(f"         {escape(way)}")


def _show_withheld(out: Console, learnt: dict[str, dict[str, int]]) -> None:
    """Say how many windows alarms and new normals have kept out of learning, and how an alarm is judged."""
    counts = {why: sum(part.get(why, 0) for part in learnt.values()) for why in (BEFORE, NOT_JUDGED)}
    told = [f"{count:,} windows {why}" for why, count in counts.items() if count]
    if told:
        out.print(f"         Left out of learning: {', and '.join(told)}.")
    if counts[NOT_JUDGED]:
        out.print(f"         {escape(WAYS_OUT)}")


def _show_gates(out: Console, asked: list[dict[str, Any]]) -> None:
    for gate in asked:
        mark = _MARKS[gate["passed"]] if gate["passed"] is not False or gate["blocks"] else "[yellow]![/]"
        informs = "" if gate["passed"] is not False or gate["blocks"] else " (informs, does not block)"
        out.print(f"       {mark} {escape(gate['name'].replace('_', ' '))}: {escape(gate['reason'])}{informs}")


def show_selftest(out: Console, found: dict[str, Any]) -> None:
    """Show the smallest fault of each sensor and kind that a bundle finds, and its gates."""
    from wheeltapper.reporting.text.selftest import grid

    shown = grid(found)
    out.print(
        f"[bold]Self-test[/] of {escape(found['detector'])} on {found['windows']:,} normal windows, "
        f"{found['from'][:16]} to {found['until'][:16]}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("smallest fault found", no_wrap=True)
    for kind in shown["kinds"]:
        table.add_column(kind, justify="right", no_wrap=True)
    for row in shown["rows"]:
        table.add_row(escape(row["sensor"]), *(escape(cell["text"]) for cell in row["cells"]))
    out.print(table)
    for note in shown["notes"]:
        out.print(f"[dim]{escape(note)}[/]")
    passed = "passed" if found["passed"] else "failed"
    out.print(f"[bold]Gates[/]    [bold {'green' if found['passed'] else 'yellow'}]{passed}[/]")
    _show_gates(out, found["gates"])


def cheaper_baseline(rows: list[dict[str, Any]], chosen: dict[str, Any]) -> dict[str, Any] | None:
    """Return the cheapest baseline of a part if it costs less than the chosen candidate, else None."""
    known = [row for row in rows if row["is_baseline"] and row["cost_per_asset_week"] is not None]
    best = min(known, key=lambda row: row["cost_per_asset_week"], default=None)
    own = chosen["cost_per_asset_week"]
    return best if best is not None and own is not None and best["cost_per_asset_week"] < own else None


def _capital(reason: str) -> str:
    name, colon, rest = reason.partition(": ")
    return f"{name.replace('_', ' ')}{colon}{rest}"


def _show_strongest_alarm(out: Console, space: Workspace, bundle: str, plant: str) -> None:
    rows = space.store.read(tables.ALARMS)
    mine = rows[rows["bundle"] == bundle]
    if mine.empty:
        out.print("[bold]Alarm[/]    none so far\n")
        return
    strongest = mine.loc[mine["peak_severity"].idxmax()]
    out.print(f"[bold]Alarm[/]    {escape(strongest['explanation'])}")
    out.print(f"         The strongest of {len(mine)}; all of them: wheeltapper alarms {escape(plant)}\n")


def show_alarms(out: Console, rows: pd.DataFrame) -> None:
    """Show alarms, one sentence each."""
    if rows.empty:
        out.print("no alarms")
    for row in rows.itertuples():
        state = " [red](open)[/]" if row.state == "open" else ""
        judged = f" [green]({_SAID[row.judged]})[/]" if getattr(row, "judged", "") else ""
        out.print(f"[dim]{row.alarm_id}[/]  {row.tier:<8} {escape(str(row.explanation))}{state}{judged}")


_SAID = {"confirm": "confirmed", "dismiss": "dismissed"}


def show_new_normal(out: Console, found: Preview, plant: str, entry: int | None) -> None:
    """Show what accepting a new normal changes, or has changed.

    ``plant`` is what to type for it, ``entry`` the place in the ledger.
    """
    out.print(f"[bold]{escape(found.asset)}[/] from {found.since:%Y-%m-%d %H:%M} UTC on, in regime {found.regime}")
    table = Table(box=None, pad_edge=False)
    for header in ("sensor", "unit", "usual before", "spread", "usual since", "spread", ""):
        table.add_column(header, justify="left" if header in ("sensor", "unit", "") else "right")
    for one in found.levels:
        figures = (one.before, one.spread_before, one.since, one.spread_since)
        shown = ["–" if value is None else f"{value:.5g}" for value in figures]
        table.add_row(one.sensor, escape(one.unit), *shown, "[bold]moved[/]" if one.has_moved else "")
    out.print(table)
    for part, counts in found.windows.items():
        others = "; ".join(f"{count:,} {why}" for why, count in list(counts.items())[1:])
        out.print(f"{part:<10} {next(iter(counts.values())):,} windows learnt from" + (f"; {others}" if others else ""))
    count = len(found.stops)
    out.print(
        f"alarms     {count} of the live model since then would say nothing any more" if count else "alarms     none"
    )
    if entry is None:
        begin = f"{found.since:%Y-%m-%dT%H:%M:%SZ}"
        out.print("Nothing was written. Accept it with the same command and --yes, or look at another instant:")
        out.print(f"  wheeltapper rebaseline {escape(plant)} {escape(shlex.quote(found.asset))} --from {begin} --yes")
    else:
        typed = escape(plant)
        out.print(f"accepted (ledger entry {entry}). Next: wheeltapper train {typed}, then wheeltapper score {typed}")


_NEXT_GATE = re.compile(r"; (?=[a-z]+(?:_[a-z]+)+: )")
"""Between the reasons of two gates; a semicolon inside of one stays."""


def show_ledger(out: Console, entries: pd.DataFrame, breaks: list[str]) -> None:
    """Show every decision."""
    if entries.empty:
        out.print("nothing has been decided yet")
    for row in entries.itertuples():
        version = f" version {row.version}" if row.version else ""
        when = f"{row.time:%Y-%m-%d %H:%M}"
        out.print(f"[bold]{row.sequence:>3}[/]  {when}  [bold]{row.verdict}[/]{version}  by {escape(str(row.actor))}")
        for reason in re.split(_NEXT_GATE, str(row.reason)):
            out.print(f"     {escape(_capital(reason))}")
        out.print(f"     [dim]bundle {row.bundle[:12] or 'none'}, run {escape(str(row.run))}, entry {row.hash[:12]}[/]")
    for broken in breaks:
        out.print(f"[bold red]broken[/]   {escape(broken)}")


def show_check(out: Console, found: dict[str, Any], plant: str) -> None:
    """Show what is in a source, or why it cannot be read; ``plant`` is what the user called it."""
    if "problem" in found:
        out.print(f"[bold red]{escape(found['plant'])}[/]: {escape(found['problem'])}")
        _show_suggestion(out, found["suggestion"])
        return
    _show_span(out, found)
    _show_rejected(out, found)
    _show_sensors(out, found)
    _show_assets(out, found["by_asset"])
    for said in found["caveats"]:
        out.print(f"[yellow]{escape(said)}[/]")
    for suspected in found["suspicions"]:
        out.print(f"[yellow]suspected {suspected['kind'].replace('_', ' ')}[/]  {escape(suspected['said'])}")
    if found.get("suggestion"):
        _show_suggestion(out, found["suggestion"])
    out.print(f"[dim]Nothing was written. Next: wheeltapper run {escape(plant)} (writes to {Settings().home})[/]")


def _show_span(out: Console, found: dict[str, Any]) -> None:
    """Show who speaks, from when to when, and how often."""
    assets = found["assets"]
    who = f"asset {assets[0]}" if len(assets) == 1 else f"{len(assets)} assets"
    span = f"{found['first']} to {found['last']}" if found["rows"] else "at no time"
    out.print(f"[bold]{escape(found['plant'])}[/]: {found['rows']:,} readings of {escape(who)}, {span}")
    longest = found["gaps"][0] if found["gaps"] else None
    lasting = f"; the longest {_lasting(longest['seconds'])}, until {longest['until']}" if longest else ""
    whose = f" ({escape(longest['asset_id'])})" if longest and len(assets) > 1 else ""
    step = found["step_seconds"]
    gaps = "no gaps" if not found["gap_count"] else f"{found['gap_count']:,} gap{'s' * (found['gap_count'] > 1)}"
    out.print(f"usual step {_lasting(step)}, {gaps}{lasting}{whose}" if step else "there are not two readings in a row")
    if found["steps_back"]:
        out.print(f"steps back in time: {found['steps_back']:,}")
    if found["faults"]:
        out.print(f"{found['faults']:,} known faults")
    else:
        out.print("no known faults: what is found cannot be judged, only whether a test fault would be heard")


def _lasting(seconds: float) -> str:
    return in_words(pd.Timedelta(seconds=seconds))


def _show_rejected(out: Console, found: dict[str, Any]) -> None:
    aside = sum(found["rejected"].values())
    out.print(f"{aside:,} rows would go to quarantine" if aside else "no row would go to quarantine")
    for promise, count in sorted(found["rejected"].items(), key=lambda one: -one[1]):
        out.print(f"  {count:,} × {promise.replace('_', ' ')}, such as: {escape(found['reasons'][promise])}")
    outside = sum(sensor["outside"] for sensor in found["sensors"].values())
    if outside:
        out.print(f"  and the rows of {outside:,} values outside their sensor's limits")
    for said, count in found["notes"].items():
        out.print(f"  {count:,} × {escape(said)}")


def _show_sensors(out: Console, found: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("sensor")
    for header in ("unit", "missing", "min", "mean", "max", "std", "outliers", "outside limits"):
        table.add_column(header, justify="right")
    for name, sensor in found["sensors"].items():
        figures = [_number(sensor[key], "{:.4g}") for key in ("min", "mean", "max", "std")]
        counts = [f"{sensor[key]:,}" for key in ("outliers", "outside")]
        table.add_row(name, sensor["unit"], f"{sensor['missing']:,}", *figures, *counts)
    out.print(table)
    if found["every"] > 1:
        out.print(f"[dim]mean, std, outliers, suspicions: from one reading in {found['every']} of each asset[/]")


def _show_assets(out: Console, by_asset: dict[str, dict[str, Any]], most: int = 12) -> None:
    """Show the assets one by one, if there are several: those with the most gaps first."""
    if len(by_asset) < 2:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("asset")
    for header in ("readings", "first", "last", "usual step", "gaps", "longest"):
        table.add_column(header, justify="right")
    ordered = sorted(by_asset, key=lambda name: (-by_asset[name]["gaps"], natural(name)))
    for name in ordered[:most]:
        one = by_asset[name]
        step, longest = (_lasting(one[key]) if one[key] else "–" for key in ("step_seconds", "longest_gap_seconds"))
        ends = [one[key][:19].replace("T", " ") for key in ("first", "last")]
        table.add_row(escape(name), f"{one['rows']:,}", *ends, step, f"{one['gaps']:,}", longest)
    out.print(table)
    if len(ordered) > most:
        out.print(f"[dim]and {len(ordered) - most} assets more, none with more gaps; --json lists all[/]")


def _show_suggestion(out: Console, found: dict[str, Any]) -> None:
    """Show options to copy into the plant's YAML, each with its reason."""
    out.print(
        f"\nBy the looks of [bold]{escape(found['origin'])}[/], these options would read it; put them into the plant:\n"
    )
    lines = [
        (f"    {name}: {_in_yaml(value)}", found["because"].get(name, "")) for name, value in found["options"].items()
    ]
    width = min(60, max(len(line) for line, _ in lines))
    out.print(f"source:\n  {found['source']}:", markup=False)
    for line, why in lines:
        out.print(f"{line:<{width}}  # {why}" if why else line, markup=False)
    for note in found["notes"]:
        out.print(f"  # {note}", markup=False)
    out.print(f"\n{escape(found['trial'])}")


def _in_yaml(value: Any) -> str:
    """Write an option's value so that it can be copied."""
    import yaml

    flow = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return str(flow).removesuffix("\n").removesuffix("\n...")
