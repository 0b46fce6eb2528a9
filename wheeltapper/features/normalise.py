"""Regime-aware normalisation: every feature in usual deviations of its own machine in its own operating state.

Usual values are learnt from normal training rows alone. A row is scaled on its own, whatever other rows are beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import tables
from wheeltapper.errors import ConfigError, DataError, NotFittedError
from wheeltapper.features.columns import Feature, describe, that_show
from wheeltapper.features.restless import from_mean_square
from wheeltapper.spelling import near_miss

Floats = NDArray[np.float64]
Method = Literal["robust", "standard"]

ANY = ""
"""Stands for every asset or every regime in a group's name; neither can have an empty name."""

UNSEEN = "asset not seen in training"
"""Why a group stands in for a machine that no training row was of."""

_IQR_OF_NORMAL = 1.349
_AT_ONCE = 1_000_000  # values: a table keeps its columns together, and few of them are turned into rows in the cache
_NEVER_BELOW = 0.05
"""A group's scale is at least this share of the feature's usual scale elsewhere."""
_OF_A_CONSTANT = 0.01
"""The scale of a feature that never changed anywhere: this share of its value, or this much where it is 0."""
_ROUNDING = 1e-12
"""A scale below this share of the centre is rounding, not movement."""


class RegimeNormaliser:
    """Scale features by centre and usual deviation of their (asset, regime).

    Falls back to the asset in all regimes, then to the regime over all assets, then to everything, where a group
    had fewer than ``min_rows`` training rows. An unseen asset or regime falls back in the same way, and `fallbacks`
    lists it. It is never filled with zeros, which would look perfectly normal.

    ``robust`` uses the median and IQR/1.349 (the standard deviation where more than half the rows are equal),
    ``standard`` mean and standard deviation. Prefer robust: training rows are seldom as clean as their labels.

    A scale is never zero. It is at least 5 % of the feature's usual scale (the median over all groups that move), so
    that a sensor which stands still in one regime gives some hundreds when it moves there. A feature that never moved
    anywhere gets 1 % of its value as scale, or 0.01 of its unit where its value is 0. Restlessness in a group that
    never was restless is compared with that elsewhere, or with the scale of the sensor's level. Results are cut at
    ± ``clip``: beyond 1000 usual deviations a larger number has no further meaning, but its square in a detector would
    hide all other features.

    Does not help where a fault itself changes the regime's name, nor where normal running drifts: then refit.
    """

    def __init__(self, method: Method = "robust", *, min_rows: int = 50, clip: float = 1000.0) -> None:
        if method not in get_args(Method):
            methods = list(get_args(Method))
            raise ConfigError(f"normalise must be one of {methods}, got {method!r}.{near_miss(method, methods)}")
        if min_rows < 2 or not clip > 0:
            raise ConfigError(f"min_rows must be at least 2 and clip above 0, got {min_rows} and {clip:g}")
        self.method: Method = method
        self.min_rows = min_rows
        self.clip = clip

    def fit(self, rows: pd.DataFrame, features: Sequence[Feature] = ()) -> Self:
        """Learn usual values and deviations.

        Parameters
        ----------
        rows : DataFrame
            Rows of the features table from normal running in the train part: asset_id, regime and feature columns.
        features : sequence of Feature
            What the columns show; one that is not described is taken for a sensor's newest reading. A feature of no
            sensor stays as it is: the hour of a start-up that always came at midnight has no scale, and a start-up at
            noon would be a hundred of them away.

        Raises
        ------
        DataError
            If there is no row or no feature, or a feature has no finite value in some row.
        """
        columns = [str(name) for name in rows.columns if name not in tables.FEATURES.names()]
        if not len(rows) or not columns:
            raise DataError(f"nothing to learn from: {len(rows)} rows with features {columns}")
        values = rows[columns].to_numpy(dtype=np.float64, copy=True)
        _require_finite(values, columns, rows)
        assets, regimes = _texts(rows, "asset_id"), _texts(rows, "regime")
        members = _members(assets, regimes)
        groups = {key: at for key, at in members.items() if key == (ANY, ANY) or len(at) >= self.min_rows}
        pairs = [self._centre_and_scale(values[at]) for at in groups.values()]
        centre = np.array([centre for centre, _ in pairs])
        measured = np.array([deviation for _, deviation in pairs])
        scale = _with_floor(centre, measured, _moving(groups))
        described = describe(columns, features)
        scale = _with_floor_of_restlessness(described, centre, measured, scale, _moving(groups))
        as_is = [not feature.sensors for feature in described]
        centre[:, as_is], scale[:, as_is] = 0.0, 1.0
        self._keep(
            columns=columns,
            groups=list(groups),
            centre=centre,
            scale=scale,
            counts={key: len(at) for key, at in members.items()},
        )
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the features in usual deviations: 0 is typical, 1 is one usual deviation.

        Returns
        -------
        DataFrame of shape (n_windows, n_features), float64, with the index of ``rows``
            In the order of `columns`, cut at ± ``clip``; NaN stays NaN.

        Raises
        ------
        NotFittedError
        DataError
            If a feature, the asset or the regime is missing.
        """
        from wheeltapper.features._scaling import in_deviations  # numba opens slowly

        group, n_features = self.groups_of(rows), len(self._columns)
        every, nothing = np.arange(n_features), np.full((3, n_features), np.nan)
        scaled = np.empty((len(rows), n_features))
        at_once = max(1, _AT_ONCE // n_features)
        for start in range(0, max(len(rows), 1), at_once):
            part = slice(start, start + at_once)
            values = matrix(rows.iloc[part], self._columns)
            scaled[part] = in_deviations(
                values, every, nothing, group[part], self._centre, self._scale, float(self.clip)
            )
        return pd.DataFrame(scaled, index=rows.index, columns=self.columns, copy=False)

    def centre(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what is typical for each row's asset and regime, in the features' own units."""
        return pd.DataFrame(self._centre[self.groups_of(rows)], index=rows.index, columns=self.columns)

    def scale(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return one usual deviation for each row's asset and regime, in the features' own units; above zero."""
        return pd.DataFrame(self._scale[self.groups_of(rows)], index=rows.index, columns=self.columns)

    def centre_and_scale(self, asset_id: str, regime: str) -> tuple[Floats, Floats]:
        """Return both for one asset and regime, each of shape (n_features,): for callers without frames."""
        self._require_fitted()
        group = self._find(asset_id, regime)
        return self._centre[group].copy(), self._scale[group].copy()

    @property
    def centres(self) -> Floats:
        """What is typical for each group, shape (n_groups, n_features), in the features' own units."""
        self._require_fitted()
        return self._centre

    @property
    def scales(self) -> Floats:
        """One usual deviation of each group, shape (n_groups, n_features), in the features' own units; above zero."""
        self._require_fitted()
        return self._scale

    @property
    def groups(self) -> list[tuple[str, str]]:
        """Asset and regime of each group; `ANY` stands for all of them."""
        self._require_fitted()
        return list(self._groups)

    def group_of(self, asset_id: str, regime: str) -> int:
        """Return the place of the group that scales an asset in a regime, in `centres`, `scales` and `groups`."""
        self._require_fitted()
        return self._find(asset_id, regime)

    def fallbacks(self, rows: pd.DataFrame) -> pd.DataFrame:
        """List which rows are not scaled by their own asset and regime, and what scales them instead.

        Returns
        -------
        DataFrame with columns asset_id, regime, rows, used, why
            One line for each such pair, ``rows`` of them; ``used`` is ``asset``, ``regime`` or ``all``. Empty if every
            row has its own group.
        """
        self._require_fitted()
        pairs = Counter(zip(_texts(rows, "asset_id"), _texts(rows, "regime"), strict=True))
        lines = [
            (asset, regime, count, self._level(asset, regime), self._why(asset, regime))
            for (asset, regime), count in sorted(pairs.items())
            if self._level(asset, regime) != "own"
        ]
        return pd.DataFrame(lines, columns=["asset_id", "regime", "rows", "used", "why"])

    @property
    def columns(self) -> list[str]:
        """The features, in order.

        Raises
        ------
        NotFittedError
        """
        self._require_fitted()
        return list(self._columns)

    @property
    def options(self) -> dict[str, Any]:
        """The constructor's arguments, as stored; plain JSON."""
        return {"method": self.method, "min_rows": self.min_rows, "clip": self.clip}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what was learnt as plain arrays (texts and numbers, nothing pickled).

        Raises
        ------
        NotFittedError
        """
        self._require_fitted()
        return {
            "columns": np.array(self._columns, dtype=np.str_),
            "groups": np.array(self._groups, dtype=np.str_).reshape(-1, 2),
            "centre": self._centre.copy(),
            "scale": self._scale.copy(),
            "seen": np.array(list(self._counts), dtype=np.str_).reshape(-1, 2),
            "seen_rows": np.array(list(self._counts.values()), dtype=np.int64),
            "min_rows": np.array(self.min_rows),
            "clip": np.array(self.clip),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Take over what another normaliser of the same method learnt.

        Raises
        ------
        DataError
            If something is missing, or shapes do not belong together.
        """
        missing = sorted(_STATE - set(state))
        if missing:
            raise DataError(f"a normaliser's state needs {sorted(_STATE)}; {missing} did not come")
        groups, columns = [(str(a), str(r)) for a, r in state["groups"]], [str(name) for name in state["columns"]]
        shape = (len(groups), len(columns))
        if state["centre"].shape != shape or state["scale"].shape != shape or (ANY, ANY) not in groups:
            raise DataError(
                f"a normaliser of {shape[0]} groups and {shape[1]} features needs arrays of shape {shape} and a group "
                f"for everything; got centre {state['centre'].shape}, scale {state['scale'].shape}"
            )
        self.min_rows, self.clip = int(state["min_rows"]), float(state["clip"])
        seen = [(str(a), str(r)) for a, r in state["seen"]]
        self._keep(
            columns=columns,
            groups=groups,
            centre=np.array(state["centre"], dtype=np.float64),
            scale=np.array(state["scale"], dtype=np.float64),
            counts=dict(zip(seen, state["seen_rows"].tolist(), strict=True)),
        )
        return self

    def _keep(
        self,
        *,
        columns: list[str],
        groups: list[tuple[str, str]],
        centre: Floats,
        scale: Floats,
        counts: dict[tuple[str, str], int],
    ) -> None:
        self._columns, self._groups, self._centre, self._scale = columns, groups, centre, scale
        self._counts = counts
        self._place = {key: place for place, key in enumerate(groups)}

    def _centre_and_scale(self, values: Floats) -> tuple[Floats, Floats]:
        """Return centre and scale of each column, before any floor."""
        deviation = values.std(axis=0)
        if self.method == "standard":
            return values.mean(axis=0), deviation
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        spread = (high - low) / _IQR_OF_NORMAL
        return median, np.where(spread > 0, spread, deviation)

    def _find(self, asset: str, regime: str) -> int:
        """Return the place of the group that scales an asset in a regime."""
        for key in _chain(asset, regime):
            if key in self._place:
                return self._place[key]
        raise NotFittedError("the normaliser has no group for everything; fit it again.")

    def groups_of(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the place of each row's group; every pair is looked up once.

        Raises
        ------
        NotFittedError
        DataError
            If the asset or the regime is missing.
        """
        self._require_fitted()
        assets, asset_names = numbered(rows, "asset_id")
        regimes, regime_names = numbered(rows, "regime")
        table = np.array(
            [[self._find(asset, regime) for regime in regime_names] for asset in asset_names], dtype=np.int64
        ).reshape(len(asset_names), len(regime_names))
        return np.asarray(table[assets, regimes])

    def _level(self, asset: str, regime: str) -> str:
        """Name the level at which an asset in a regime is scaled."""
        group = self._groups[self._find(asset, regime)]
        return {(False, False): "own", (False, True): "asset", (True, False): "regime", (True, True): "all"}[
            (group[0] == ANY, group[1] == ANY)
        ]

    def _why(self, asset: str, regime: str) -> str:
        """Return why an asset in a regime has no group of its own."""
        if (asset, ANY) not in self._counts:
            return UNSEEN
        if (asset, regime) not in self._counts:
            return "regime not seen in training" + ("" if (ANY, regime) not in self._counts else " for this asset")
        return f"only {self._counts[asset, regime]} training rows, {self.min_rows} are needed"

    def _require_fitted(self) -> None:
        if not hasattr(self, "_place"):
            raise NotFittedError("RegimeNormaliser has not been fitted; call fit first.")


_STATE = {"columns", "groups", "centre", "scale", "seen", "seen_rows", "min_rows", "clip"}


def _chain(asset: str, regime: str) -> tuple[tuple[str, str], ...]:
    """List the groups that may scale an asset in a regime, best first."""
    return (asset, regime), (asset, ANY), (ANY, regime), (ANY, ANY)


def _members(assets: NDArray[Any], regimes: NDArray[Any]) -> dict[tuple[str, str], NDArray[np.intp]]:
    """Return for every group the positions of its rows, in the order of their names."""
    asset_codes, asset_names = pd.factorize(assets, sort=True)
    regime_codes, regime_names = pd.factorize(regimes, sort=True)
    members = {(ANY, ANY): np.arange(len(assets))}
    for code, regime in enumerate(regime_names):
        members[ANY, str(regime)] = np.flatnonzero(regime_codes == code)
    for number, asset in enumerate(asset_names):
        rows_of_asset = np.flatnonzero(asset_codes == number)
        members[str(asset), ANY] = rows_of_asset
        for code, regime in enumerate(regime_names):
            rows_of_pair = rows_of_asset[regime_codes[rows_of_asset] == code]
            if len(rows_of_pair):
                members[str(asset), str(regime)] = rows_of_pair
    return members


def _moving(groups: Iterable[tuple[str, str]]) -> NDArray[np.bool_]:
    """Tell which groups show how much a feature usually moves: one asset in one regime; all groups, if there is none.

    Wider groups mix levels of different machines and regimes; counted as movement, the distance between two meters
    that stand at 1e6 and 5e6 would hide everything that either of them does.
    """
    is_own = np.array([ANY not in key for key in groups])
    return is_own if is_own.any() else np.ones_like(is_own)


def _with_floor(centre: Floats, scale: Floats, counts: NDArray[np.bool_]) -> Floats:
    """Raise scales, so that a feature that stands still does not give huge values when it moves.

    Parameters
    ----------
    centre, scale : ndarray of shape (n_groups, n_features)
        As measured.
    counts : ndarray of bool, shape (n_groups,)
        The groups whose median is the usual scale of a feature.
    """
    moves = scale > _ROUNDING * np.abs(centre)
    floor = np.empty_like(scale)
    for column in range(scale.shape[1]):
        usual = scale[counts & moves[:, column], column]
        if not len(usual):
            usual = scale[moves[:, column], column]
        at = np.abs(centre[:, column])
        constant = _OF_A_CONSTANT * np.where(at > 0, at, 1.0)
        floor[:, column] = _NEVER_BELOW * np.median(usual) if len(usual) else constant
    return np.maximum(np.where(moves, scale, 0.0), np.maximum(floor, _ROUNDING * np.abs(centre)))


def _with_floor_of_restlessness(
    features: Sequence[Feature], centre: Floats, measured: Floats, scale: Floats, counts: NDArray[np.bool_]
) -> Floats:
    """Raise the scale of restlessness in groups that never were restless: its root makes the first small change large.

    In such a group one deviation is the sensor's restlessness elsewhere. Where it never moved at all, one deviation is
    a change from one reading to the next by one deviation of its level.

    Parameters
    ----------
    features : sequence of Feature, of length n_features
    centre, measured, scale : ndarray of shape (n_groups, n_features)
        Scales as measured, and as raised for every feature.
    counts : ndarray of bool, shape (n_groups,)
        The groups that are no mixture of others.
    """
    scale = scale.copy()
    for place, feature in enumerate(features):
        if feature.shows != "restlessness":
            continue
        still = measured[:, place] <= _ROUNDING * np.abs(centre[:, place])
        elsewhere = centre[counts & ~still, place]
        if not len(elsewhere):
            elsewhere = centre[~still, place]
        if len(elsewhere):
            floor = np.full(len(scale), np.median(elsewhere))
        else:
            latest = that_show(features, "latest", feature.sensors[0])
            level = scale[:, features.index(latest[0])] if latest else np.full(len(scale), _OF_A_CONSTANT)
            floor = from_mean_square(level**2)
        scale[still, place] = np.maximum(scale, floor[:, None])[still, place]
    return scale


def numbered(rows: pd.DataFrame, name: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return a number for each row's text, and the texts by number.

    Raises
    ------
    DataError
        If there is no such column, or it is empty somewhere.
    """
    _require_texts(rows, name)
    numbers, texts = pd.factorize(rows[name])
    return numbers, [str(text) for text in texts]


def _texts(rows: pd.DataFrame, name: str) -> NDArray[Any]:
    _require_texts(rows, name)
    return rows[name].to_numpy(dtype=object)


def _require_texts(rows: pd.DataFrame, name: str) -> None:
    if name not in rows:
        raise DataError(f"feature rows need column '{name}' to be scaled; they came with {list(rows.columns)}")
    if rows[name].isna().any():
        raise DataError(f"feature rows: column {name} may not be empty; it is in {int(rows[name].isna().sum())} rows")


def matrix(rows: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """Return the features as an array in C order.

    Raises
    ------
    DataError
        If one of them is missing.
    """
    missing = [name for name in columns if name not in rows]
    if missing:
        raise DataError(f"feature rows lack {missing}, on which the normaliser was fitted; compute them with its plan.")
    return np.ascontiguousarray(rows[list(columns)].to_numpy(dtype=np.float64))


def _require_finite(values: Floats, columns: list[str], rows: pd.DataFrame) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"feature {columns[column]} of {rows['asset_id'].iloc[row]} has no finite value in "
            f"{int(bad[:, column].sum())} training rows. Leave out rows that are not usable before fitting."
        )
