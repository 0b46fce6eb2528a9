"""Parts by whole assets: machines that are judged and scored are not those that candidates learn from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.flows.conftest import SIMULATED, Home, Nursery
from wheeltapper import tables
from wheeltapper.scoring import bundle as bundles
from wheeltapper.workspace import OBJECTIVE

pytestmark = [pytest.mark.slow, pytest.mark.long]

LEFT_OUT = (
    SIMULATED.replace("assets: 2", "assets: 8")
    .replace("parts: {by: fraction, train: 0.4, calibrate: 0.25, validate: 0.2, test: 0.15}", "parts: {by: assets}")
    .replace("candidates: [isolation_forest: {n_estimators: 20}, pca_residual]", "candidates: [mahalanobis]")
)


def test_machines_that_are_judged_were_never_learnt_from(tmp_path: Path, nursery: Nursery) -> None:
    """Three pumps train, two calibrate; the other three are judged and scored from their first window on."""
    path = tmp_path / "pumps.yaml"
    path.write_text(LEFT_OUT)
    home = Home.furnished(tmp_path / "home", path, nursery)
    ended = home.run("run")
    assert (ended.code, ended.err) == (0, ""), ended.out
    live = home.registry.at("pumps", OBJECTIVE, "champion")
    bundle = bundles.read(home.registry.download(live), expected=live.bundle)
    learnt = {str(asset) for asset, _ in bundle.normaliser.state()["groups"]} - {""}
    scores = home.store.read(tables.SCORES)
    scored = set(scores["asset_id"])
    assert (len(learnt), len(scored)) == (3, 3)
    assert not learnt & scored
    readings = home.store.read(tables.READINGS)
    first = readings.groupby("asset_id")["timestamp"].min()
    begun = scores.groupby("asset_id")["window_end"].min()
    assert (begun - first[begun.index] < pd.Timedelta(hours=1)).all()
    page = (home.folder / "reports" / "pumps" / "report.html").read_text(encoding="utf-8")
    assert "judged on machines from which they have not learnt" in page
