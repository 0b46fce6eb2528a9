"""No figure of a judgement is forgotten: each stands in the report, or is left out for a reason."""

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from pydantic import BaseModel

from tests.unit.reporting.conftest import UNJUDGED, judgement
from wheeltapper.evaluation.costs import CostBreakdown
from wheeltapper.evaluation.judgement import Confusion, Judgement
from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.report import render
from wheeltapper.reporting.text import sheet

LINES = [line for lines in sheet.SHEET.values() for line in lines]
INSIDE: dict[str, type[BaseModel]] = {"cost": CostBreakdown, "confusion": Confusion}
FIELDS = [
    *(name for name in Judgement.model_fields if name not in INSIDE),
    *(f"{record}.{name}" for record, kind in INSIDE.items() for name in kind.model_fields),
]


def full() -> dict[str, Any]:
    """Return a judgement in which every figure of the sheet and every end of an interval is known."""
    row = judgement("lof") | {field: 0.5 for field in FIELDS if field not in sheet.LEFT_OUT and "." not in field}
    row |= {line.field: 3 for line in LINES if line.kind == "count" and "." not in line.field}
    row |= {record: dict.fromkeys(kind.model_fields, 7) for record, kind in INSIDE.items()}
    return row


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page[page.index('id="numbers"') :])))


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_of_a_judgement_is_shown_or_left_out_for_a_reason(field: str) -> None:
    """A new field of `Judgement` needs a line in `sheet.SHEET`, or a reason in `sheet.LEFT_OUT`."""
    shown = {line.field for line in LINES}
    is_shown = field in shown or re.sub(r"_(low|high)$", "", field) in shown
    assert is_shown != bool(sheet.LEFT_OUT.get(field))


def test_the_sheet_names_nothing_that_is_not_there() -> None:
    """A field that was renamed would be 'not judged' for ever; one that stands twice is a slip."""
    shown = [line.field for line in LINES]
    assert len(shown) == len(set(shown))
    assert {*shown, *sheet.LEFT_OUT} <= set(FIELDS)


def test_every_figure_stands_in_the_page_with_its_unit_and_interval(undrawn: ReportData) -> None:
    """Each line has a value; those with an interval have it below."""
    text = text_of(render(replace(undrawn, leaderboard=[full() | {"detection_rate_high": 0.75, "mtbf_hours": 37.1}])))
    assert all(line.name in text for line in LINES)
    table = text[: text.index("False alarms by operating state")]
    assert "not judged" not in table
    for figure in (
        "Share of faults found 50\u00a0% 50\u00a0% to 75\u00a0%",
        "faults watched 37.1\u00a0h",
        "7\u00a0EUR",
    ):
        assert figure.replace("\u00a0", " ") in table.replace("\u00a0", " ")


def test_both_parts_stand_side_by_side_and_what_nobody_judged_is_said(undrawn: ReportData) -> None:
    """The validation part comes first; a figure that only one part has is 'not judged' on the other."""
    board = [judgement("lof", availability=0.5), judgement("lof", part="validate", **UNJUDGED), judgement("other")]
    text = text_of(render(replace(undrawn, leaderboard=board)))
    assert "Figure Validation part Test part" in text
    assert re.search(r"Faults found 0 3 ", text)
    assert re.search(r"Availability share of the watched time outside every known fault not judged 50.%", text)


def test_only_the_model_of_the_verdict_is_shown(undrawn: ReportData) -> None:
    """A refused model has its own figures; without any judgement the page says so."""
    refused = replace(undrawn, champion=None, chosen="lof", verdict="refuse")
    assert "All figures of lof" in text_of(render(refused))
    assert "pca was not judged in this run" in text_of(render(replace(refused, chosen="pca")))
    assert "No model was judged in this run" in text_of(render(replace(refused, chosen=None)))


def test_false_alarms_are_counted_by_operating_state_and_by_asset(undrawn: ReportData) -> None:
    """Most first, a column for each part; an asset without one on a part has a zero there."""
    by = {"false_alarms_by_regime": {"high_load": 2}, "false_alarms_by_asset": {"p-1": 1, "p-2": 1}}
    earlier = judgement("lof", part="validate", false_alarms_by_asset={"p-2": 4}, false_alarms_by_regime={"off": 4})
    text = text_of(render(replace(undrawn, leaderboard=[judgement("lof", **by), earlier])))
    assert "Operating state Validation part Test part off 4 0 high load 0 2" in text
    assert "Asset Validation part Test part p-2 4 1 p-1 0 1" in text
    assert "There were none" in text_of(render(undrawn))


def test_a_fleet_of_false_alarms_is_added_up() -> None:
    """Thirty machines are listed, the other two stand together in a last line."""
    counts = {f"p-{number:02}": 1 for number in range(1, sheet.MOST + 3)}
    lines = sheet.counts_by({"test": {"false_alarms_by_asset": counts}}, "false_alarms_by_asset")
    assert len(lines) == sheet.MOST + 1
    assert lines[-1] == {"name": "2 others", "counts": [2]}
    assert sheet.counts_by({"test": {}}, "false_alarms_by_asset") == []
