"""The bundle: everything needed to score, in files that cannot run code.

Feature plan, normaliser, detector, calibration and their provenance travel as one folder of JSON and npz files under
a SHA-256 manifest. Batch, REST, stream and edge score through the same bundle, and it is read only after its
manifest has been verified. No clock goes into it: the same plant, data and seed give the same bundle hash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
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
from wheeltapper.scoring.calibration import Calibration
from wheeltapper.scoring.effect import is_far

Floats = NDArray[np.float64]

POOLED = "*"
"""The unit that scores every asset which has no model of its own."""
REQUIREMENTS = ("numpy", "pandas", "scipy", "scikit-learn", "numba")
"""Packages that any bundle is scored with; its feature sets may need more, see `requirements`."""
FORMAT = 2
"""2 has an imputer and the hash of the plan that its own was shrunk from; a bundle that needs neither is written as 1,
byte for byte as it was."""
AT_ONCE = 40_000_000
"""Values that are scored at a time: detectors make copies, and a wide table has many."""
REQUIREMENTS = ("numpy", "pandas", "scipy", "scikit-learn", "numba")
"""Packages that any bundle is scored with; its feature sets may need more, see `requirements`."""
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
    """Asset → its own detector; `POOLED` for all that have none."""
    calibration: Calibration
    provenance: dict[str, Any]
    """What it was made from: plant, seed, data digest, package versions."""
    imputer: Imputer | None = None
    """Fills features that have no value with what training has seen; None where every feature always has one."""
    whole: str = ""
    """Hash of the feature plan that ``plan`` was shrunk from: rows of it hold all that is needed."""
    read_as: str = ""
    """The hash that its files had when it was read; empty for one that was just made."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Features that it needs."""
        return self.plan.columns

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages that it scores with."""
        return requirements(self.plan)

    def example(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the first usable feature rows, complete, as an example of what it is given."""
        first = rows.iloc[np.flatnonzero(rows["usable"])[:EXAMPLE_ROWS]]
        return self.complete(first)[list(self.plan.columns)].reset_index(drop=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the detectors, each said once; see `Detector.notes`."""
        return tuple(dict.fromkeys(note for one in self.detectors.values() for note in one.notes))

    def complete(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return usable rows with a value of every feature of the plan."""
        return filled(self.imputer, rows, self.plan.columns)

    def inputs(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what the detectors look at: feature columns in usual deviations, or in their own units."""
        return inputs(next(iter(self.detectors.values())), self.normaliser, self.complete(rows))

    def raw_scores(self, rows: pd.DataFrame) -> Floats:
        """Return the detectors' own scores of usable rows, shape (n_windows,)."""
        at_once = max(1, AT_ONCE // len(self.plan.columns))
        parts = [self._raw_scores(rows.iloc[at : at + at_once]) for at in range(0, len(rows), at_once)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _raw_scores(self, rows: pd.DataFrame) -> Floats:
        return self.scores_of(self.inputs(rows), rows["asset_id"].to_numpy())

    def scores_of(self, z: pd.DataFrame, assets: NDArray[Any]) -> Floats:
        """Return the detectors' own scores of rows as `inputs` returns them, each by its asset's detector."""
        raw = np.empty(len(z))
        for unit, detector in self.detectors.items():
            own = ~np.isin(assets, list(self.detectors)) if unit == POOLED else assets == unit
            if own.any():
                raw[own] = detector.score(z[own])
        return raw

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score every usable feature row.

        Parameters
        ----------
        features : DataFrame
            Rows of the features table that were computed with this bundle's plan, or with the one that it was shrunk
            from.

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
        rows = self.own_rows(features)
        rows = rows[rows["usable"]]
        scored = rows[["asset_id", "window_start", "window_end", "regime"]].reset_index(drop=True)
        scored[["score", "threshold"]] = self.calibration.apply(rows, self.raw_scores(rows)).to_numpy()
        far = self._far(rows)
        if far is not None:
            # No sensor is far enough from normal to be worth a walk: the score would have to be higher still.
            scored["threshold"] = scored["threshold"].mask(~far, np.maximum(scored["threshold"], scored["score"]))
        scored["severity"] = np.maximum(scored["score"], 0) / scored["threshold"]
        return scored

    def _far(self, rows: pd.DataFrame) -> NDArray[np.bool_] | None:
        """Tell which windows may be anomalous by the sensors' smallest effects; None where all may."""
        if next(iter(self.detectors.values())).always_alarms:
            return None
        return is_far(self.asset_type, self.plan.features, self.normaliser, rows)

    def own_rows(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return rows of this bundle's plan; from rows of the plan that it was shrunk from its columns are taken.

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
        other = sorted(followed - {self.plan.hash, self.whole})
        raise BundleError(f"these feature rows follow plan {other}, the bundle expects {self.plan.hash}")

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
        code = {name: digest for one in self.detectors.values() for name, digest in one.code.items()}
        description = {
            **more,
            **({"code": code} if code else {}),
            "format": 1 + bool(more),
            "asset_type": self.asset_type.model_dump(mode="json"),
            "plan": self.plan.model_dump(mode="json"),
            "normaliser": self.normaliser.method,
            "detector": self.detector_name,
            "options": {unit: one.options for unit, one in sorted(self.detectors.items())},
            "calibration": self.calibration.as_dict(),
            "provenance": self.provenance,
        }
        arrays = {f"normaliser/{name}": value for name, value in self.normaliser.state().items()}
        for unit, one in self.detectors.items():
            arrays |= {f"detector/{unit}/{name}": value for name, value in one.state.items()}
        text = json.dumps(description, sort_keys=True, indent=1, ensure_ascii=False)
        return {_DESCRIPTION: text.encode(), _ARRAYS: manifest.pack(arrays)}


def requirements(plan: FeaturePlan) -> tuple[str, ...]:
    """Return the packages that a bundle with this plan is scored with."""
    return tuple(dict.fromkeys((*REQUIREMENTS, *plan.needs)))


def inputs(detector: Detector, normaliser: RegimeNormaliser, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the feature columns as a detector wants them."""
    return rows[list(normaliser.columns)] if detector.in_units else normaliser.transform(rows)


def read(folder: Path, expected: str | None = None, plug_ins: PlugIns = INSTALLED) -> Bundle:
    """Read a bundle, after its manifest (and its hash, where one is expected) has been verified.

    Parameters
    ----------
    folder : Path
    expected : str, optional
        The bundle's hash.
    plug_ins : PlugIns
        Where its detector and feature sets are looked up: those of its plant.

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
        raise BundleError(f"{folder}: has no detector for '{POOLED}', which scores assets without one of their own.")
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
    """Refuse a bundle whose plug-ins, those that are not Wheeltapper's own, are not here as they were in training."""
    required = [(DETECTORS, content.get("code", {})), (FEATURE_SETS, content["plan"].get("code", {}))]
    for kind, code in required:
        for name, digest in code.items():
            try:
                plug_ins.require(kind, name, digest)
            except ConfigError as error:
                raise BundleError(f"{folder} cannot be read: {error}") from error


def _below(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of one part; those of asset ``valve1/0`` are not among those of asset ``valve1``."""
    found = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    return {name: value for name, value in found.items() if "/" not in name}


def fingerprint(bundle: Bundle) -> str:
    """Return the bundle's hash: the one that `Bundle.write` returns and that the ledger and MLflow name it by.

    A bundle that was read keeps the name it was read under: a later version of this code may write it differently.
    """
    return bundle.read_as or manifest.fingerprint(bundle.files())
