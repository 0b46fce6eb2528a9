"""Two stages: a cheap detector looks at every row, a dear one only at those that the cheap one suspects."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._members import Member, below, code_of, named, split, together
from wheeltapper.detectors._options import check_between
from wheeltapper.detectors.rows import ArrayDetector, Names, learn_rows, read_rows
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, PlugIns

_log = logging.getLogger("wheeltapper.detectors")

Answer = TypeVar("Answer")
Rows = TypeVar("Rows", pd.DataFrame, Floats)


class TwoStage(ArrayDetector):
    """Ask a second detector only about rows that the first finds rarer than one in ten (or as set).

    Both scores become ``−ln P`` on the latest quarter of the training rows, which neither is fitted on. A row that
    the first finds usual gets the first's; any other gets that of the bound, and the second's on top:

        score = r₁                if r₁ ≤ g,     g = −ln(1 − quantile)
        score = g + r₂            otherwise

    so a suspected row always scores above an unsuspected one, and how far above is for the second to say.

    It works for a cheap detector that notices everything and alarms often, as on a device at the machine. Rows that
    the first does not suspect never reach the second.

    Without a second the first's ``−ln P`` is the score, unbounded, and `notes` says so: where none is wanted
    (``second: null``, for a device that cannot run it), or where what it needs is not installed. Where a second that
    was fitted fails on rows that are scored, or cannot be had, r₁ stands in for its r₂, so that an alarm is still
    raised; there may be more of them, since no second detector has confirmed them.

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
    other_values: ClassVar[dict[str, Any]] = {"first": {"ecod": None}, "second": {"k_nearest": {"k": 3}}}
    is_composite: ClassVar[bool] = True
    columns_: Names
    lacks_: str = ""
    """The package that the second needs and that was missing where this was fitted; saved only if there is one."""

    def __init__(
        self,
        first: Any = "pca_residual",
        second: Any = "k_nearest",
        quantile: float = 0.9,
        *,
        plug_ins: PlugIns = INSTALLED,
    ) -> None:
        check_between("two_stage", "quantile", quantile, low=0.0, high=1.0)
        self.first = first
        self.second = second
        self.quantile = quantile
        self._absent, self._unconfirmed = "", 0
        self._plug_ins = plug_ins
        self._parts = self._built()
        self.code = code_of(self._parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for a person: no second detector confirms, or it has failed."""
        alone = f"{self._parts['first'].name} alone decides, and nothing confirms what it suspects"
        if self.second is None:
            return (f"no second stage: {alone}",)
        if "second" not in self._parts:
            needed = f"{named(self.second)[0]} needs {self.lacks_ or self._absent}, which was not installed"
            then = "; the next training on new readings fits both" if self.lacks_ else ""
            return (f"no second stage: {alone}. {needed}. Install it{then}",)
        if self._unconfirmed:
            return (f"the second stage failed on {self._unconfirmed:,} windows; there {alone}",)
        return ()

    def fit(self, rows: pd.DataFrame) -> Self:
        """Fit both detectors and calibrate them.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            In time order: the last quarter is held out.

        Raises
        ------
        DataError
            If the rows are not usable, or one of the detectors cannot be fitted to them. A second that needs what is
            not installed is left out instead.
        """
        columns, _ = learn_rows(rows)
        vars(self).pop("lacks_", None)
        self._absent, self._unconfirmed = "", 0
        parts = self._built()
        fit_on, held_out = split(rows)
        parts["first"].fit(fit_on, held_out)
        if "second" in parts:
            try:
                parts["second"].fit(fit_on, held_out)
            except ImportError as error:
                self._go_without(error)
                del parts["second"]
        if self.second is not None and "second" not in parts:
            self.lacks_ = self._absent
        self._parts, self.columns_ = parts, columns
        for note in self.notes:
            _log.warning("two_stage: %s", note)
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return −ln P by the first detector, or above its bound by the second; all by the first if that one fails."""
        first, second, _ = self._stages(values)
        return first + second

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame | None:
        """Return each stage's part of the score, shared out as its detector shares out its own; adds up to the score.

        None if one of the detectors cannot say, or the second fails.

        Raises
        ------
        NotFittedError, DataError
        """
        first, second, suspected = self._stages(read_rows(self, rows))
        shares = self._parts["first"].shares(rows)
        if shares is None:
            return None
        parts = shares.to_numpy() * first[:, None]
        if suspected.any():
            confirming = self._asked(rows[suspected], Member.shares)
            if confirming is None:
                return None
            parts[suspected] += confirming.to_numpy() * second[suspected, None]
        return pd.DataFrame(parts, index=rows.index, columns=rows.columns)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The learnt state of both detectors; the arrays of each begin with ``first.`` or ``second.``."""
        return super().state | together(self._parts)

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Take over what another one of the same options learnt."""
        super().restore({name: value for name, value in state.items() if "." not in name})
        if "lacks_" in state:
            self.lacks_ = str(state["lacks_"])
            self._parts.pop("second", None)  # it may be installed here, but has learnt nothing
        for key, member in self._parts.items():
            member.restore(below(state, f"{key}."), self.features)
        if self.second is not None and "second" not in self._parts:
            _log.warning("two_stage: %s", self.notes[0])
        return self

    def _stages(self, values: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return what each stage adds to the score, and which rows the second was asked about."""
        columns = self.columns_
        first, second = self._parts["first"].rarity_of_values(values, columns), np.zeros(len(values))
        is_alone = self.second is None or self.lacks_ != ""
        bound = math.inf if is_alone else -math.log(1.0 - self.quantile)
        suspected: NDArray[np.bool_] = first > bound
        if suspected.any():
            confirmed = self._asked(values[suspected], lambda member, some: member.rarity_of_values(some, columns))
            if confirmed is None:
                return np.minimum(first, bound) + np.where(suspected, first, 0.0), second, np.zeros_like(suspected)
            second[suspected] = confirmed
        return np.minimum(first, bound), second, suspected

    def _asked(self, suspected: Rows, question: Callable[[Member, Rows], Answer]) -> Answer | None:
        """Return what the second says of suspected rows; None if it fails or is not there: an alarm must not wait."""
        member = self._parts.get("second")
        if member is None:
            return None  # which was said when this was restored
        try:
            return question(member, suspected)
        except Exception as error:  # whatever it is, the first has spoken
            self._unconfirmed += len(suspected)
            _log.warning(
                "two_stage: the second stage, %s, failed on %d suspected windows (%s: %s); the verdict of the first, "
                "%s, stands for them",
                member.name,
                len(suspected),
                type(error).__name__,
                error,
                self._parts["first"].name,
            )
            return None

    def _built(self) -> dict[str, Member]:
        """Make both detectors; only the first where no second is wanted, or what it needs is not installed."""
        built = {"first": self._part("first", self.first)}
        if self.second is not None:
            try:
                built["second"] = self._part("second", self.second)
            except ImportError as error:
                self._go_without(error)
        return built

    def _part(self, option: str, description: object) -> Member:
        try:
            return Member("two_stage", description, self._plug_ins, seed=self.seed, features=self.features)
        except (ConfigError, ValueError) as error:
            raise ValueError(f"option '{option}': {error}") from error

    def _go_without(self, error: ImportError) -> None:
        """Remember what the second lacks: the module, not the message, which may hold a path of this machine."""
        _log.debug("two_stage: the second stage cannot be used: %s", error)
        self._absent = error.name or "a library"
