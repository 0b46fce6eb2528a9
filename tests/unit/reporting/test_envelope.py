"""A long line is drawn with few points, and every spike stays."""

import numpy as np

from wheeltapper.reporting.figures.envelope import envelope


def test_no_spike_is_lost():
    """One single high and one single low value among 200 000 are both still drawn."""
    values = np.zeros(200_000)
    values[123_457], values[60_001] = 9.0, -4.0
    seconds, drawn = envelope(np.arange(200_000.0), values, slices=500)
    assert len(drawn) <= 1_500
    assert drawn.max() == 9.0
    assert drawn.min() == -4.0
    assert seconds[drawn.argmax()] == 123_457


def test_a_short_series_stays_as_it_is():
    """With fewer points than dots, nothing is left out or moved."""
    seconds, values = envelope(np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 7.0]))
    assert seconds.tolist() == [0, 1, 2]
    assert values.tolist() == [5, 6, 7]


def test_a_pause_breaks_the_line():
    """Between 3 s and 60 s nothing was measured, so no line joins them."""
    seconds, values = envelope(np.array([0.0, 1, 2, 3, 60, 61]), np.ones(6), slices=10)
    assert seconds.tolist() == [0, 1, 2, 3, 31.5, 60, 61]
    assert np.isnan(values).tolist() == [False] * 4 + [True] + [False] * 2


def test_a_pause_breaks_a_thinned_line_too():
    """The break survives when both stretches are drawn with fewer points than they have."""
    seconds = np.concatenate([np.arange(1000.0), np.arange(9000.0, 10_000.0)])
    drawn, values = envelope(seconds, np.sin(seconds), slices=100)
    assert np.isnan(values).sum() == 1
    assert 999 < drawn[np.isnan(values)][0] < 9000


def test_missing_values_are_left_out():
    """NaN and infinity are no heights that could be drawn."""
    seconds, values = envelope(np.arange(4.0), np.array([1.0, np.nan, np.inf, 2.0]))
    assert values[np.isfinite(values)].tolist() == [1, 2]
    assert set(seconds[np.isfinite(values)]) == {0, 3}
