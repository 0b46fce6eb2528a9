"""What the command line must not keep to itself."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from wheeltapper.cli import looking
from wheeltapper.cli.printing import cheaper_baseline, show_new_normal, show_verdict
from wheeltapper.errors import NoChampionError
from wheeltapper.readings.exclude import LEARNT, NOT_JUDGED
from wheeltapper.training.rebaseline import Preview


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


@pytest.mark.parametrize("asset", ["pump-07", "O'Hara, 2; 50%", "[red]"])
def test_the_command_that_accepts_a_new_normal_can_be_typed_as_it_stands(
    asset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a machine or a folder is called, a shell reads the printed line as six words and a switch."""
    found = Preview(asset, pd.Timestamp("2026-01-31", tz="UTC"), "normal", (), {}, ())
    plant = "conf [old]/two pumps.yaml"
    show_new_normal(Console(width=200), found, shlex.quote(plant), None)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("  wheeltapper")]
    begin = "2026-01-31T00:00:00Z"
    assert shlex.split(line) == ["wheeltapper", "rebaseline", plant, asset, "--from", begin, "--yes"]


@pytest.mark.parametrize("look", [looking.report, looking.alarms, looking.leaderboard])
def test_a_command_that_would_help_can_be_typed_as_it_stands(
    look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of the plant has a space in it, and is quoted where it is to be typed again."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    path = tmp_path / "two pumps" / "mill.yaml"
    path.parent.mkdir()
    path.write_text("asset_type: pump\nsource: {simulator: {assets: 1, start: 2026-01-05, duration: 1d}}\n")
    with pytest.raises(NoChampionError) as refusal:
        look(str(path))
    assert str(refusal.value).endswith(f"Run: wheeltapper run '{path}'")
