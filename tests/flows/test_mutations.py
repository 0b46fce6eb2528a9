"""Sound detectors, broken on purpose: a gate refuses each of them, and says by its name what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import detectors, plants, sources
from wheeltapper.config import Plant, PlugIn
from wheeltapper.detectors import Detector
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import why_masked
from wheeltapper.scoring.bundle import POOLED, Bundle
from wheeltapper.selftest.examine import examine, share_found
from wheeltapper.selftest.twins import Twins, twins_of
from wheeltapper.training import parts
from wheeltapper.training.candidate import calibrated, fit_candidate

PLANT = """
asset_type: pump
source: {simulator: {assets: 2, start: 2026-01-05, duration: 5d, anomaly_rate: 0.02}}
windows: {rows: 5, every: 1}
features: [latest, rolling, rates, ratios]
candidates: [mahalanobis]
alarm_budget: 1
seed: 42
"""
TRIED: dict[str, dict[str, Any]] = {
    "mahalanobis": {},
    "pca_residual": {},
    "isolation_forest": {"n_estimators": 50},
    "autoencoder": {"epochs": 5},
    "lof": {},
}


@dataclass(frozen=True)
class Station:
    """Two simulated pumps, ready to fit candidates on and to test them."""

    plant: Plant
    features: pd.DataFrame
    part: pd.Series
    faults: pd.DataFrame
    twins: Twins

    @property
    def normal(self) -> pd.Series:
        """Which windows show normal running."""
        return (
            why_masked(FeaturePlan.of(self.plant).reaching(self.features), self.faults, self.plant.window_reach) == ""
        )

    def examine(self, bundle: Bundle) -> dict[str, Any]:
        """Return the gates by name."""
        tested = examine(bundle, self.twins, self.plant.alarms, self.plant.max_gap)
        return {gate.name: gate for gate in tested.gates}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """Simulate five days, cut them into parts, and rehearse every fault once for all tests."""
    path: Path = tmp_path_factory.mktemp("mutations") / "two_pumps.yaml"
    path.write_text(PLANT)
    plant = plants.load(str(path))
    batches = list(sources.build(plant.source).read(plant, None, None))
    readings, faults = (
        pd.concat([getattr(batch, name) for batch in batches], ignore_index=True) for name in ("rows", "faults")
    )
    plan = FeaturePlan.of(plant)
    features = compute(plan, readings)
    part = parts.assign(features, parts.cuts(readings.assign(origin="simulated"), plant))
    normal = features[(why_masked(plan.reaching(features), faults, plant.window_reach) == "") & (part == "validate")]
    twins = twins_of(plan, readings, normal.groupby("asset_id").tail(300), plant.alarms)
    return Station(plant, features, part, faults, twins)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) if name == "autoencoder" else name for name in TRIED],
)
def sound(request: pytest.FixtureRequest, station: Station) -> Bundle:
    """Fit one candidate as it should be."""
    candidate = PlugIn(name=request.param, options=TRIED[request.param])
    return fit_candidate(station.plant, candidate, station.features, station.part, station.faults, {})


class Broken(Detector):
    """A detector between whose ears and mouth something is wrong."""

    def __init__(self, sound: Detector, deaf_to: str | None = None) -> None:
        self.sound, self.deaf_to = sound, deaf_to

    def fit(self, rows: pd.DataFrame) -> Broken:
        return self

    def score(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the score with its sign flipped, or that of rows in which a sensor's columns are replaced by zeros."""
        if self.deaf_to is None:
            return -self.sound.score(rows)
        return self.sound.score(rows.assign(**{str(name): 0.0 for name in rows if self.deaf_to in str(name)}))


def broken(bundle: Bundle, deaf_to: str | None = None) -> Bundle:
    """Return the bundle with all its detectors broken."""
    return replace(bundle, detectors={unit: Broken(detector, deaf_to) for unit, detector in bundle.detectors.items()})


