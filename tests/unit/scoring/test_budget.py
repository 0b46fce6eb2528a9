"""The benchmark of the budget, small: simulated normal months in which every alarm is a false one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "budget.py"


@pytest.mark.slow
def test_the_budget_is_kept_in_normal_months(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six times four months of two pumps: at least fourteen of eighteen achieved rates are as promised.

    The three budgets of a year share its luck, so eighteen rates scatter more than eighteen years would.
    And half the budget gives half the alarms, give or take a third.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("budget_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    budget = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "budget_benchmark", budget)
    spec.loader.exec_module(budget)
    found = [
        year for seed in range(6) for year in budget.years("pump", seed, detectors=("mahalanobis",), assets=2, days=120)
    ]
    assert len(found) == 18
    assert sum(year.is_inside for year in found) >= 14
    full, half = (next(line for line in budget.lines(found) if line["budget"] == one) for one in (2.0, 1.0))
    assert 0.33 < full["halved"] < 0.67
    assert 0.6 < full["spent"] < 1.5
    assert half["years"] == 6
