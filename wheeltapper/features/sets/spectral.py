"""How every sensor moves within the window: slowly or quickly, evenly or in jerks."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from wheeltapper.config import AssetType
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet, Floats, Places, Stretch

_AT_ONCE = 1 << 21
"""Readings of windows that are laid side by side at a time: 16 MiB an array, however long the windows are."""


class Spectral(FeatureSet):
    """The window's movement about its mean, sensor by sensor, as vibration analysts describe it [1]_.

    * ``<sensor>__band_1`` … (1): share of its energy in each of ``bands`` equal bands of frequency, the slowest first;
    * ``__centroid`` (cycles per reading, up to 0.5): the mean frequency, weighted by energy;
    * ``__rms`` (the sensor's unit): root mean square of the readings themselves, their level included;
    * ``__crest`` (1): largest distance from the mean in standard deviations; √2 for a sine, high for single knocks;
    * ``__kurtosis`` (1): fourth moment; 1.5 for a sine, about 3 for noise, high for knocks.

    A window of equal readings has shares, centroid, crest and kurtosis of 0.

    The readings are taken as evenly spaced. Where they are not, the energy stays right and the frequencies are smeared:
    the shares become less useful, crest and kurtosis do not. A window of n readings has only n/2 frequencies: with five
    readings they are 0.2 and 0.4, and the slowest of three bands is always empty. Readings once a minute do not show a
    bearing's frequencies; that needs values of a vibration monitor.

    References
    ----------
    .. [1] R. B. Randall, "Vibration-based Condition Monitoring", 2nd ed., Wiley 2021, doi:10.1002/9781119477631
    """

    bands: int = Field(3, ge=1, le=50, description="equal bands of frequency between 0 and half a cycle per reading")

    def columns(self, asset_type: AssetType) -> tuple[Feature, ...]:
        """List the description of each sensor."""
        bands = [f"band_{number}" for number in range(1, self.bands + 1)]
        return tuple(
            Feature(f"{sensor}__{figure}", (sensor,), "statistic", words=figure.replace("_", " "))
            for sensor in asset_type.measured
            for figure in (*bands, "centroid", "rms", "crest", "kurtosis")
        )

    def compute(self, stretch: Stretch, asset_type: AssetType) -> dict[str, Floats]:
        """Return the description of each window; NaN where it lacks a value."""
        values = [self._of_one(stretch.sensors[sensor], stretch.first, stretch.last) for sensor in asset_type.measured]
        return dict(zip(self.names(asset_type), np.concatenate(values, axis=1).T, strict=True))

    def _of_one(self, values: Floats, first: Places, last: Places) -> Floats:
        """Describe each window of one sensor, shape (n_windows, bands + 4); windows of one length together."""
        described = np.full((len(last), self.bands + 4), np.nan)
        lengths = last - first + 1
        for rows in np.unique(lengths):
            alike = np.flatnonzero(lengths == rows)
            for places in np.array_split(alike, -(-len(alike) * rows // _AT_ONCE)):
                described[places] = self._describe(values[first[places, None] + np.arange(rows)])
        return described

    def _describe(self, windows: Floats) -> Floats:
        """Describe windows of one length, shape (n_windows, rows)."""
        away = windows - windows.mean(axis=1, keepdims=True)
        furthest = np.abs(away).max(axis=1, keepdims=True)
        # Rounding of the mean would be all the movement that a constant has. Scaled to 1, no power overflows.
        stands_still = (windows == windows[:, :1]).all(axis=1, keepdims=True)
        shape = np.where(stands_still, 0.0, away / np.where(furthest > 0, furthest, 1.0))
        largest = np.abs(windows).max(axis=1)
        level = windows / np.where(largest > 0, largest, 1.0)[:, None]
        square, fourth = (shape**2).mean(axis=1), (shape**4).mean(axis=1)
        moves = np.where(square > 0, square, 1.0)
        described = np.column_stack(
            [
                *self._spectrum(shape),
                largest * np.sqrt((level**2).mean(axis=1)),
                np.where(square > 0, 1 / np.sqrt(moves), 0.0),
                fourth / moves**2,
            ]
        )
        described[np.isnan(windows).any(axis=1)] = np.nan
        return described

    def _spectrum(self, shape: Floats) -> list[Floats]:
        """Return the energy's share of each band, and its centroid in cycles per reading."""
        rows = shape.shape[1]
        frequency = np.arange(1, rows // 2 + 1) / rows
        energy = np.abs(np.fft.rfft(shape)[:, 1:]) ** 2
        # All frequencies but the highest one of an even number of readings stand for two: above and below zero.
        energy *= np.where(2 * np.arange(1, rows // 2 + 1) == rows, 1.0, 2.0)
        total = energy.sum(axis=1)
        share = energy / np.where(total > 0, total, 1.0)[:, None]
        edges = np.searchsorted(frequency, 0.5 * np.arange(1, self.bands) / self.bands, side="left")
        # Sums along rows, never a matrix product: that one's last digits depend on how many windows come along.
        return [*(part.sum(axis=1) for part in np.split(share, edges, axis=1)), (share * frequency).sum(axis=1)]
