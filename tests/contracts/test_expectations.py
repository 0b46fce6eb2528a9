"""Every suite in expectations/, found by listing the folder, keeps the same contract."""

import importlib
import inspect
import warnings
from pathlib import Path

import pandas as pd
import pytest

from expectations._run import Promise
from expectations.scores import Terms
from wheeltapper import config
from wheeltapper.checks import Findings

FOLDER = Path(__file__).parents[2] / "expectations"
SUITES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
PLANT = config.parse(
    "asset_type: {step: 1min, sensors: {pressure: {unit: bar, low: 0, high: 12}}}\n"
    "source: simulator\nfeatures: [latest]\ncandidates: [lof]",
    name="tiny",
    folder=Path(),
    where="tiny.yaml",
)
SUBJECTS = {"plant": PLANT, "terms": Terms("tiny", PLANT.asset_type.regimes)}
"""What a suite is written for, by the name of its parameter."""


@pytest.fixture(params=SUITES)
def suite(request):
    """One suite's module."""
    return importlib.import_module(f"expectations.{request.param}")


def subject(suite):
    """Return what the suite is written for."""
    (name,) = inspect.signature(suite.promises).parameters
    return SUBJECTS[name]


def test_there_are_suites():
    """The listing finds the tables that are promised something: every boundary that readings cross on their way."""
    assert {"readings", "features", "scores"} <= set(SUITES)


def test_check_takes_a_table_and_a_folder_for_its_pages(suite):
    """All suites are called alike."""
    assert suite.__doc__
    assert suite.check.__doc__
    first, second, third = inspect.signature(suite.check).parameters.values()
    assert first.annotation == "pd.DataFrame"
    assert second.name in SUBJECTS
    assert (third.name, third.annotation) == ("docs", "Path | None")


def test_every_promise_is_a_known_expectation_in_words(suite):
    """Names are unique, sentences end in a full stop, and GX knows every kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GX's own imports are deprecated; the suites import it just as quietly
        kinds = importlib.import_module("great_expectations.expectations")
    promises = suite.promises(subject(suite))
    assert len({promise.name for promise in promises}) == len(promises)
    for promise in promises:
        assert isinstance(promise, Promise)
        assert promise.says.endswith(".")
        assert promise.severity in ("critical", "warning", "info")
        assert hasattr(kinds, promise.kind)


def test_no_columns_at_all_is_a_critical_finding_and_no_exception(suite):
    """A table without anything stops the batch in words."""
    findings = suite.check(pd.DataFrame(), subject(suite), None)
    assert isinstance(findings, Findings)
    assert not findings.ok
    assert any("at least one" in failure for failure in findings.failures)
    assert any("asset_id" in failure for failure in findings.failures)
    assert list(findings.rejected.columns) == ["row", "expectation", "reason"]


def test_pages_say_what_a_broken_promise_does(suite, tmp_path):
    """A person reads on the start page what each promise is good for, not only that it was kept."""
    findings = suite.check(pd.DataFrame({"asset_id": ["a"]}), subject(suite), tmp_path / "docs")
    start = findings.docs.read_text(encoding="utf-8")
    for severity in ("Critical", "Warning", "Info"):
        assert f"<strong>{severity}</strong>" in start
    assert "stops the batch</td>" in start
    for page in (tmp_path / "docs").rglob("*.html"):
        assert "newsletter" not in page.read_text(encoding="utf-8")


def test_checking_is_silent(suite, capfd, recwarn):
    """GX prints no progress bar and warns of nothing."""
    suite.check(pd.DataFrame({"asset_id": ["a"]}), subject(suite), None)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert len(recwarn) == 0
