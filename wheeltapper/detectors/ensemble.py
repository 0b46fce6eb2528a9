"""Ensemble: several detectors vote, each with how rare it finds a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats, require_fitted
from wheeltapper.detectors._members import Member, below, code_of, split, together
from wheeltapper.detectors.rows import ArrayDetector, Names, learn_rows, read_rows
from wheeltapper.features.columns import Feature, describe
from wheeltapper.plugins import INSTALLED, PlugIns

_DEFAULT = ("pca_residual", "k_nearest", "ecod")
_STEP = 3.0  # usual deviations by which a sensor is moved to see which member notices it
_TRIED = 1000  # held-out rows that this is tried on
_LEAST_WEIGHT = 0.01  # of a member that notices nothing: it stays in sight, and decides nothing


class Ensemble(ArrayDetector):
    """Add up, over several detectors, how rarely each gives a normal row so high a score: ``Σ w · (−ln P)``.

    Each member is fitted on the first three quarters of the training rows. How its scores are spread out is learnt
    from the last quarter and stored, so a row means the same alone and in a batch; beyond the highest score seen the
    tail goes on exponentially. A member that cannot be fitted is an error: a missing vote would go unnoticed.

    The weights are given, or found on the last quarter: in each of its rows one sensor is moved by three usual
    deviations, and a member counts by how well it tells these rows from the untouched ones (area under the ROC curve,
    0.5 counts as nothing). No labels are needed.

    It works where members err differently. It does not make good of bad members, takes as long as all of them
    together, and learns from a quarter less.

    Parameters
    ----------
    members : list, optional
        Detectors with their options, as in a plant: ``[pca_residual, lof: {n_neighbors: 10}]``. At least two.
    weights : list of float, optional
        One for each member, above 0; they are divided by their sum.

    References
    ----------
    .. [1] H.-P. Kriegel et al., "Interpreting and Unifying Outlier Scores", SDM 2011,
           doi:10.1137/1.9781611972818.2 (scores as probabilities before they are combined).
    .. [2] R. A. Fisher, "Statistical Methods for Research Workers", 1932, § 21.1 (adding −ln P).
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "reference_001": {
            "members": [{name: {"preset": "reference_001"}} for name in ("isolation_forest", "lof", "autoencoder")],
            "weights": [1, 1, 1],
        }
    }
    other_values: ClassVar[dict[str, Any]] = {
        "members": ["ecod", "pca_residual", {"k_nearest": {"k": 3}}],
        "weights": [1, 2, 0.5],
    }
    is_composite: ClassVar[bool] = True
    columns_: Names
    weights_: Floats

    def __init__(
        self,
        members: Sequence[Any] | None = None,
        weights: Sequence[float] | None = None,
        *,
        plug_ins: PlugIns = INSTALLED,
    ) -> None:
        self.members = members
        self.weights = weights
        self._plug_ins = plug_ins
        self._parts = self._built()
        self.code = code_of(self._parts)
        _check_weights(weights, len(self._parts))

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of its members."""
        return tuple(f"{member.name}: {note}" for member in self._parts.values() for note in member.detector.notes)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Fit the members, calibrate them, and find their weights.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In time order: the last quarter is held out.

        Raises
        ------
        DataError
            If the rows are not usable, or a member cannot be fitted to them.
        """
        columns, _ = learn_rows(rows)
        parts = self._built()
        fit_on, held_out = split(rows)
        for member in parts.values():
            member.fit(fit_on, held_out)
        weights = np.array(self.weights, dtype=np.float64) if self.weights else self._heard(parts, held_out)
        self._parts, self.columns_, self.weights_ = parts, columns, weights / weights.sum()
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return the weighted mean of the members' −ln P."""
        total = np.zeros(len(values))
        for votes in self._votes(values).values():
            total += votes
        return total

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame | None:
        """Return each member's part of the score, shared out as the member shares out its own; adds up to the score.

        A member that cannot say is shared out as the others are; None if none of them can.

        Raises
        ------
        NotFittedError, DataError
        """
        votes = self._votes(read_rows(self, rows))
        shares = {key: member.shares(rows) for key, member in self._parts.items()}
        explained = {key: share.to_numpy() * votes[key][:, None] for key, share in shares.items() if share is not None}
        if not explained:
            return None
        explained_total = np.sum(list(explained.values()), axis=0)
        total, explained_score = np.sum(list(votes.values()), axis=0), explained_total.sum(axis=1)
        even = np.full_like(explained_total, 1.0 / explained_total.shape[1])
        parts = (
            np.divide(explained_total, explained_score[:, None], out=even, where=explained_score[:, None] > 0)
            * total[:, None]
        )
        return pd.DataFrame(parts, index=rows.index, columns=rows.columns)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The learnt state of the ensemble and its members; a member's arrays begin with ``member0.``, and so on."""
        return super().state | together(self._parts)

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Take over what another ensemble of the same options learnt."""
        super().restore({name: value for name, value in state.items() if "." not in name})
        for key, member in self._parts.items():
            member.restore(below(state, f"{key}."), self.features)
        return self

    def _votes(self, values: Floats) -> dict[str, Floats]:
        require_fitted(self, "weights_")
        return {
            key: weight * member.rarity_of_values(values, self.columns_)
            for (key, member), weight in zip(self._parts.items(), self.weights_.tolist(), strict=True)
        }

    def _built(self) -> dict[str, Member]:
        members = _DEFAULT if self.members is None else self.members
        if not isinstance(members, Sequence) or isinstance(members, str) or len(members) < 2:
            raise ValueError(f"option 'members' must be a list of at least two detectors, got {self.members!r}")
        return {
            f"member{number}": Member("ensemble", member, self._plug_ins, seed=self.seed, features=self.features)
            for number, member in enumerate(members)
        }

    def _heard(self, parts: Mapping[str, Member], rows: pd.DataFrame) -> Floats:
        """Return how well each member tells rows with one sensor moved from the same rows untouched, 0.01 to 1."""
        rows = rows.iloc[:: math.ceil(len(rows) / _TRIED)]
        moved = _one_sensor_moved(rows, self.features, self.seed)
        areas = [_separation(member.rarity(rows), member.rarity(moved)) for member in parts.values()]
        return np.maximum(2.0 * np.array(areas) - 1.0, _LEAST_WEIGHT)


def _check_weights(weights: object, n_members: int) -> None:
    if weights is None:
        return
    is_list = isinstance(weights, Sequence) and not isinstance(weights, str) and len(weights) == n_members
    if not is_list or not all(isinstance(weight, int | float) and 0 < weight < math.inf for weight in weights):  # type: ignore[attr-defined]
        raise ValueError(f"option 'weights' must be {n_members} numbers above 0, one a member, got {weights!r}")


def _one_sensor_moved(rows: pd.DataFrame, features: Sequence[Feature], seed: int) -> pd.DataFrame:
    """Return the rows with all features of one sensor, another one in each row, moved up or down.

    A feature of several sensors moves with the first of them. Features of no sensor move together.
    """
    random = np.random.default_rng(seed)
    names = sorted(map(str, rows.columns))  # sorted: the order of columns must not matter
    described = describe(names, features)
    no_sensor = next((feature.name for feature in described if not feature.sensors), "")
    first_sensors = [feature.sensors[0] if feature.sensors else no_sensor for feature in described]
    sensors = sorted(set(first_sensors))
    owner = np.array([sensors.index(sensor) for sensor in first_sensors])
    values = rows[names].to_numpy()
    which = random.integers(len(sensors), size=len(rows))
    step = random.choice([-_STEP, _STEP], size=len(rows))
    moved = values + np.where(owner == which[:, None], step[:, None], 0.0) * np.maximum(values.std(axis=0), 0.1)
    return pd.DataFrame(moved, index=rows.index, columns=names)


def _separation(usual: Floats, moved: Floats) -> float:
    """Return the chance that a moved row scores above a usual one; ties count half: the area under the ROC curve."""
    ordered = np.sort(usual)
    places = np.searchsorted(ordered, moved, "left") + np.searchsorted(ordered, moved, "right")
    return float(places.mean() / (2 * len(ordered)))
