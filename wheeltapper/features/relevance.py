"""Relevance: which features are related to a target, with a bound on how many of them are by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.impute import Imputer, with_values
from wheeltapper.features.kernels import _tsfresh
from wheeltapper.tables import microseconds

MIN_ROWS = 10
"""Fewer windows cannot tell any of several hundred features from chance."""


def relevant(
    rows: pd.DataFrame, target: pd.Series[Any], fdr_level: float = 0.05, *, part: pd.Series[Any]
) -> tuple[str, ...]:
    """Return the features that have to do with the target, for `FeaturePlan.shrink` to keep.

    tsfresh tests each feature on its own (Mann-Whitney where the target is a class, Kendall where it is a number,
    Fisher for features of two values) and keeps as many as the procedure of Benjamini and Yekutieli [1]_ allows for
    tests that hang together.

    Only rows of the train part are tested, and of each asset only windows that share no reading: ten windows of the
    same ten minutes are no ten independent rows. Neighbours still share a slow drift or one long fault, which makes the
    true share of chance finds higher than ``fdr_level``. A relation that only two features show together is not found.

    Parameters
    ----------
    rows : DataFrame
        Rows of the features table: asset_id, window_start, window_end and features. Those without value are filled
        with the train median; a feature that has none in half of the tested rows is not relevant.
    target : Series, aligned with ``rows``
        A class (text, flag, whole number) or a number (float); a row where it is missing is not tested.
    fdr_level : float
        Share of the kept features that may be there by chance, between 0 and 1.
    part : Series of str, aligned with ``rows``
        The part of each row, from `wheeltapper.training.parts.assign`; only ``train`` is looked at.

    Returns
    -------
    tuple of str
        In the order of the columns; empty if nothing is relevant.

    Raises
    ------
    ConfigError
        If ``fdr_level`` is not between 0 and 1.
    DataError
        If fewer than 10 rows are left, or the target is the same in all of them.

    References
    ----------
    .. [1] Y. Benjamini, D. Yekutieli, "The control of the false discovery rate in multiple testing under dependency",
       Annals of Statistics 29(4), 2001, doi:10.1214/aos/1013699998
    .. [2] M. Christ, N. Braun, J. Neuffer, A. W. Kempa-Liehr, "Time Series FeatuRe Extraction on basis of Scalable
       Hypothesis tests", Neurocomputing 307, 2018, doi:10.1016/j.neucom.2018.03.067
    """
    if not 0 < fdr_level < 1:
        raise ConfigError(f"fdr_level is a share of chance finds between 0 and 1, such as 0.05; got {fdr_level}")
    chosen = rows[(part == "train").to_numpy() & target.notna().to_numpy()]
    chosen = chosen[_share_no_reading(chosen)]
    labels = target.loc[chosen.index]
    if len(chosen) < MIN_ROWS or labels.nunique() < 2:
        raise DataError(
            f"relevance needs at least {MIN_ROWS} train windows that share no reading, and a target that differs "
            f"among them; got {len(chosen)} windows with the targets {sorted(map(str, labels.unique()))[:5]}."
        )
    columns = list(with_values(chosen))
    if not columns:
        return ()
    filled = Imputer.fit(chosen[columns]).transform(chosen[columns]).reset_index(drop=True)
    is_class = labels.dtype.kind != "f"
    table = _tsfresh.relevance(
        filled, _numbered(labels) if is_class else labels.reset_index(drop=True), is_class=is_class, fdr_level=fdr_level
    )
    names = set(table.index[table["relevant"].to_numpy(dtype=bool)])
    return tuple(column for column in columns if column in names)


def _share_no_reading(rows: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which windows begin after the last chosen one of their asset ended, the earliest of each chosen first."""
    starts, ends = microseconds(rows["window_start"]), microseconds(rows["window_end"])
    assets = pd.factorize(rows["asset_id"])[0]
    free_from: dict[int, int] = {}
    chosen = np.zeros(len(rows), dtype=bool)
    for row in np.lexsort((starts, ends)).tolist():
        asset = int(assets[row])
        if asset not in free_from or starts[row] > free_from[asset]:
            chosen[row], free_from[asset] = True, int(ends[row])
    return chosen


def _numbered(target: pd.Series[Any]) -> pd.Series[Any]:
    """Return classes as whole numbers."""
    return pd.Series(pd.factorize(target, sort=True)[0])
