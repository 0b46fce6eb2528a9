"""The report: one HTML file with the results of a run, which needs no network and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wheeltapper.config import PartsByAssets
from wheeltapper.reporting import catalogue
from wheeltapper.reporting.alarm_rows import ranked_sensors, strongest_first
from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.figures import canvas, comparison
from wheeltapper.reporting.figures.drawing import Drawing
from wheeltapper.reporting.figures.drawings import draw
from wheeltapper.reporting.text import searches, selftest, sensor_health, sheet, summary, words
from wheeltapper.training import parts

FILE = "report.html"
MOST_ALARMS = 200
"""Alarms that the report lists, the strongest first."""
_REM_PER_INCH = 7.0
"""Width on the page for each inch of a figure, so that text has the same size in narrow and wide figures."""
_HERE = Path(__file__).parent


def render(data: ReportData) -> str:
    """Return the whole report as one HTML text.

    Everything that comes from data is escaped. The page contains no script, and its security policy forbids any.

    Raises
    ------
    DataError
        If a table is not as described.
    """
    return _fill(data, draw(data))


def write(data: ReportData, folder: Path) -> Path:
    """Write ``report.html`` and every figure as ``figures/<name>.png``; return the report's path.

    The figures of an earlier report in the same folder are deleted first.
    """
    drawings = draw(data)
    page = _fill(data, drawings)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for earlier in figures.glob("*.png"):
        earlier.unlink()
    for drawing in drawings:
        (figures / f"{drawing.name}.png").write_bytes(canvas.to_png(drawing.figure))
    target, unfinished = folder / FILE, folder / f".{FILE}.part"
    unfinished.write_text(page, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    return unfinished.replace(target)


def _fill(data: ReportData, drawings: Sequence[Drawing]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in ("number", "rough", "ratio", "count", "percent", "minutes", "instant", "listing", "spaced"):
        environment.filters[name] = getattr(words, name)
    environment.globals.update(between=words.between, is_known=words.is_known, is_address=words.is_address)
    environment.globals.update(things=words.things, notes_of=summary.notes)
    environment.globals.update(naming_sentences=summary.naming_sentences, columns_of=comparison.columns_of)
    style = Markup((_HERE / "report.css").read_text(encoding="utf-8"))  # part of the program, not data
    return environment.get_template("report.html.j2").render(style=style, **_content(data, drawings))


def _whole_parts(data: ReportData) -> dict[str, str]:
    """Return the part of each asset, where the plant gives whole assets to one part; empty otherwise."""
    if data.parts is None or not isinstance(data.plant.parts, PartsByAssets):
        return {}
    return {str(asset): parts.whole(cut) for asset, cut in data.parts.iterrows()}


def _content(data: ReportData, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """Return what the template shows, as plain values and sentences; the template only arranges them."""
    assets = words.in_order(
        {str(name) for frame in (data.readings, data.scores) for name in frame["asset_id"].unique()}
    )
    row = summary.row_of(data.leaderboard, data.about)
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
        "searches": [searches.table(label, search) for label, search in data.searches.items()],
        "choice": summary.choice_sentence(data.ranked_by),
        "boards": summary.by_part(data.leaderboard),
        "judged_parts": list(judged),
        "sheet": sheet.sheet(judged),
        "false_alarms_by": {
            heading: sheet.counts_by(judged, f"false_alarms_by_{name}")
            for name, heading in (("regime", "Operating state"), ("asset", "Asset"))
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
        "missing": [entry.name for entry in catalogue.missing(drawing.name for drawing in drawings)],
    }


def _figures(drawings: Sequence[Drawing]) -> dict[str, list[dict[str, str]]]:
    """Return the drawings as images inside the page, by section of the report."""
    sections: dict[str, list[dict[str, str]]] = {}
    for drawing in drawings:
        image = {
            "name": drawing.name,
            "title": drawing.title,
            "alt": drawing.alt,
            "alarm": drawing.alarm,
            "source": canvas.data_uri(canvas.to_svg(drawing.figure)),
            "width": f"{_REM_PER_INCH * drawing.figure.get_figwidth():.0f}rem",
        }
        sections.setdefault(drawing.section, []).append(image)
    return sections


def _alarms(data: ReportData) -> list[dict[str, Any]]:
    """Return the strongest alarms as rows, with their ranked sensors and their length in minutes."""
    strongest = strongest_first(data.alarms).head(MOST_ALARMS)
    rows = [{str(key): value for key, value in row.items()} for row in strongest.to_dict("records")]
    for row in rows:
        row["ranked"] = ranked_sensors(row)
        row["minutes"] = (row["last_at"] - row["opened_at"]).total_seconds() / 60
    return rows
