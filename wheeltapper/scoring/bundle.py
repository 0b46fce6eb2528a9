"""The bundle: everything needed to score, in files that cannot run code.

Feature plan, normaliser, detector, calibration and their provenance travel as one folder of JSON and npz files under
a SHA-256 manifest. Batch, REST, stream and edge score through the same bundle, and it is read only after its
manifest has been verified. No clock goes into it: the same plant, data and seed give the same bundle hash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import detectors, manifest
from wheeltapper.config import AssetType
from wheeltapper.detectors import Detector
from wheeltapper.errors import BundleError, ConfigError
from wheeltapper.features.compute import select
from wheeltapper.features.impute import Imputer, filled
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.plugins import DETECTORS, FEATURE_SETS, INSTALLED, PlugIns
from wheeltapper.scoring.calibration import ANY, Calibration
from wheeltapper.scoring.scorer import AT_ONCE, Scorer

Floats = NDArray[np.float64]

POOLED = ANY
"""The unit that scores every asset without a model of its own."""
REQUIREMENTS = ("numpy", "pandas", "scipy", "scikit-learn", "numba")
"""Packages that any bundle is scored with; its feature sets may need more, see `requirements`."""
FORMAT = 2
"""Format 2 has an imputer and the hash of the plan that the bundle's plan was shrunk from. A bundle that needs neither
is written in format 1, byte for byte as before."""
EXAMPLE_ROWS = 3
_DESCRIPTION, _ARRAYS = "bundle.json", "arrays.npz"


@dataclass(frozen=True)
class Bundle:
    """A fitted candidate, ready to score."""

    asset_type: AssetType
    plan: FeaturePlan
    normaliser: RegimeNormaliser
    detector_name: str
    detectors: dict[str, Detector]
    """Asset → detector; `POOLED` for all assets without one of their own."""
    calibration: Calibration
    provenance: dict[str, Any]
    """Origin of the bundle: plant, seed, data digest, package versions."""
    imputer: Imputer | None = None
    """Fills missing feature values from training data; None where features always have a value."""
    whole: str = ""
    """Hash of the feature plan that ``plan`` was shrunk from: rows of that plan have all columns needed."""
    read_as: str = ""
    """Hash of the files that the bundle was read from; empty for a new one."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Features that the bundle needs."""
        return self.plan.columns

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages that the bundle scores with."""
        return requirements(self.plan)

    def example(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the first usable feature rows, complete, as an example of the bundle's input."""
        first = rows.iloc[np.flatnonzero(rows["usable"])[:EXAMPLE_ROWS]]
        return self.complete(first)[list(self.plan.columns)].reset_index(drop=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the detectors for a person, without repetition; see `Detector.notes`."""
        return tuple(dict.fromkeys(note for detector in self.detectors.values() for note in detector.notes))

    def complete(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return usable rows with a value of every feature of the plan."""
        return filled(self.imputer, rows, self.plan.columns)

    def inputs(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the input of the detectors: feature columns in usual deviations, or in their units."""
        return inputs(next(iter(self.detectors.values())), self.normaliser, self.complete(rows))

    def raw_scores(self, rows: pd.DataFrame) -> Floats:
        """Return the raw scores of usable rows, shape (n_windows,)."""
        at_once = max(1, AT_ONCE // len(self.plan.columns))
        parts = [self._raw_scores(rows.iloc[at : at + at_once]) for at in range(0, len(rows), at_once)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _raw_scores(self, rows: pd.DataFrame) -> Floats:
        return self.scores_of(self.inputs(rows), rows["asset_id"].to_numpy())

    def scores_of(self, z: pd.DataFrame, assets: NDArray[Any]) -> Floats:
        """Return the raw scores of rows as `inputs` returns them, each by its asset's detector."""
        raw = np.empty(len(z))
        for unit, detector in self.detectors.items():
            is_of_unit = ~np.isin(assets, list(self.detectors)) if unit == POOLED else assets == unit
            if is_of_unit.all():
                return detector.score(z)
            if is_of_unit.any():
                raw[is_of_unit] = detector.score(z[is_of_unit])
        return raw

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score every usable feature row.

        Parameters
        ----------
        features : DataFrame
            Rows of the features table, computed with this bundle's plan or with the plan that it was shrunk from.

        Returns
        -------
        DataFrame with columns asset_id, window_start, window_end, regime, score, threshold, severity
            One row for each usable feature row; severity is score ÷ threshold and never negative. Where no sensor lies
            as far from normal as the smallest effect that the asset type names, the threshold is at least the score,
            unless the detector always alarms.

        Raises
        ------
        BundleError
            If the rows were computed with another plan.
        """
        rows = self.rows_of_plan(features)
        rows = rows[rows["usable"]]
        scored = rows[["asset_id", "window_start", "window_end", "regime"]].reset_index(drop=True)
        scores = self.scorer.score_rows(rows)
        return scored.assign(score=scores.score, threshold=scores.threshold, severity=scores.severity)

    @cached_property
    def scorer(self) -> Scorer:
        """The same as `score` for windows that come as plain numbers; made once."""
        return Scorer(self)

    def rows_of_plan(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return rows with the columns of this bundle's plan, also from rows of the plan that it was shrunk from.

        Raises
        ------
        BundleError
            If the rows were computed with another plan.
        """
        followed = set(features["plan"].unique()) if "plan" in features else set()
        if followed <= {self.plan.hash}:
            return features
        if followed == {self.whole}:
            return select(self.plan, features)
        other_plans = sorted(followed - {self.plan.hash, self.whole})
        raise BundleError(f"these feature rows follow plan {other_plans}, the bundle expects {self.plan.hash}")

    def write(self, folder: Path) -> str:
        """Write the bundle's files and return its hash."""
        return manifest.write(folder, self.files())

    def files(self) -> dict[str, bytes]:
        """Return the bundle as files: name → content, the same bytes every time."""
        more: dict[str, Any] = {}
        if self.imputer is not None:
            more["imputer"] = self.imputer.model_dump(mode="json")
        if self.whole not in ("", self.plan.hash):
            more["whole"] = self.whole
        code = {name: digest for detector in self.detectors.values() for name, digest in detector.code.items()}
        description = {
            **more,
            **({"code": code} if code else {}),
            "format": 1 + bool(more),
            "asset_type": self.asset_type.model_dump(mode="json"),
            "plan": self.plan.model_dump(mode="json"),
            "normaliser": self.normaliser.method,
            "detector": self.detector_name,
            "options": {unit: detector.options for unit, detector in sorted(self.detectors.items())},
            "calibration": self.calibration.as_dict(),
            "provenance": self.provenance,
        }
        arrays = {f"normaliser/{name}": value for name, value in self.normaliser.state().items()}
        for unit, detector in self.detectors.items():
            arrays |= {f"detector/{unit}/{name}": value for name, value in detector.state.items()}
        text = json.dumps(description, sort_keys=True, indent=1, ensure_ascii=False)
        return {_DESCRIPTION: text.encode(), _ARRAYS: manifest.pack(arrays)}


def requirements(plan: FeaturePlan) -> tuple[str, ...]:
    """Return the packages that a bundle with this plan is scored with."""
    return tuple(dict.fromkeys((*REQUIREMENTS, *plan.needs)))


def inputs(detector: Detector, normaliser: RegimeNormaliser, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the feature columns in the units that the detector uses."""
    return rows[list(normaliser.columns)] if detector.in_units else normaliser.transform(rows)


def read(folder: Path, expected: str | None = None, plug_ins: PlugIns = INSTALLED) -> Bundle:
    """Read a bundle, after its manifest (and its hash, where one is expected) has been verified.

    Parameters
    ----------
    folder : Path
    expected : str, optional
        The bundle's hash.
    plug_ins : PlugIns
        The plant's plug-ins; detector and feature sets are looked up there.

    Raises
    ------
    BundleError
        If a file was changed, added or removed, the format is not known, no detector scores unknown assets, or a
        plug-in is missing or not the one that the bundle was trained with.
    """
    files = manifest.read(folder, expected)
    content = json.loads(files[_DESCRIPTION])
    if content["format"] not in range(1, FORMAT + 1):
        raise BundleError(f"{folder}: bundle format {content['format']} is not known; this version reads 1 to {FORMAT}")
    if POOLED not in content["options"]:
        raise BundleError(
            f"{folder}: has no detector for '{POOLED}', which scores assets without a detector of their own."
        )
    _require_plug_ins(folder, content, plug_ins)
    arrays = manifest.unpack(files[_ARRAYS])
    normaliser = RegimeNormaliser(method=content["normaliser"]).restore(_below(arrays, "normaliser/"))
    plan = FeaturePlan.model_validate({**content["plan"], "plug_ins": plug_ins})
    fitted = {
        unit: detectors.build(content["detector"], options, plug_ins=plug_ins, features=plan.features).restore(
            _below(arrays, f"detector/{unit}/")
        )
        for unit, options in content["options"].items()
    }
    return Bundle(
        asset_type=AssetType.model_validate(content["asset_type"]),
        plan=plan,
        normaliser=normaliser,
        detector_name=content["detector"],
        detectors=fitted,
        calibration=Calibration.from_dict(content["calibration"]),
        provenance=content["provenance"],
        imputer=Imputer.model_validate(content["imputer"]) if "imputer" in content else None,
        whole=content.get("whole", ""),
        read_as=manifest.fingerprint(files),
    )


def _require_plug_ins(folder: Path, content: dict[str, Any], plug_ins: PlugIns) -> None:
    """Refuse a bundle if one of its foreign plug-ins is missing or was changed since training."""
    required = [(DETECTORS, content.get("code", {})), (FEATURE_SETS, content["plan"].get("code", {}))]
    for kind, code in required:
        for name, digest in code.items():
            try:
                plug_ins.require(kind, name, digest)
            except ConfigError as error:
                raise BundleError(f"{folder} cannot be read: {error}") from error


def _below(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of one part; asset ``valve1`` does not include the arrays of asset ``valve1/0``."""
    below = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    return {name: value for name, value in below.items() if "/" not in name}


def fingerprint(bundle: Bundle) -> str:
    """Return the bundle's hash, as `Bundle.write` returns it and the ledger and MLflow record it.

    A bundle that was read keeps the hash of its files: a later version of this code may write them differently.
    """
    return bundle.read_as or manifest.fingerprint(bundle.files())
