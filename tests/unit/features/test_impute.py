"""Features without a value are filled with what training has seen, and with nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.features.impute import Imputer, with_values

TRAIN = pd.DataFrame({"asset_id": "pump-01", "a": [1.0, np.nan, 3.0, np.inf, 8.0], "b": [0.1, 0.2, -np.inf, 0.4, 0.5]})


def test_nan_becomes_the_median_and_inf_the_extremes() -> None:
    """Of 1, 3 and 8 the median is 3, the least 1 and the greatest 8; what has a value keeps it."""
    filled = Imputer.fit(TRAIN).transform(TRAIN)
    assert filled["a"].tolist() == [1.0, 3.0, 3.0, 8.0, 8.0]
    assert filled["b"].tolist() == [0.1, 0.2, 0.1, 0.4, 0.5]
    assert filled["asset_id"].tolist() == ["pump-01"] * 5


@pytest.mark.filterwarnings("ignore:The copy keyword")  # tsfresh and pandas 3
def test_as_tsfresh_does() -> None:
    """On the rows that it was fitted on it gives what tsfresh's own impute gives."""
    from tsfresh.utilities.dataframe_functions import impute

    features = TRAIN.drop(columns="asset_id")
    pd.testing.assert_frame_equal(Imputer.fit(TRAIN).transform(features), impute(features.copy()))


def test_fitted_on_train_only() -> None:
    """Other rows are filled with the training's values, however far from their own those are."""
    today = pd.DataFrame({"a": [np.nan, 900.0, 1000.0, -np.inf], "b": [1.0, 1.0, np.nan, 1.0]})
    filled = Imputer.fit(TRAIN).transform(today)
    assert filled["a"].tolist() == [3.0, 900.0, 1000.0, 1.0]
    assert filled["b"].tolist() == [1.0, 1.0, pytest.approx(0.3), 1.0]


def test_no_row_is_touched_where_it_stands() -> None:
    """The table that came is as it was."""
    before = TRAIN.copy()
    Imputer.fit(TRAIN).transform(TRAIN)
    pd.testing.assert_frame_equal(TRAIN, before)


def test_comes_back_from_json_to_the_last_bit() -> None:
    """A third of one, written and read, is the same third."""
    fitted = Imputer.fit(pd.DataFrame({"a": [1 / 3, 1e-300, 2e15 / 7]}))
    assert Imputer.model_validate_json(fitted.model_dump_json()) == fitted


def test_a_feature_that_never_had_a_value_is_refused() -> None:
    """There is nothing to fill it with; the message says what to do."""
    rows = TRAIN.assign(c=np.nan)
    with pytest.raises(DataError, match=r"1 features have no value in any of 5 training rows, first c.*with_values"):
        Imputer.fit(rows)


def test_other_features_than_the_fitted_are_refused() -> None:
    """A column too few or too many means another plan."""
    fitted = Imputer.fit(TRAIN)
    with pytest.raises(DataError, match=r"lack \['b'\] and have \['c'\]"):
        fitted.transform(TRAIN.rename(columns={"b": "c"}))


def test_columns_worth_keeping() -> None:
    """Half of the rows must have a value, or another share; without any, no share is small enough."""
    rows = pd.DataFrame(
        {"asset_id": "x", "full": 1.0, "half": [1.0, np.nan, 2.0, np.inf], "few": [1.0] + [np.nan] * 3, "none": np.nan}
    )
    assert with_values(rows) == ("full", "half")
    assert with_values(rows, min_share=0.25) == ("full", "half", "few")
    assert with_values(rows, min_share=0.0) == ("full", "half", "few")
