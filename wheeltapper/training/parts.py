"""Parts: feature rows for training, for the threshold, for choosing the champion, and for the final test.

Every rule gives three instants for each asset. A row whose window reaches across one of them belongs to no part
(``purged``), so that no reading is on both sides of a boundary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from wheeltapper.config import PartsByAssets, PartsByDate, PartsByFiles, PartsByFirstRows, PartsByFraction, Plant
from wheeltapper.errors import DataError
from wheeltapper.tables import microseconds

PARTS = ("train", "calibrate", "validate", "test")
PURGED = "purged"
_AT_ONCE = 1_000_000
"""Readings whose parts are worked out at once."""
_CUTS = ["calibrate_from", "validate_from", "test_from"]
_EVER, _NEVER = pd.Timestamp("1700-01-01", tz="UTC"), pd.Timestamp("2262-01-01", tz="UTC")


def needed(plant: Plant) -> list[str]:
    """Return the columns of the readings that are needed to cut the parts of a plant."""
    return ["asset_id", "timestamp", *(["origin"] if isinstance(plant.parts, PartsByFiles) else [])]


def cuts(readings: pd.DataFrame, plant: Plant, normal_from: Mapping[str, pd.Timestamp] | None = None) -> pd.DataFrame:
    """Return the three instants that divide each asset's readings into parts.

    An asset with an accepted new normal is cut separately, from that instant on: by the plant's fractions, or by the
    default ones where the plant cuts in another way. Its training time then overlaps the validate time of other assets,
    because it has no earlier time to train on.

    Parameters
    ----------
    readings : DataFrame
        At least the columns that `needed` names, in any order.
    normal_from : mapping of asset to instant, optional
        Instant from which on an asset's new normal counts.

    Returns
    -------
    DataFrame indexed by asset_id with columns calibrate_from, validate_from, test_from (UTC)

    Raises
    ------
    DataError
        If there are too few readings to fill every part.
    """
    if readings.empty:
        raise DataError(f"{plant.name} has no readings yet. Run: wheeltapper ingest {plant.name}")
    rule = plant.parts
    if isinstance(rule, PartsByFraction):
        cut = _by_fraction(readings, rule)
    elif isinstance(rule, PartsByDate):
        cut = _for_all(readings, [rule.calibrate_from, rule.validate_from, rule.test_from])
    elif isinstance(rule, PartsByFirstRows):
        cut = _by_first_rows(readings, rule)
    elif isinstance(rule, PartsByAssets):
        cut = _by_assets(readings, rule, plant.seed)
    else:
        cut = _by_files(readings, rule)
    for asset, since in (normal_from or {}).items():
        if asset in cut.index:
            cut.loc[asset] = cuts_since(readings[readings["asset_id"] == asset], since, plant)
    _require_readings(readings, cut, plant)
    return cut


def cuts_since(readings: pd.DataFrame, since: pd.Timestamp, plant: Plant) -> pd.Series:
    """Return the three instants that divide one asset's readings from its new normal on.

    Parameters
    ----------
    readings : DataFrame with columns asset_id, timestamp
        Readings of one asset.

    Raises
    ------
    DataError
        If there is no reading since then.
    """
    times = readings.loc[readings["timestamp"] >= since, "timestamp"]
    if times.empty:
        raise DataError(
            f"{readings['asset_id'].iloc[0]} has no reading since its new normal began at {since}; its readings end at "
            f"{readings['timestamp'].max()}. Bring more readings, or take the decision back: wheeltapper rebaseline "
            f"{plant.name} {readings['asset_id'].iloc[0]} --undo"
        )
    rule = plant.parts if isinstance(plant.parts, PartsByFraction) else PartsByFraction()
    return _by_fraction(readings[readings["timestamp"] >= since], rule).iloc[0]


def _require_readings(readings: pd.DataFrame, cut: pd.DataFrame, plant: Plant) -> None:
    """Refuse parts without readings; the test part may be empty, because no decision depends on it."""
    filled: set[str] = set()
    for begin in range(0, len(readings), _AT_ONCE):
        some = readings.iloc[begin : begin + _AT_ONCE]
        moments = some[["asset_id"]].assign(window_start=some["timestamp"], window_end=some["timestamp"])
        filled |= set(assign(moments, cut).unique())
    for part in PARTS[:3]:
        if part not in filled:
            times = readings["timestamp"]
            raise DataError(
                f"{plant.name}: no reading falls into the {part} part. The {len(readings)} readings run from "
                f"{times.min()} to {times.max()}; bring more, or change parts in the plant's YAML."
            )


def assign(features: pd.DataFrame, cut: pd.DataFrame, embargo: timedelta = timedelta(0)) -> pd.Series:
    """Return the part of each feature row: train, calibrate, validate, test or purged.

    Parameters
    ----------
    features : DataFrame with columns asset_id, window_start, window_end
    cut : DataFrame
        Result of `cuts`.
    embargo : timedelta
        Time beyond a window's end that its label depends on. A window whose label reaches across a cut is purged, like
        a window that reaches across it.

    Returns
    -------
    Series of str, aligned with ``features``
    """
    place = cut.index.get_indexer(pd.Index(features["asset_id"]))
    start, end = microseconds(features["window_start"]), microseconds(features["window_end"])
    label_end = end + embargo // timedelta(microseconds=1)
    part = np.full(len(features), "train", dtype=object)
    crosses = np.zeros(len(features), dtype=bool)
    for name, column in zip(PARTS[1:], _CUTS, strict=True):
        instant = microseconds(cut[column])[place]
        part[end >= instant] = name
        crosses |= (start < instant) & (label_end >= instant)
    part[crosses | (place < 0) | cut[_CUTS[0]].isna().to_numpy()[place]] = PURGED
    return pd.Series(part, index=features.index, name="part", dtype="str")


def whole(cut: pd.Series) -> str:
    """Return the part that a whole asset belongs to, where the plant leaves assets out.

    Parameters
    ----------
    cut : Series with calibrate_from, validate_from, test_from
        One row of the result of `cuts`.
    """
    return PARTS[sum(bool(cut[name] == _EVER) for name in _CUTS)]


def _for_all(readings: pd.DataFrame, instants: Sequence[datetime]) -> pd.DataFrame:
    assets = sorted(readings["asset_id"].unique())
    columns = {
        name: pd.to_datetime([instant] * len(assets), utc=True) for name, instant in zip(_CUTS, instants, strict=True)
    }
    return _frame(columns, assets)


def _frame(columns: dict[str, pd.DatetimeIndex], assets: list[str]) -> pd.DataFrame:
    index = pd.Index(assets, name="asset_id")
    return pd.DataFrame({name: column.as_unit("us") for name, column in columns.items()}, index=index)


def _by_fraction(readings: pd.DataFrame, rule: PartsByFraction) -> pd.DataFrame:
    """Cut the whole plant at the same instants, so that no asset's future is used for another's past."""
    first, last = readings["timestamp"].min(), readings["timestamp"].max()
    shares = np.cumsum([rule.train, rule.calibrate, rule.validate_])
    return _for_all(readings, [_between(first, last, float(share)) for share in shares])


def _between(first: pd.Timestamp, last: pd.Timestamp, share: float) -> pd.Timestamp:
    """Return the instant after a share of the time, rounded to the microsecond.

    Examples
    --------
    >>> str(_between(pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02"), 0.25))
    '2026-01-01 06:00:00'
    """
    return first + pd.Timedelta(round((last - first) / pd.Timedelta("1us") * share), unit="us")


def _by_first_rows(readings: pd.DataFrame, rule: PartsByFirstRows) -> pd.DataFrame:
    """Cut by counting each asset's readings; every other asset is for validation, the rest are the test part."""
    columns: dict[str, list[pd.Timestamp]] = {name: [] for name in _CUTS}
    assets = sorted(readings["asset_id"].unique())
    times = {asset: group.sort_values() for asset, group in readings.groupby("asset_id")["timestamp"]}
    for place, asset in enumerate(assets):
        asset_times, count = times[asset], rule.train + rule.calibrate
        if len(asset_times) <= count:
            raise DataError(
                f"{asset} has {len(asset_times)} readings, but its first {count} are for training and calibration. "
                "Lower parts.train or parts.calibrate, or leave this asset out of the source."
            )
        judged_from = asset_times.iloc[count]
        columns["calibrate_from"].append(asset_times.iloc[rule.train])
        columns["validate_from"].append(judged_from)
        columns["test_from"].append(_NEVER if place % 2 == 0 else judged_from)
    return _frame({name: pd.DatetimeIndex(column) for name, column in columns.items()}, assets)


def _by_assets(readings: pd.DataFrame, rule: PartsByAssets, seed: int) -> pd.DataFrame:
    """Assign each whole asset to one part; readings after its present last one will belong to the next part.

    The order is drawn by hashing seed and name, so a new asset moves others only where shares are rounded.
    """
    ends = readings.groupby("asset_id")["timestamp"].max() + pd.Timedelta("1us")
    if len(ends) < len(PARTS):
        raise DataError(
            f"parts by assets need at least {len(PARTS)} assets, one for each part; there are {len(ends)}: "
            f"{sorted(ends.index)}. Cut by time (parts: {{by: fraction}})."
        )
    drawn = sorted(ends.index, key=lambda asset: hashlib.sha256(f"{seed}|{asset}".encode()).hexdigest())
    shares = np.cumsum([rule.train, rule.calibrate, rule.validate_])
    borders = [min(max(round(float(share) * len(drawn)), n + 1), len(drawn) - 3 + n) for n, share in enumerate(shares)]
    place = {asset: int(np.searchsorted(borders, at, side="right")) for at, asset in enumerate(drawn)}
    assets = sorted(ends.index)
    columns = {
        name: pd.DatetimeIndex([_EVER if place[asset] > n else ends[asset] for asset in assets])
        for n, name in enumerate(_CUTS)
    }
    return _frame(columns, assets)


def _by_files(readings: pd.DataFrame, rule: PartsByFiles) -> pd.DataFrame:
    """Cut where the training files end; an asset without both kinds of files is an error."""
    columns: dict[str, list[pd.Timestamp]] = {name: [] for name in _CUTS}
    origins = readings["origin"].unique()
    for origin in origins:
        matches = [name for name in ("train", "test") if fnmatchcase(origin, getattr(rule, name))]
        if len(matches) != 1:
            raise DataError(
                f"file {origin} matches {'both' if matches else 'neither'} of parts.train '{rule.train}' and "
                f"parts.test "
                f"'{rule.test}'. Change these patterns, or leave the file out in the source's files."
            )
    in_test = readings["origin"].isin([origin for origin in origins if fnmatchcase(origin, rule.test)])
    in_train = ~in_test
    assets = sorted(readings["asset_id"].unique())
    for asset in assets:
        of_asset = readings["asset_id"] == asset
        train, test = readings.loc[of_asset & in_train, "timestamp"], readings.loc[of_asset & in_test, "timestamp"]
        if train.empty or test.empty:
            which = rule.train if train.empty else rule.test
            raise DataError(
                f"{asset} has no file that matches {which} (its files: "
                f"{sorted(readings.loc[of_asset, 'origin'].unique())})."
            )
        if train.max() >= test.min():
            raise DataError(
                f"{asset}: its training files end at {train.max()}, after its test files start at {test.min()}."
            )
        columns["calibrate_from"].append(_between(train.min(), train.max(), 1 - rule.calibrate))
        columns["validate_from"].append(test.min())
        columns["test_from"].append(_between(test.min(), test.max(), rule.validate_))
    return _frame({name: pd.DatetimeIndex(column) for name, column in columns.items()}, assets)
