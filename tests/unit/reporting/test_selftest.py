"""The self-test as a table: what the table shows for faults found, missed and not tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.report import render
from wheeltapper.reporting.text.selftest import grid


def line(sensor: str, kind: str, smallest: str | None) -> dict[str, Any]:
    sizes = [{"in_units": "1 bar", "power": 0.2}, {"in_units": "2 bar", "power": 1.0}]
    return {"sensor": sensor, "kind": kind, "smallest": smallest, "sizes": sizes, "episodes": 10}


TESTED = {
    "table": [line("pressure", "drift", "2 bar"), line("pressure", "unit_swap", None), line("flow", "drift", "1 bar")],
    "skipped": [{"sensor": "flow", "kind": "unit_swap", "reason": "its unit A is not confused with another"}],
}


def test_a_cell_has_the_smallest_size_a_dash_or_nothing() -> None:
    """Found at the second size, at none, at the first; what was not tested is empty, and its reason is a note."""
    shown = grid(TESTED)
    assert shown["kinds"] == ["drift", "unit swap"]
    cells = {row["sensor"]: [(cell["text"], cell["level"]) for cell in row["cells"]] for row in shown["rows"]}
    assert cells == {"pressure": [("2 bar", 2), ("–", 0)], "flow": [("1 bar", 3), ("", None)]}
    assert shown["notes"][1] == "Not tested: unit swap of flow: its unit A is not confused with another."


def test_the_report_shows_the_table_and_does_without_one(undrawn: ReportData) -> None:
    """A report with a self-test contains its sizes; one without has no such section."""
    page = render(replace(undrawn, self_test=TESTED))
    assert "<h3>Self-test</h3>" in page and '<td class="n found-2">2 bar</td>' in page
    assert "<h3>Self-test</h3>" not in render(undrawn)


def test_one_reason_is_one_sentence_for_all_its_sensors() -> None:
    """Three sensors that cannot be mistaken for another unit are one sentence; one that never moved is another."""
    why = "its unit 1 is not confused with another"
    skipped = [{"sensor": name, "kind": "unit_swap", "reason": why} for name in ("a", "b", "c")]
    still = {"sensor": "d", "kind": "", "reason": "it never moved in recent normal running"}
    assert grid({"table": TESTED["table"], "skipped": [*skipped, still]})["notes"][1:] == [
        f"Not tested: unit swap of a, b, c: {why}.",
        "Not tested: d: it never moved in recent normal running.",
    ]
