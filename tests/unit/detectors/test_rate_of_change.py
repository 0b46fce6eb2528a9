"""Only rates count."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import of
from wheeltapper.detectors import build
from wheeltapper.errors import DataError

RATES = [*of("flow", rate="rate"), *of("pressure", rate="rate")]


def swinging(**sizes: float) -> pd.DataFrame:
    """Columns that swing between -v and +v: mean 0, standard deviation v."""
    return pd.DataFrame({name: np.tile([-1.0, 1.0], 10) * size for name, size in sizes.items()})


def test_the_score_is_the_mean_square_of_the_rates():
    """Rates of 6 and 1, usually 2 and 1: (3² + 1²) / 2 = 5; the level itself may be anywhere."""
    detector = build("rate_of_change", features=RATES).fit(swinging(flow=1.0, flow__rate=2.0, pressure__rate=1.0))
    row = pd.DataFrame({"flow": [99.0], "flow__rate": [6.0], "pressure__rate": [-1.0]})
    assert detector.score(row)[0] == pytest.approx(5.0)
    parts = detector.contributions(row).iloc[0].to_dict()
    assert parts == pytest.approx({"flow": 0.0, "flow__rate": 4.5, "pressure__rate": 0.5})


def test_a_plan_without_rates_is_refused_with_what_to_add():
    """The message names the feature set."""
    with pytest.raises(DataError, match="Add the feature set rates"):
        build("rate_of_change", features=of("flow", mean="level")).fit(swinging(flow=1.0, flow__mean=1.0))


def test_a_column_is_a_rate_whatever_its_name():
    """A feature set of one's own may call it otherwise."""
    detector = build("rate_of_change", features=of("flow", slope="rate")).fit(swinging(flow=1.0, flow__slope=2.0))
    assert detector.score(pd.DataFrame({"flow": [99.0], "flow__slope": [4.0]}))[0] == 4


def test_columns_can_be_chosen_by_the_end_of_their_names():
    """Where a suffix is given, it decides, and not what a column shows."""
    options = {"suffix": "__slope"}
    detector = build("rate_of_change", options, features=RATES).fit(swinging(flow__rate=1.0, flow__slope=1.0))
    assert detector.score(pd.DataFrame({"flow__rate": [9.0], "flow__slope": [0.0]}))[0] == 0
