"""Generated parts are up to date, and the numbers behind them are those of a real run."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType

import pytest

from tests.docs.reading import ROOT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_part_is_up_to_date(generate: ModuleType) -> None:
    """Writing the documents again would change nothing. If this is red: make docs."""
    assert [path.name for path in generate.stale()] == []


def test_a_changed_number_is_found(generate: ModuleType) -> None:
    """One digit changed by hand between the marks is out of date."""
    text = (ROOT / "docs" / "your-plant.md").read_text(encoding="utf-8")
    part = text.partition("<!-- generated: measured -->")[2].partition("<!-- end of measured -->")[0]
    changed = text.replace(part, re.sub(r"\d", "7", part, count=1).replace("readings", "raedings"))
    assert changed != text
    assert generate.fill(changed, "your-plant.md") == text


def test_a_part_without_an_end_is_refused(generate: ModuleType) -> None:
    """A lost mark must not silently freeze what stands there."""
    with pytest.raises(SystemExit, match="have an end"):
        generate.fill("<!-- generated: commands -->\nold\n", "a document")


def test_every_part_is_used(generate: ModuleType) -> None:
    """Every part that can be generated stands in a document."""
    together = "".join(path.read_text(encoding="utf-8") for path in generate.DOCUMENTS)
    assert [name for name in generate.PARTS if f"<!-- generated: {name} -->" not in together] == []


def test_the_run_behind_the_numbers_is_whole(generate: ModuleType) -> None:
    """The pump station's run has its leaderboard, verdict, alarm and what was printed, and the printed text agrees."""
    run = generate.results()["pump_station"]
    printed = "\n".join(run["printed"])
    assert f"Verdict  {run['verdict']} {run['champion']}" in printed
    assert run["strongest_alarm"] in printed
    assert all(row["candidate"] in printed for row in run["leaderboard"])
    assert run["seconds"] > run["second_run_seconds"] > 0
    assert run["complaints"] == []


def test_no_path_of_the_machine_is_in_the_results(generate: ModuleType) -> None:
    """The report's place is given relative to the working folder."""
    text = json.dumps(generate.results())
    assert ".wheeltapper/reports/pump_station/report.html" in text
    assert not re.search(r'[ "\']/(?:\w+/)+', text)