def detector_of(bundle: Bundle) -> Detector:
    """Return the detector that scores every machine."""
    return bundle.detectors[POOLED]


def at_random(bundle: Bundle, seed: int = 3) -> Bundle:
    """Return the bundle with every number that was learnt replaced by a random one of the usual size, and sign."""
    rng = np.random.default_rng(seed)

    def another(value: np.ndarray) -> np.ndarray:
        numbers = rng.standard_normal(value.shape)
        return np.abs(numbers) if (value >= 0).all() else numbers

    def redrawn(detector: Detector) -> Detector:
        drawn = {
            name: another(value).astype(value.dtype) if value.dtype.kind == "f" else value
            for name, value in detector.state.items()
        }
        return detectors.build(bundle.detector_name, detector.options).restore(drawn)

    return replace(bundle, detectors={unit: redrawn(detector) for unit, detector in bundle.detectors.items()})


def refusing(gates: dict[str, Any]) -> list[str]:
    """Name the gates that refuse."""
    return [name for name, gate in gates.items() if gate.blocks and gate.passed is False]


def test_a_sound_candidate_passes_every_gate(station: Station, sound: Bundle) -> None:
    """Nothing is wrong with it, and no gate says so."""
    assert refusing(station.examine(sound)) == []


def test_the_figure_alone_is_that_of_the_whole_examination(station: Station, sound: Bundle) -> None:
    """A search computes only the share of faults found: the figure that ranks candidates."""
    whole = examine(sound, station.twins, station.plant.alarms, station.plant.max_gap).mean
    assert round(share_found(sound, station.twins, station.plant.alarms), 4) == whole


@pytest.mark.parametrize("is_calibrated_afterwards", [False, True])
def test_a_flipped_sign_is_refused_as_inverted(station: Station, sound: Bundle, is_calibrated_afterwards: bool) -> None:
    """Its score falls when a fault comes, also where the threshold was set after the sign was flipped."""
    flipped = broken(sound)
    if is_calibrated_afterwards:
        rows = station.features[station.normal & (station.part == "calibrate")]
        flipped = calibrated(flipped, station.plant, rows)
    gates = station.examine(flipped)
    assert "is_not_inverted" in refusing(gates)
    assert gates["is_not_inverted"].figure < 0.5


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.long) for seed in (4, 5, 6))])
@pytest.mark.parametrize("is_calibrated_afterwards", [False, True])
def test_random_weights_are_refused(station: Station, sound: Bundle, seed: int, is_calibrated_afterwards: bool) -> None:
    """For every seed, and also with a threshold that was set afterwards: a gate refuses it by name."""
    drawn = at_random(sound, seed)
    if is_calibrated_afterwards:
        rows = station.features[station.normal & (station.part == "calibrate")]
        drawn = calibrated(drawn, station.plant, rows)
    refused = refusing(station.examine(drawn))
    assert refused
    if detector_of(sound).learns_relations:
        assert "has_learnt" in refused


@pytest.mark.parametrize("sensor", ["vibration", "current"])
def test_an_ignored_sensor_is_refused_as_blind_and_named(station: Station, sound: Bundle, sensor: str) -> None:
    """All gates but one pass: only a fault of this sensor alone gives it away."""
    gates = station.examine(broken(sound, deaf_to=sensor))
    assert refusing(gates) == ["is_not_blind"]
    assert f"does not find faults of {sensor}:" in gates["is_not_blind"].reason


def test_an_infinite_threshold_is_refused_as_unreachable(station: Station, sound: Bundle) -> None:
    """Its scores are right, but no alarm can ever open."""
    never = dict.fromkeys(sound.calibration.threshold, np.inf)
    gates = station.examine(replace(sound, calibration=replace(sound.calibration, threshold=never)))
    assert "threshold_is_reachable" in refusing(gates)
    assert "inf" in gates["threshold_is_reachable"].reason
    assert gates["is_not_blind"].passed
