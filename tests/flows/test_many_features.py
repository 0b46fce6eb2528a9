"""Many features, some without a value: from readings to scores, through a bundle that was shrunk and that fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.flows.conftest import SIMULATED, Home, Nursery
from wheeltapper import tables
from wheeltapper.features.compute import compute
from wheeltapper.scoring import bundle as bundles
from wheeltapper.workspace import OBJECTIVE

pytestmark = pytest.mark.slow  # real servers and processes

FEATURES = """\
features:
  - latest
  - tsfresh:
      settings: efficient
      calculators: [skewness, autocorrelation, quantile, value_count]
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Any:
    """Run a plant whose windows are too short for some of its features."""
    folder = tmp_path_factory.mktemp("many")
    plant = folder / "many.yaml"
    plant.write_text(SIMULATED.replace("features: [latest]\n", FEATURES))
    home = Home.furnished(folder / "home", plant, nursery)
    for step in ("ingest", "featurize", "train", "score"):
        ended = home.run(step)
        assert (ended.code, ended.err) == (0, ""), ended.out
    return home


def live(home: Any, folder: Path) -> Any:
    """Return the live bundle, downloaded and verified."""
    version = home.registry.at(home.plant.stem, OBJECTIVE, "champion")
    return bundles.read(home.registry.download(version), expected=version.bundle)


def test_windows_with_blanks_are_scored(scored: Any, tmp_path: Path) -> None:
    """Rows are usable although no feature of lag 5 has a value; the live bundle is shrunk and scores all of them."""
    rows = scored.store.read(tables.FEATURES)
    assert rows["usable"].mean() > 0.5
    assert rows["flow_rate__autocorrelation__lag_9"].isna().all()
    bundle = live(scored, tmp_path)
    assert "flow_rate__autocorrelation__lag_9" not in bundle.plan.columns
    assert bundle.imputer is not None
    scores = scored.store.read(tables.SCORES)
    assert len(scores) > 100
    assert np.isfinite(scores["score"]).all()


def test_stored_rows_and_readings_give_the_same_scores(scored: Any, tmp_path: Path) -> None:
    """The stored feature rows and the bundle's own plan, computed from the readings, give the same scores."""
    bundle = live(scored, tmp_path)
    scores = scored.store.read(tables.SCORES).sort_values(["asset_id", "window_end"], ignore_index=True)
    recomputed = bundle.score(compute(bundle.plan, scored.store.read(tables.READINGS)))
    key = ["asset_id", "window_end"]
    joined = scores[key].merge(recomputed, on=key, how="left")
    pd.testing.assert_series_equal(joined["score"], scores["score"], rtol=1e-12)


def test_the_model_names_what_it_needs(scored: Any) -> None:
    """A bundle's packages include tsfresh and all that its kernels need."""
    version = scored.registry.at(scored.plant.stem, OBJECTIVE, "champion")
    listed = scored.registry.download(version)
    text = "".join(path.read_text() for path in Path(listed).parent.rglob("requirements.txt"))
    assert "tsfresh==" in text
