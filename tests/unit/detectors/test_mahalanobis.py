"""The distance from usual rows, in the measure of how they spread together."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.detectors.test_squares import added_up
from wheeltapper.detectors import build
from wheeltapper.errors import ConfigError


def together(n_rows: int = 400) -> pd.DataFrame:
    """Two sensors that always show the same, but for a tenth."""
    random = np.random.default_rng(0)
    load = random.normal(size=n_rows)
    return pd.DataFrame({"flow": load, "current": load + random.normal(0, 0.1, n_rows)})


def test_a_broken_relation_counts_more_than_a_large_load():
    """Both sensors at 2 is a busy day; one at 1 and the other at -1 is a fault."""
    busy, fault = build("mahalanobis").fit(together()).score(pd.DataFrame({"flow": [2.0, 1.0], "current": [2.0, -1.0]}))
    assert fault > 4 * busy


def test_the_squares_add_up_to_the_quadratic_form():
    """Computed the long way round, with the correlations inverted, the same numbers come out."""
    rows = together()
    scaled = ((rows - rows.mean()) / rows.std(ddof=0)).to_numpy()
    correlations = scaled.T @ scaled / len(scaled)
    expected = np.einsum("ij,jk,ik->i", scaled, np.linalg.inv(correlations + 0.1 * np.eye(2)), scaled) / 2
    np.testing.assert_allclose(added_up(build("mahalanobis").fit(rows)).score(rows), expected, rtol=1e-9)


def test_what_happens_every_night_is_usual():
    """A burst in 1 % of the training rows is normal running: the next one scores less than if it had been left out."""
    rows = together()
    rows.iloc[::100] = 30.0
    burst = pd.DataFrame({"flow": [30.0], "current": [30.0]})
    plain = build("mahalanobis").fit(rows).score(burst)[0]
    trimmed = build("mahalanobis", {"trimmed": 0.05}).fit(rows).score(burst)[0]
    assert trimmed > 10 * plain


@pytest.mark.parametrize("trimmed", [-0.1, 0.5, "some"])
def test_a_share_that_cannot_be_left_out_is_refused(trimmed: object):
    """Half of the rows or more, less than none, or no number: each is named with what is allowed."""
    with pytest.raises(ConfigError, match="trimmed"):
        build("mahalanobis", {"trimmed": trimmed})
