"""What the command line must not keep to itself."""

from __future__ import annotations

from typing import Any

from wheeltapper.printing import cheaper_baseline


def row(name: str, cost: float | None, is_baseline: bool = True) -> dict[str, Any]:
    return {"candidate": name, "cost_per_asset_week": cost, "is_baseline": is_baseline}


def test_a_baseline_that_wins_on_the_test_part_is_named() -> None:
    """The cheapest baseline below the chosen candidate; none if it costs as much, more, or cannot be judged."""
    chosen = row("lof", 100.0, is_baseline=False)
    assert cheaper_baseline([row("k_sigma", 90.0), row("limits", 80.0), chosen], chosen)["candidate"] == "limits"
    assert cheaper_baseline([row("k_sigma", 100.0), chosen], chosen) is None
    assert cheaper_baseline([row("k_sigma", 110.0), row("other", 50.0, is_baseline=False), chosen], chosen) is None
    assert cheaper_baseline([row("k_sigma", None), chosen], chosen) is None
    assert cheaper_baseline([row("k_sigma", 90.0)], row("lof", None, is_baseline=False)) is None
