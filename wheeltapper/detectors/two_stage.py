"""Two stages: a cheap detector looks at every row, a dear one only at those that the cheap one suspects."""

from __future__ import annotations

import logging
import math
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Detector, Floats
from wheeltapper.detectors._members import Member, below, split, together
from wheeltapper.detectors._options import check_between
from wheeltapper.detectors._rows import Names, learn_rows, read_rows
from wheeltapper.errors import ConfigError

_log = logging.getLogger("wheeltapper.detectors")


class TwoStage(Detector):
    """Ask a second detector only about rows that the first finds rarer than one in ten (or as set).

    Both scores become ``−ln P`` on the latest quarter of the training rows, which neither is fitted on. A row that
    the first finds usual gets the first's; any other gets that of the bound, and the second's on top:

        score = r₁                if r₁ ≤ g,     g = −ln(1 − quantile)
        score = g + r₂            otherwise

    so a suspected row always scores above an unsuspected one, and how far above is for the second to say.

    It works for a cheap detector that hears everything and cries often, as on a device at the machine. What the first
    does not suspect, the second never sees. Without a second (``second: null``, for a device that cannot run it) the
    first's ``−ln P`` is the score, unbounded, and `notes` says so.

    Parameters
    ----------
    first, second : str or mapping
        Detectors with their options, as in a plant: ``isolation_forest``, or ``lof: {n_neighbors: 10}``.
    quantile : float
        Share of normal rows that are not asked about, between 0 and 1.

    References
    ----------
    .. [1] P. Viola, M. Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001,
           doi:10.1109/CVPR.2001.990517 (cascades).
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "reference_001": {
            "first": {"isolation_forest": {"preset": "reference_001"}},
            "second": {"autoencoder": {"preset": "reference_001"}},
        }
    }
    columns_: Names

    def __init__(self, first: Any = "pca_residual", second: Any = "k_nearest", quantile: float = 0.9) -> None:
        check_between("two_stage", "quantile", quantile, low=0.0, high=1.0)
        self.first = first
        self.second = second
        self.quantile = quantile
        self._parts = self._built()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: that nobody confirms, where there is no second detector."""
        if self.second is not None:
            return ()
        return (f"no second stage: {self._parts['first'].name} alone decides, and nothing confirms what it suspects",)

    def fit(self, rows: pd.DataFrame) -> Self:
        """Fit both detectors and calibrate them.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In time order: the last quarter is held out.

        Raises
        ------
        DataError
            If the rows are not usable, or one of the detectors cannot be fitted to them.
        """
        columns, _ = learn_rows(rows)
        parts = self._built()
        fit_on, held_out = split(rows)
        for member in parts.values():
            member.fit(fit_on, held_out)
        self._parts, self.columns_ = parts, columns
        for note in self.notes:
            _log.warning("two_stage: %s", note)
        return self

    def score(self, rows: pd.DataFrame) -> Floats:
        """Return −ln P by the first detector, or above its bound by the second.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features)

        Returns
        -------
        ndarray of shape (n_windows,), in nats, not negative

        Raises
        ------
        NotFittedError, DataError
        """
        first, second, _ = self._stages(rows)
        return first + second

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame | None:
        """Return each stage's part of the score, shared out as its detector shares out its own; adds up to the score.

        None if one of the detectors cannot say.

        Raises
        ------
        NotFittedError, DataError
        """
        first, second, suspected = self._stages(rows)
        shares = self._parts["first"].shares(rows)
        if shares is None:
            return None
        parts = shares.to_numpy() * first[:, None]
        if suspected.any():
            confirming = self._parts["second"].shares(rows[suspected])
            if confirming is None:
                return None
            parts[suspected] += confirming.to_numpy() * second[suspected, None]
        return pd.DataFrame(parts, index=rows.index, columns=rows.columns)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """What both detectors learnt; the arrays of each begin with ``first.`` or ``second.``."""
        return super().state | together(self._parts)

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Take over what another one of the same options learnt."""
        super().restore({name: value for name, value in state.items() if "." not in name})
        for key, member in self._parts.items():
            member.restore(below(state, f"{key}."))
        return self

    def _stages(self, rows: pd.DataFrame) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return what each stage adds to the score, and which rows the second was asked about."""
        read_rows(self, rows)  # refuses what neither could read, in this detector's own name
        first, second = self._parts["first"].rarity(rows), np.zeros(len(rows))
        bound = -math.log(1.0 - self.quantile) if self.second is not None else math.inf
        suspected: NDArray[np.bool_] = first > bound
        if suspected.any():
            second[suspected] = self._parts["second"].rarity(rows[suspected])
        return np.minimum(first, bound), second, suspected

    def _built(self) -> dict[str, Member]:
        wanted = {"first": self.first} | ({} if self.second is None else {"second": self.second})
        built = {}
        for option, one in wanted.items():
            try:
                built[option] = Member("two_stage", one, seed=self.seed)
            except (ConfigError, ValueError) as error:
                raise ValueError(f"option '{option}': {error}") from error
        return built
