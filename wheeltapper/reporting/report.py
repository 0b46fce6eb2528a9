"""The report: one HTML file that opens anywhere, without a network, and says what the pipeline found and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.config import PartsByAssets, Plant
from wheeltapper.evaluation.curves import Curves
from wheeltapper.reporting import catalogue
from wheeltapper.reporting.figures import canvas, comparison
from wheeltapper.reporting.figures.drawing import Drawing
from wheeltapper.reporting.figures.drawings import draw
from wheeltapper.reporting.figures.timeline import ranked_sensors
from wheeltapper.reporting.text import searches, selftest, sensor_health, sheet, summary, words
from wheeltapper.training import parts

FILE = "report.html"
MOST_ALARMS = 200
"""Alarms that the report lists; the strongest ones come first."""
_REM_PER_INCH = 7.0
"""How wide a figure may become on the page, so that letters in a narrow one are no larger than in a wide one."""
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report is made of. What is absent is left empty and said in words."""

    plant: Plant
    generated_at: datetime
    """When this report was asked for; passed in, never read from a clock."""
    title: str = ""
    """By default the plant's name."""
    objective: str = "detect"

    leaderboard: Sequence[Mapping[str, Any]] = ()
    """One `evaluation.judgement.Judgement` a candidate and part, as JSON, with ``is_baseline`` added."""
    ranked_by: str = ""
    """What put the candidates in their order, as `evaluation.leaderboard` says it; empty if nobody said."""
    champion: str | None = None
    """The candidate whose scores and alarms are shown; None if there is none."""
    chosen: str | None = None
    """The candidate that the verdict is about, where it is not the champion: one that challenges it, or was refused."""
    verdict: str | None = None
    """promote, keep, challenge, refuse, retrain or roll back; None if nothing was decided."""
    reasons: Sequence[str] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    """Each {name, passed (True, False, or None for not judged), figure, limit, reason}."""

    self_test: Mapping[str, Any] | None = None
    """Self-test of the candidate that was chosen, as JSON; None if there was none."""

    maturity: Mapping[str, str] = field(default_factory=dict)
    """Asset → how far its threshold is its own, as the champion's calibration says it; empty without a champion."""

    readings: pd.DataFrame = field(default_factory=tables.READINGS.empty)
    scores: pd.DataFrame = field(default_factory=tables.SCORES.empty)
    """The champion's only."""
    alarms: pd.DataFrame = field(default_factory=tables.ALARMS.empty)
    faults: pd.DataFrame = field(default_factory=tables.FAULTS.empty)
    flags: pd.DataFrame = field(default_factory=tables.FLAGS.empty)
    """Sensors that do not measure, and unusual values."""
    parts: pd.DataFrame | None = None
    """Where each asset's data is cut, as `features.parts.cuts` returns it."""

    roc: Curves = field(default_factory=dict)
    pr: Curves = field(default_factory=dict)
    """Candidate → curve on the part that candidates are compared on; see `curves.window_curves`."""

    moved: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Alarm → the part of each window's severity that each sensor accounts for, by the windows' ends."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Feature → share of the alarms' severity that it accounts for; empty where the detector cannot say."""

    searches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Candidate → what its search tried and chose, see `evaluation.search.told`; only those that were searched."""
    learnt: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Part → reason → windows: what was learnt from, and why the rest was not; see `features.mask.tally`."""
    rows_kept: int | None = None
    quarantine: Mapping[str, int] | None = None
    """Reason → rows put aside; empty if none were, None if nobody counted."""
    features: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Plant hash, table versions, run key, bundle hash, package versions: names → values or further names → values."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Name → address relative to the report, or the command that opens it."""

    @property
    def about(self) -> str | None:
        """The model that the verdict and its figures are about."""
        return self.champion if self.verdict == "keep" else self.chosen or self.champion


def render(data: ReportData) -> str:
    """Return the whole report as one HTML text.

    Everything that comes from data is escaped; there is no script in the page, and its own policy forbids any.

    Raises
    ------
    DataError
        If a table is not as described.
    """
    return _fill(data, draw(data))


