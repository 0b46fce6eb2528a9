"""What the terminal shows of a verdict and of a new normal, and the commands that it suggests."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from wheeltapper.cli import looking
from wheeltapper.cli.printing.new_normal import show_new_normal
from wheeltapper.cli.printing.verdict import cheaper_baseline, show_verdict
from wheeltapper.errors import NoChampionError
from wheeltapper.evaluation.gates import Gate
from wheeltapper.readings.exclude import LEARNT, NOT_JUDGED
from wheeltapper.training.choose import Judged
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


def test_windows_left_out_because_of_an_alarm_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm that nobody has judged keeps windows out of learning: the number is shown, and how to judge it."""
    learnt = {"train": {LEARNT: 900, NOT_JUDGED: 300}, "calibrate": {LEARNT: 200, NOT_JUDGED: 40}}
    console = Console(width=200)
    show_verdict(console, judgement(learnt=learnt))
    shown = capsys.readouterr().out
    assert "Left out of learning: 340 windows inside an alarm that nobody has judged." in shown
    assert "wheeltapper dismiss PLANT ALARM_ID" in shown
    show_verdict(console, judgement(learnt={"train": {LEARNT: 900}, "calibrate": {LEARNT: 240}}))
    show_verdict(console, judgement())
    assert "Left out" not in capsys.readouterr().out


def failed(name: str, blocks: bool = True) -> Gate:
    return Gate(name=name, passed=False, figure=None, limit=None, blocks=blocks, reason="as good as a baseline")


def judgement(**fields: Any) -> Judged:
    """Return how a training ended that kept its champion, or as the fields say."""
    plain: dict[str, Any] = {"verdict": "keep", "candidate": "lof", "reasons": [], "gates": [], "leaderboard": []}
    return Judged.model_validate(plain | {"bundle": "", "model_uri": "", "candidate_run": ""} | fields)


def test_a_refusal_shows_a_reason_for_every_candidate_and_what_may_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Two candidates, refused by different gates; a gate that only informs gives no advice."""
    gates = [failed("beats_baselines"), failed("keeps_budget", blocks=False)]
    judged = judgement(verdict="refuse", gates=gates, passed_over={"ecod": ["is_not_blind", "has_learnt"]})
    show_verdict(Console(width=300), judged)
    shown = capsys.readouterr().out
    assert "Not ecod: it fails 'is not blind', 'has learnt'." in shown
    assert "Add weeks with known faults" in shown
    assert "alarm_budget" not in shown


def test_a_promotion_shows_why_a_better_placed_candidate_was_not_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """It stands above the one that goes live: that needs a reason, but no advice."""
    show_verdict(Console(width=300), judgement(verdict="promote", passed_over={"ecod": ["beats_baselines"]}))
    shown = capsys.readouterr().out
    assert "Not ecod: it fails 'beats baselines'." in shown
    assert "Add weeks" not in shown


@pytest.mark.parametrize("asset", ["pump-07", "O'Hara, 2; 50%", "[red]"])
def test_the_command_that_accepts_a_new_normal_can_be_copied(asset: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell splits the printed line into six words and a switch, whatever the machine or the folder is called."""
    preview = Preview(asset, pd.Timestamp("2026-01-31", tz="UTC"), "normal", (), {}, ())
    plant = "conf [old]/two pumps.yaml"
    show_new_normal(Console(width=200), preview, shlex.quote(plant), None)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  wheeltapper")]
    begin = "2026-01-31T00:00:00Z"
    assert shlex.split(line) == ["wheeltapper", "rebaseline", plant, asset, "--from", begin, "--yes"]


@pytest.mark.parametrize("look", [looking.report, looking.alarms, looking.leaderboard])
def test_a_suggested_command_can_be_copied(look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of the plant contains a space, so it is quoted."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    path = tmp_path / "two pumps" / "mill.yaml"
    path.parent.mkdir()
    path.write_text("asset_type: pump\nsource: {simulator: {assets: 1, start: 2026-01-05, duration: 1d}}\n")
    with pytest.raises(NoChampionError) as refusal:
        look(str(path))
    assert str(refusal.value).endswith(f"Run: wheeltapper run '{path}'")
