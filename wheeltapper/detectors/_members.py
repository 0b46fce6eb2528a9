"""Detectors inside a detector: written as in a plant's YAML, fitted in time order, and put on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Detector, Floats, build
from wheeltapper.detectors._tails import mean_excess, rarity, spread_out
from wheeltapper.detectors.rows import ArrayDetector, Names
from wheeltapper.errors import DataError, NotFittedError
from wheeltapper.features.columns import Feature
from wheeltapper.plugins import PlugIns

_ROUNDING = 1e-9
"""A score this much above one that it was calibrated with is the same: another version may add up in another order."""
_HELD_OUT = 0.25  # share of the rows, the latest, on which members are calibrated
_LEAST_HELD_OUT = 40  # fewer say nothing about tails; then members are calibrated on the rows they were fitted on


class Member:
    """One detector, and how rare each of its scores is on rows that it was not fitted on.

    Parameters
    ----------
    owner : str
        The detector that it is a part of, for messages.
    description : str or mapping
        ``lof``, or ``lof: {n_neighbors: 10}``.
    plug_ins : PlugIns
        Where it is looked up.
    seed : int
    features : sequence of Feature
        What the columns show.

    Raises
    ------
    ValueError
        If that is no detector, or one whose scores cannot be put on a common scale.
    """

    def __init__(
        self, owner: str, description: object, plug_ins: PlugIns, *, seed: int = 0, features: Sequence[Feature] = ()
    ) -> None:
        self.owner = owner
        self.name, options = named(description)
        self.detector: Detector = build(self.name, options, seed=seed, plug_ins=plug_ins, features=features)
        if self.detector.in_units or self.detector.own_threshold is not None:
            raise ValueError(
                f"{self.name} cannot be a part of {owner}: it looks at values in their own units, or decides by "
                "itself. Let it be a candidate of its own."
            )
        self.ordered: Floats
        self.scale: Floats

    def fit(self, rows: pd.DataFrame, calibrate: pd.DataFrame) -> None:
        """Learn from some rows, and from others how its scores are spread out.

        Raises
        ------
        DataError
            If it cannot be fitted; the message names it.
        """
        try:
            self.detector.fit(rows)
        except DataError as error:
            raise DataError(f"{self.owner}'s part {self.name} cannot be fitted: {error}") from error
        scores = self.detector.score(calibrate)
        ordered = spread_out(scores[:, None])
        # A score that hardly ever moves must not make a trifle look enormous.
        least = max(0.1 * float(scores.std()), 1e-6 * max(1.0, float(np.abs(ordered).max())))
        self.ordered, self.scale = ordered, mean_excess(ordered, least)

    def rarity(self, rows: pd.DataFrame) -> Floats:
        """Return −ln of the chance of a score at least as high on usual rows, shape (n_rows,)."""
        return self._rarity(self.detector.score(rows))

    def rarity_of_values(self, values: Floats, columns: Names) -> Floats:
        """Return the same of rows that come as plain numbers, with the features in this order."""
        if isinstance(self.detector, ArrayDetector):
            scores = self.detector.score_array(values)
        else:
            scores = self.detector.score(pd.DataFrame(values, columns=columns))
        return self._rarity(scores)

    def _rarity(self, scores: Floats) -> Floats:
        return rarity(scores[:, None], self.ordered, self.scale, _ROUNDING)[:, 0]

    def shares(self, rows: pd.DataFrame) -> pd.DataFrame | None:
        """Return each feature's share in each row's score, not negative, adding up to 1; None if it cannot say."""
        parts = self.detector.contributions(rows)
        if parts is None:
            return None
        positive = np.maximum(parts.to_numpy(), 0.0)
        total = positive.sum(axis=1, keepdims=True)
        even = np.full_like(positive, 1.0 / positive.shape[1])
        shares = np.divide(positive, total, out=even, where=total > 0)
        return pd.DataFrame(shares, index=parts.index, columns=parts.columns)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The learnt arrays."""
        calibration = {"ordered": self.ordered, "scale": self.scale}
        return calibration | {f"detector.{name}": value for name, value in self.detector.state.items()}

    def restore(self, state: Mapping[str, NDArray[Any]], features: Sequence[Feature] = ()) -> None:
        """Take over what another one learnt from columns of these features."""
        self.ordered, self.scale = state["ordered"], state["scale"]
        self.detector.features = tuple(features)
        self.detector.restore(below(state, "detector."))


def named(description: object) -> tuple[str, dict[str, Any]]:
    """Return name and options of ``lof`` or ``lof: {n_neighbors: 10}``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(description, str):
        return description, {}
    if isinstance(description, Mapping) and len(description) == 1:
        ((name, options),) = description.items()
        if isinstance(options, Mapping | None):
            return str(name), dict(options or {})
    raise ValueError(f"expected a detector such as lof, or lof: {{n_neighbors: 10}}, got {description!r}")


def split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to fit on and the latest quarter to calibrate on; all rows twice where there are too few."""
    held_out = round(len(rows) * _HELD_OUT)
    if held_out < _LEAST_HELD_OUT:
        return rows, rows
    return rows.iloc[:-held_out], rows.iloc[-held_out:]


def below(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def code_of(members: Mapping[str, Member]) -> dict[str, str]:
    """Return `Detector.code` of all members."""
    return {name: digest for member in members.values() for name, digest in member.detector.code.items()}


def together(members: dict[str, Member]) -> dict[str, NDArray[Any]]:
    """Return what all members learnt, each under its own prefix.

    Raises
    ------
    NotFittedError
        If they have learnt nothing yet.
    """
    if not all(hasattr(member, "ordered") for member in members.values()):
        raise NotFittedError("it has not been fitted; call fit first.")
    return {f"{key}.{name}": value for key, member in members.items() for name, value in member.state.items()}
