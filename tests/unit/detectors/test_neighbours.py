"""The nearest of the kept rows: exact for numbers of any size, and the same alone and in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.detectors._neighbours import nearest

RANDOM = np.random.default_rng(3)
KEPT, ROWS = RANDOM.normal(size=(200, 7)), RANDOM.normal(size=(60, 7))
KEPT[20] = KEPT[10]  # of equal distances the first place counts
ROWS[:5] = KEPT[8:13]


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e-19, 1e5, 1e14, 1e20, 1e100])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_neighbours_are_those_that_measuring_every_row_finds(scale, shift):
    """Single precision, in which they are looked for, neither overflows nor loses small or far numbers."""
    kept, rows = (KEPT + shift) * scale, (ROWS + shift) * scale
    squared = np.zeros((len(rows), len(kept)))
    for feature in range(kept.shape[1]):
        squared += (rows[:, None, feature] - kept[None, :, feature]) ** 2
    expected = np.argsort(squared, axis=1, kind="stable")[:, :5]
    lengths = np.square(kept).sum(axis=1)
    distance, place = nearest(rows, kept, lengths, 5)
    assert place.tolist() == expected.tolist()
    assert distance.tolist() == np.sqrt(np.take_along_axis(squared, expected, axis=1)).tolist()
    alone = [nearest(rows[[at]], kept, lengths, 5) for at in range(len(rows))]
    assert np.concatenate([one[1] for one in alone]).tolist() == place.tolist()
    assert np.concatenate([one[0] for one in alone]).tolist() == distance.tolist()
