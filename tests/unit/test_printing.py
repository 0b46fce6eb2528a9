"""What the command line must not keep to itself."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from wheeltapper.features.mask import LEARNT, NOT_JUDGED
from wheeltapper.printing import cheaper_baseline, show_verdict


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


def test_a_training_says_what_alarms_have_kept_out_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Who is not told that an alarm waits for a word does not know why the model stays as it was."""
    judged = {"verdict": "keep", "candidate": "lof", "gates": [], "reasons": [], "test": []}
    learnt = {"train": {LEARNT: 900, NOT_JUDGED: 300}, "calibrate": {LEARNT: 200, NOT_JUDGED: 40}}
    on = Console(width=200)
    show_verdict(on, judged | {"learnt": learnt})
    said = capsys.readouterr().out
    assert "Left out of learning: 340 windows inside an alarm that nobody has judged." in said
    assert "wheeltapper dismiss PLANT ALARM_ID" in said
    show_verdict(on, judged | {"learnt": {"train": {LEARNT: 900}, "calibrate": {LEARNT: 240}}})
    show_verdict(on, judged)
    assert "Left out" not in capsys.readouterr().out


def failed(name: str, blocks: bool = True) -> dict[str, Any]:
    return {"name": name, "passed": False, "blocks": blocks, "reason": "told apart by nothing"}


def test_a_refusal_says_of_every_candidate_why_and_what_may_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Two candidates, refused by different gates; a gate that only informs gives no advice."""
    judged = {
        "verdict": "refuse",
        "candidate": "lof",
        "gates": [failed("beats_baselines"), failed("keeps_budget", blocks=False)],
        "passed_over": {"ecod": ["is_not_blind", "has_learnt"]},
        "reasons": [],
        "test": [],
    }
    show_verdict(Console(width=300), judged)
    said = capsys.readouterr().out
    assert "Not ecod: it fails 'is not blind', 'has learnt'." in said
    assert "More weeks with known faults" in said
    assert "alarm_budget" not in said


def test_a_promotion_says_why_a_better_placed_candidate_was_not_it(capsys: pytest.CaptureFixture[str]) -> None:
    """It is on the leaderboard above the one that goes live: that needs a reason, and no advice."""
    judged = {"verdict": "promote", "candidate": "lof", "gates": [], "reasons": [], "test": []}
    show_verdict(Console(width=300), judged | {"passed_over": {"ecod": ["beats_baselines"]}})
    said = capsys.readouterr().out
    assert "Not ecod: it fails 'beats baselines'." in said
    assert "More weeks" not in said
