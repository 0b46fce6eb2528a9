"""Mean and spread of every sensor over the window: where it lies, and how restless it is."""

from __future__ import annotations

import numpy as np

from wheeltapper.config import AssetType
from wheeltapper.features.sets import FeatureSet, Floats, Places, Stretch


class Rolling(FeatureSet):
    """Columns ``<sensor>__rolling_mean`` and ``<sensor>__rolling_std``, both in the sensor's unit.

    The spread is the population's (divided by n, as tsfresh does); a stuck sensor has exactly 0.
    A fault that is much shorter than the window is averaged away in the mean; `latest` and `rates` see it.
    """

    def columns(self, asset_type: AssetType) -> tuple[str, ...]:
        """List mean and spread of each sensor."""
        return tuple(f"{sensor}__rolling_{what}" for sensor in asset_type.sensors for what in ("mean", "std"))

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return mean and spread of each window."""
        features = {}
        for sensor in asset_type.sensors:
            mean, std = window_moments(stretch.sensors[sensor], stretch.first, stretch.last)
            features[f"{sensor}__rolling_mean"] = mean
            features[f"{sensor}__rolling_std"] = std
        return features


def window_moments(values: Floats, first: Places, last: Places) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each window.

    Windows are put together from halves, quarters, … by the pairwise formula [1]_, in n·log(rows) steps. A running
    sum would be faster, but it remembers: after a spike of 1e12 it is wrong for ever, and its last digits depend on
    where the reading began. Here every window sees its own values only, to the last bit, and 1e6 ± 1e-3 stays exact.

    Parameters
    ----------
    values : ndarray of shape (n_readings,)
        In any unit, NaN where missing.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last value.

    Returns
    -------
    mean, std : ndarray of shape (n_windows,)
        In the values' unit; NaN where the window lacks a value.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
       Variances", COMPSTAT 1982, doi:10.1007/978-3-642-51461-6_3
    """
    mean, std = np.full(len(last), np.nan), np.full(len(last), np.nan)
    lengths = last - first + 1
    for rows in np.unique(lengths):
        alike = lengths == rows
        means, squares = _of_every_run(values, int(rows))
        mean[alike] = means[first[alike]]
        std[alike] = np.sqrt(squares[first[alike]] / rows)
    return mean, std


def _of_every_run(values: Floats, rows: int) -> tuple[Floats, Floats]:
    """Return mean and sum of squared deviations of the ``rows`` values from each place on."""
    # block[j] covers size values from j on; window[j] covers the done values from j on.
    block, size = (values, np.zeros(len(values))), 1
    window, done = block, 0
    for bit in range(rows.bit_length()):
        if rows >> bit & 1:
            window = _join(window, done, block, size) if done else block
            done += size
        if done < rows:
            block, size = _join(block, size, block, size), 2 * size
    return window


def _join(first: tuple[Floats, Floats], n: int, second: tuple[Floats, Floats], m: int) -> tuple[Floats, Floats]:
    """Join each run of n values with the run of m values that follows it; (mean, sum of squared deviations)."""
    mean_b, squares_b = (part[n:] for part in second)
    mean_a, squares_a = (part[: len(mean_b)] for part in first)
    delta = mean_b - mean_a
    return mean_a + delta * (m / (n + m)), squares_a + squares_b + delta * delta * (n * m / (n + m))
