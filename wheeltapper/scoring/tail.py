"""The tail: the number of alarms that normal running raises at each level of the threshold.

An operator is disturbed by alarms, not by windows, so alarms are counted: on held-out normal windows, with the rule
that later opens and closes them, at one level after another. Neighbouring windows then make one alarm, as they will in
use. Above the level that normal running has reached `ANCHOR` times, there are too few alarms to count. From there on,
the lasting peaks of alarms follow a generalised Pareto distribution, fitted with L-moments.

It does not work where the counted weeks are unlike those that follow (another season, another product).

References
----------
.. [1] S. Coles, "An Introduction to Statistical Modeling of Extreme Values", Springer 2001, ch. 4 and 5.3 (clusters).
.. [2] J. R. M. Hosking, J. R. Wallis, "Parameter and Quantile Estimation for the Generalized Pareto Distribution",
   Technometrics 29 (1987), doi:10.1080/00401706.1987.10488243.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.scoring.alarms import Stretches, lasting, spans

Floats = NDArray[np.float64]

ANCHOR = 20
"""Fewest alarms that are counted; a higher level is extrapolated."""
FITTED = 60
"""Number of strongest alarms whose peaks the tail is fitted to."""
FEW = 5
"""Fewest peaks for fitting the shape of the tail."""
_LEVELS = 48


@dataclass(frozen=True)
class Tail:
    """Alarms on the counted windows by level: counted where there are many, extrapolated where there are few.

    Levels rise and counts fall from knot to knot; beyond the last knot the tail takes over.
    """

    levels: tuple[float, ...]
    counts: tuple[float, ...]
    shape: float
    scale: float
    peaks: int
    """Peaks that shape and scale are fitted to."""

    def level(self, count: float) -> float:
        """Return the level that ``count`` alarms exceed; the lowest knot if there are fewer alarms at any level."""
        last, anchor = self.levels[-1], self.counts[-1]
        if count < anchor:
            ratio = anchor / count
            step = np.log(ratio) if abs(self.shape) < 1e-9 else (ratio**self.shape - 1) / self.shape
            return last + self.scale * float(step)
        return float(np.interp(-np.log(count), -np.log(self.counts), self.levels))

    def count(self, level: float) -> float:
        """Return how many alarms exceed a level; below the lowest knot, the count of that knot."""
        last, anchor = self.levels[-1], self.counts[-1]
        if level > last:
            step = (level - last) / self.scale
            if abs(self.shape) < 1e-9:
                return float(anchor * np.exp(-step))
            return float(anchor * max(1 + self.shape * step, 0.0) ** (-1 / self.shape))
        return float(np.exp(np.interp(level, self.levels, np.log(self.counts))))

    def log_error(self, count: float) -> float:
        """Return the standard error of the logarithm of a count, at the level that is set for it.

        Counting n alarms gives 1/√n. A level beyond the data adds the error of scale and shape of the tail (delta
        method; both have a variance of about one over the number of peaks that they are fitted to).
        """
        far = float(np.log(max(self.counts[-1] / count, 1.0)))
        beyond = (far**2 + far**4 / 4) / max(self.peaks, 1)
        return float(np.sqrt(1 / max(min(count, 1e9), self.counts[-1]) + beyond))

    def as_dict(self) -> dict[str, Any]:
        """Return the tail as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Tail:
        """Read what `as_dict` wrote."""
        return cls(**content | {name: tuple(content[name]) for name in ("levels", "counts")})


def count_alarms(score: Floats, limit: Floats, stretch: Stretches, rule: Alarms) -> Tail | None:
    """Count the alarms of normal windows at each level, and fit the tail beyond.

    Parameters
    ----------
    score : ndarray of shape (n_windows,)
        In usual spreads, in the order of asset and time.
    limit : ndarray of shape (n_windows,)
        Score of level 1 for each window's regime and asset; level 2 is twice it. No threshold lies below one usual
        spread.

    Returns
    -------
    Tail or None
        None where fewer than `FEW` alarms open even at the lowest level.
    """
    severity = score / limit
    held_severity = lasting(severity, stretch, rule.open_after)
    lowest, highest = float(1 / limit.max()), float(np.nanmax(held_severity, initial=-np.inf))
    if not highest > lowest:
        return None
    grid = _grid(held_severity, lowest)
    counted = np.array([spans(at_level(score, limit, level), stretch, rule).first.size for level in grid])
    # A higher level can split one alarm into two, so the count is the maximum over this level and all higher ones.
    counts = np.maximum.accumulate(counted[::-1])[::-1].astype(float)
    if counts[0] < FEW:
        return None
    base = int(np.flatnonzero(counts >= min(FITTED, counts[0]))[-1])
    peaks = np.sort(_peaks(at_level(score, limit, grid[base]), held_severity, stretch, rule) - grid[base])
    at = int(np.flatnonzero(counts >= min(float(ANCHOR), counts[0]))[-1])
    shape, scale = pareto(peaks) if len(peaks) >= FEW else (0.0, float(peaks.mean()))
    knots = np.unique(counts[: at + 1])[::-1]
    levels = [float(grid[np.flatnonzero(counts >= knot)[-1]]) for knot in knots]
    if grid[0] < levels[0]:
        # A budget above the largest count gets the lowest level.
        levels, knots = [float(grid[0]), *levels], np.append(knots[0], knots)
    scale_at_anchor = max(scale + shape * (levels[-1] - float(grid[base])), 0.1 * scale, 1e-9)
    return Tail(tuple(levels), tuple(map(float, knots)), shape, scale_at_anchor, len(peaks))


def at_level(score: Floats, limit: Floats, level: float) -> Floats:
    """Return score over threshold at one level; no threshold lies below one usual spread."""
    return np.asarray(score / np.maximum(limit * level, 1.0))


def _grid(held_severity: Floats, lowest: float) -> Floats:
    """Return the levels to count at: levels that windows reach, closer together where fewer windows reach them."""
    levels = np.sort(held_severity[held_severity > lowest])
    places = len(levels) - np.geomspace(len(levels), 1, _LEVELS)
    # Just below the level that a window reaches: at exactly that level the window is normal.
    return np.unique(np.concatenate([[lowest], levels[places.astype(int)] * (1 - 1e-9)]))


def _peaks(severity: Floats, held_severity: Floats, stretch: Stretches, rule: Alarms) -> Floats:
    """Return the highest level that lasted in each alarm."""
    alarm_spans = spans(severity, stretch, rule)
    bounds = np.ravel(np.column_stack([alarm_spans.first, alarm_spans.last + 1]))
    padded = np.append(np.nan_to_num(held_severity, nan=-np.inf), -np.inf)
    return np.asarray(np.maximum.reduceat(padded, bounds)[::2]) if bounds.size else np.empty(0)


def pareto(beyond: Floats) -> tuple[float, float]:
    """Fit shape ξ and scale σ of a generalised Pareto distribution by L-moments [2]_; ξ is kept in [-0.2, 0.4].

    Parameters
    ----------
    beyond : ndarray of shape (n_peaks,)
        How far each peak lies above the level, in rising order; at least two.

    Examples
    --------
    >>> shape, scale = pareto(np.array([0.5, 1.0, 3.0]))
    >>> round(shape, 2), round(scale, 2)
    (0.2, 1.2)
    """
    n = len(beyond)
    a0 = float(beyond.mean())
    a1 = float(((n - np.arange(1, n + 1)) / (n - 1) * beyond).mean())
    shape = 2 - a0 / (a0 - 2 * a1) if a0 > 2 * a1 else 0.4
    shape = float(np.clip(shape, -0.2, 0.4))
    return shape, a0 * (1 - shape)
