"""The report: one HTML file that opens anywhere, without a network, and says what the pipeline found and why."""

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
"""Alarms that the report lists; the strongest ones come first."""
_REM_PER_INCH = 7.0
"""How wide a figure may become on the page, so that letters in a narrow one are no larger than in a wide one."""
_HERE = Path(__file__).parent


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
    strongest = strongest_first(data.alarms).head(MOST_ALARMS)
    rows = [{str(key): value for key, value in row.items()} for row in strongest.to_dict("records")]
    for one in rows:
        one["ranked"] = ranked_sensors(one)
        one["minutes"] = (one["last_at"] - one["opened_at"]).total_seconds() / 60
    return rows
