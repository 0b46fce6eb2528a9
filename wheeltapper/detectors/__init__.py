"""Detectors and baselines: feature rows in, score out; higher is more anomalous, everywhere.

One detector a file, baselines too; this page holds what all of them promise. A detector stores its options in
the constructor, learns in ``fit``, and keeps what it learnt in attributes that end in ``_`` and hold arrays or
plain numbers: that is what a bundle saves, and nothing else (no pickle).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import ConfigError, NotFittedError
from wheeltapper.features.columns import Feature
from wheeltapper.plugins import DETECTORS, INSTALLED, PlugIns
from wheeltapper.spelling import near_miss

Floats = NDArray[np.float64]


class Detector(ABC):
    """One way of telling unusual feature rows from usual ones."""

    is_baseline: ClassVar[bool] = False
    """Too simple to fail to understand; stands on top of every leaderboard."""
    always_alarms: ClassVar[bool] = False
    """Alarms by definition, whatever the sensors show: the smallest effects that they name do not hold it back."""
    in_units: ClassVar[bool] = False
    """Looks at features in their own units instead of normalised ones."""
    learns_relations: ClassVar[bool] = False
    """Claims to learn how features move together; the gate ``has_learnt`` holds it to that."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Columns without which there is nothing to look at; a baseline stays out where the plant does not have them."""
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    """Options under a name, such as those of a published system: ``lof: {preset: reference_001}``."""
    own_threshold: float | None = None
    """A fixed threshold for detectors whose score is already a decision; all others get one from the alarm budget."""
    notices: ClassVar[Literal["every sensor", "some sensors", "nothing"]] = "every sensor"
    """Which sensors' outliers raise the score: every sensor's; only some (it looks at one sensor, at change, or at
    shape); or none, because it does not look at the rows."""
    reads_sequences: ClassVar[bool] = False
    """Looks at nothing but the columns of the feature set ``sequence``."""
    slow_to_fit: ClassVar[bool] = False
    """Takes seconds to be fitted, also with `example_options`; contract tests fit it less often."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Packages that scoring takes beside Wheeltapper's own, by the names that pip knows them by."""
    example_options: ClassVar[dict[str, Any]] = {}
    """Options for an example on a few hundred rows without units, where the defaults do not suit it or take long."""
    hasty_options: ClassVar[dict[str, Any]] = {}
    """Options that fit as fast as can be, however poor the result; only asked of those that are slow to fit."""
    other_values: ClassVar[dict[str, Any]] = {}
    """Option → another value that it takes, where none can be made from the default: texts, lists and None."""
    is_composite: ClassVar[bool] = False
    """Is made of other detectors that its options name; its constructor takes ``plug_ins``, where they are found."""
    seed: int = 0
    code: Mapping[str, str] = {}
    """Detector → digest of its code, of this one and those that it is made of; Wheeltapper's own are not in it."""
    features: tuple[Feature, ...] = ()
    """The sensors and the meaning of the columns: set by `build`, read by `fit` through
    `wheeltapper.features.columns.describe`. A column that is not described is a sensor's newest reading."""

    @abstractmethod
    def fit(self, rows: pd.DataFrame) -> Self:
        """Learn what is normal.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN
            Normalised feature rows of normal running (unitless: 0 is typical, 1 is one usual deviation).
            The meaning of each column is in `features`.
        """

    @abstractmethod
    def score(self, rows: pd.DataFrame) -> Floats:
        """Return how unusual each row is, shape (n_windows,), finite; each row is scored on its own.

        Raises
        ------
        NotFittedError
        """

    def score_array(self, values: Floats) -> Floats:
        """Return the scores of rows that come as plain numbers, equal to `score` to the last bit.

        This one makes a table of them; a detector that scores numbers anyway is an
        `wheeltapper.detectors.rows.ArrayDetector`, and needs a hundredth of the time for a single row.

        Parameters
        ----------
        values : ndarray of shape (n_windows, n_features), float64
            In the order of the columns that were learnt.

        Returns
        -------
        ndarray of shape (n_windows,), finite

        Raises
        ------
        NotFittedError, DataError
        """
        columns = getattr(self, "columns_", None)
        names = [feature.name for feature in self.features] if columns is None else list(columns)
        return np.asarray(self.score(pd.DataFrame(values, columns=names)), dtype=np.float64)

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame | None:  # noqa: ARG002
        """Return how much each feature adds to each row's score (same shape as ``rows``), None if unknown."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for a person on what was learnt that the figures do not show; mostly none."""
        return ()

    @property
    def options(self) -> dict[str, Any]:
        """The constructor's arguments, as stored."""
        return {name: getattr(self, name) for name in _option_names(type(self))}

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The learnt state: attribute name → array.

        Raises
        ------
        NotFittedError
            If there is nothing yet.
        """
        learnt = {
            name: np.asarray(value)
            for name, value in sorted(vars(self).items())
            if name.endswith("_") and not name.startswith("_")
        }
        if not learnt:
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit first.")
        return learnt

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Take over what another detector of the same kind and options learnt."""
        for name, value in state.items():
            setattr(self, name, value)
        return self