def write(data: ReportData, folder: Path) -> Path:
    """Write ``report.html`` and every figure as ``figures/<name>.png``; return the report's path.

    The figures of an earlier report in the same folder are removed, so that none of them is taken for a new one.
    """
    drawings = draw(data)
    page = _fill(data, drawings)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for old in figures.glob("*.png"):
        old.unlink()
    for drawing in drawings:
        (figures / f"{drawing.name}.png").write_bytes(canvas.to_png(drawing.figure))
    target, unfinished = folder / FILE, folder / f".{FILE}.part"
    unfinished.write_text(page, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    return unfinished.replace(target)


def _fill(data: ReportData, drawings: Sequence[Drawing]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    house = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in ("number", "rough", "ratio", "count", "percent", "minutes", "instant", "listing", "spaced"):
        house.filters[name] = getattr(words, name)
    house.globals.update(between=words.between, is_known=words.is_known, is_address=words.is_address)
    house.globals.update(things=words.things, notes_of=summary.notes)
    house.globals.update(naming_sentences=summary.naming_sentences, columns_of=comparison.columns_of)
    style = Markup((_HERE / "report.css").read_text(encoding="utf-8"))  # ours, not data
    return house.get_template("report.html.j2").render(style=style, **_content(data, drawings))


def _whole_parts(data: ReportData) -> dict[str, str]:
    """Return the part of each asset, where the plant leaves assets out as a whole; else nothing."""
    if data.parts is None or not isinstance(data.plant.parts, PartsByAssets):
        return {}
    return {str(asset): parts.whole(cut) for asset, cut in data.parts.iterrows()}


def _content(data: ReportData, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """Gather what the template shows: plain values and sentences, no decisions left to it but their places."""
    assets = words.in_order(
        {str(name) for frame in (data.readings, data.scores) for name in frame["asset_id"].unique()}
    )
    row = summary.own_row(data.leaderboard, data.about)
    judged = sheet.parts_of(data.leaderboard, data.about)
    kind = data.plant.asset_type.name
    asset = "asset" if kind == data.plant.name else words.spaced(kind)
    return {
        "data": data,
        "plant": data.plant,
        "title": data.title or words.spaced(data.plant.name),
        "assets": assets,
        "verdict_sentence": summary.verdict_sentence(data.verdict),
        "row": row,
        "findings": summary.finding_sentences(row) if row else [],
        "budget": summary.budget_sentences(row, data.plant.alarm_budget, asset) if row else [],
        "cost": summary.cost_sentence(row) if row else "",
        "returns": summary.returns_sentence(row) if row else "",
        "self_test": selftest.grid(data.self_test) if data.self_test else None,
        "searches": [searches.table(label, found) for label, found in data.searches.items()],
        "choice": summary.choice_sentence(data.ranked_by),
        "boards": summary.by_part(data.leaderboard),
        "judged_parts": list(judged),
        "sheet": sheet.sheet(judged),
        "false_alarms_by": {
            what: sheet.counts_by(judged, f"false_alarms_by_{name}")
            for name, what in (("regime", "Operating state"), ("asset", "Asset"))
        },
        "whole_parts": _whole_parts(data),
        "machines": summary.machines(data.scores, data.faults, data.alarms, assets),
        "maturity_sentence": summary.maturity_sentence(data.maturity),
        "sensors": summary.sensors(data.readings, data.plant.asset_type.sensors),
        "health": sensor_health.health_rows(data.flags),
        "health_sentences": sensor_health.health_sentences(data.flags),
        "alarms": _alarms(data),
        "most_alarms": MOST_ALARMS,
        "figures": _figures(drawings),
        "catalogue": catalogue.CATALOGUE,
        "missing": [one.name for one in catalogue.missing(drawing.name for drawing in drawings)],
    }


def _figures(drawings: Sequence[Drawing]) -> dict[str, list[dict[str, str]]]:
    """Turn drawings into images that need no file, by section of the report."""
    sections: dict[str, list[dict[str, str]]] = {}
    for one in drawings:
        source = canvas.data_uri(canvas.to_svg(one.figure))
        image = {"name": one.name, "title": one.title, "alt": one.alt, "alarm": one.about, "source": source}
        image["room"] = f"{_REM_PER_INCH * one.figure.get_figwidth():.0f}rem"
        sections.setdefault(one.section, []).append(image)
    return sections


def _alarms(data: ReportData) -> list[dict[str, Any]]:
    """List the strongest alarms, with their sensors read from JSON."""
    strongest = data.alarms.sort_values(["peak_severity", "opened_at", "alarm_id"], ascending=[False, True, True])
    rows = [{str(key): value for key, value in one.items()} for one in strongest.head(MOST_ALARMS).to_dict("records")]
    for one in rows:
        one["ranked"] = ranked_sensors(one)
        one["minutes"] = (one["last_at"] - one["opened_at"]).total_seconds() / 60
    return rows
