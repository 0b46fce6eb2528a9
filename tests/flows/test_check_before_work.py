"""Every flow refuses a typing mistake in the plant's YAML before its first task, also where a schedule starts it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tasks.ablate import plan_ablation
from wheeltapper.errors import ConfigError

FLOWS = sorted(path.stem for path in Path("flows").glob("*.py") if not path.stem.startswith("_"))

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source: {csv_folder: {path: nowhere, time_column: time}}
features: [latest]
candidates: [lof: {n_neighbours: 20}]
"""


@pytest.mark.parametrize("name", FLOWS)
def test_a_misspelt_option_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table, no run and no lock is made; no task is started, which would need a Prefect server."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    path = tmp_path / "mill.yaml"
    path.write_text(PLANT, encoding="utf-8")
    # `ablate` stores nothing and holds no lock; its first task asks.
    flow = getattr(importlib.import_module(f"flows.{name}"), name).fn if name != "ablate" else plan_ablation.fn
    options = ("all", 2, "") if name == "ablate" else ()
    with pytest.raises(ConfigError, match=r"mill\.yaml: candidates: detector lof has no option 'n_neighbours'"):
        flow(str(path), *options)
    assert not (tmp_path / "home").exists()