def build(
    name: str,
    options: dict[str, Any] | None = None,
    *,
    seed: int = 0,
    plug_ins: PlugIns = INSTALLED,
    features: Sequence[Feature] = (),
) -> Detector:
    """Make a detector by its file's name.

    Parameters
    ----------
    name : str
    options : mapping, optional
        The constructor's arguments; beside them ``preset`` names one of the detector's `Detector.presets`, whose
        options hold wherever no other value is given.
    seed : int
    plug_ins : PlugIns
        Where the detector is looked up, and those that its options name.
    features : sequence of Feature
        What the columns show that it will be fitted on or scores: those of the feature plan.

    Raises
    ------
    ConfigError
        If there is no such detector, or it has no such option or preset, or refuses an option's value.
    """
    kind = load(name, plug_ins)
    options = _resolved(name, kind, options or {})
    allowed = _option_names(kind)
    for option in options:
        if option not in allowed:
            raise ConfigError(
                f"detector {name} has no option '{option}' (it has: {', '.join(allowed) or 'none'})."
                f"{near_miss(option, allowed)}"
            )
    try:
        detector = kind(**options, **({"plug_ins": plug_ins} if kind.is_composite else {}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"detector {name}: {error}") from error
    detector.seed = seed
    digest = plug_ins.digest(DETECTORS, name)
    detector.code = {**detector.code, **({name: digest} if digest else {})}
    detector.features = tuple(features)
    return detector


def load(name: str, plug_ins: PlugIns = INSTALLED) -> type[Detector]:
    """Return the class of a detector by its file's name.

    Raises
    ------
    ConfigError
        If there is no such detector.
    """
    return plug_ins.load(DETECTORS, name, Detector)  # type: ignore[type-abstract]


def _resolved(name: str, kind: type[Detector], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with those of the preset that they name beneath them."""
    if "preset" not in options:
        return options
    preset, allowed = options["preset"], list(kind.presets)
    if preset not in allowed:
        raise ConfigError(
            f"detector {name} has no preset {preset!r} (it has: {', '.join(allowed) or 'none'})."
            f"{near_miss(str(preset), allowed)}"
        )
    return kind.presets[preset] | {option: value for option, value in options.items() if option != "preset"}


def baselines(columns: Collection[str] | None = None, plug_ins: PlugIns = INSTALLED) -> list[str]:
    """List the baselines by name; where columns are given, those that find what they need among them."""
    kinds = {name: load(name, plug_ins) for name in plug_ins.names(DETECTORS)}
    return [
        name
        for name, kind in kinds.items()
        if kind.is_baseline and (columns is None or set(kind.needs) <= set(columns))
    ]


def require_fitted(detector: Detector, attribute: str) -> None:
    """Refuse to score before fitting."""
    if not hasattr(detector, attribute):
        raise NotFittedError(f"{type(detector).__name__} has not been fitted; call fit first.")


def _option_names(kind: type[Detector]) -> list[str]:
    if kind.__init__ is object.__init__:
        return []
    return [name for name in inspect.signature(kind).parameters if name not in ("self", "plug_ins")]
