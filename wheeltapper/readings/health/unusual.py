"""Flags: values that are unusual beside those just before them. They are marked, never deleted and never altered.

No label is used, and no later value. A flag says that a value is unlike its own recent past: a spike is, but so is the
first reading after a change of load. It is a hint for people; no value is left out for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from wheeltapper.readings.health.runs import Flags, Floats, RunCutter, first_of_run
from wheeltapper.readings.health.series import FlaggedRuns, Piece, begin_of

NONE = np.zeros(0)

ROWS = 60
"""Earlier values that a value is compared with."""
LEAST = 30
"""Earlier values that there must be before anything is called unusual."""
REACH = 1.5
"""Interquartile ranges beyond the quartiles that are still usual."""
DEVIATIONS = 3.0
"""Standard deviations from the median, estimated by the median absolute deviation, that are still usual."""

FEW = 1000
"""Up to so many values, loading compiled code takes longer than doing without."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution in median absolute deviations: 1 / 0.6745."""


@dataclass
class Outside:
    """Values in a row that lie outside their bounds, for one kind of flag."""

    cutter: RunCutter = field(default_factory=RunCutter)
    details: list[str] = field(default_factory=list)
    """The sentence about the open run, if there is one."""


@dataclass
class Unusual:
    """Finds values that are unusual beside those just before them; of a counter, the growth per hour."""

    kinds: list[str]
    unit: str
    is_counter: bool = False
    recent: Floats = field(default_factory=NONE.copy)
    """The newest values that a value is compared with, `ROWS` at most."""
    latest: list[float] = field(default_factory=list)
    """Value and time (microseconds) of the newest reading of a counter."""
    outside: dict[str, Outside] = field(init=False)

    def __post_init__(self) -> None:
        self.outside = {kind: Outside() for kind in self.kinds}

    def advance(self, piece: Piece) -> list[FlaggedRuns]:
        """Look at the next readings; see `Detector`."""
        if not len(piece.values) or not self.kinds:
            return []
        values = self._hourly(piece) if self.is_counter else piece.values
        limits = bounds(values, self.kinds, self.recent)
        self.recent = np.append(self.recent, values[~np.isnan(values)])[-ROWS:].copy()
        return [self._step(kind, piece, values, low, high) for kind, (low, high) in limits.items()]

    def growing(self) -> list[FlaggedRuns]:
        """Return the unusual values that go on; see `Detector`."""
        return [FlaggedRuns(kind, state.cutter.open, state.details) for kind, state in self.outside.items()]

    def unsettled(self) -> dict[str, int | None]:
        """Return where unusual values may still go on; see `Detector`."""
        return {kind: begin_of(state.cutter.open) for kind, state in self.outside.items()}

    def _hourly(self, piece: Piece) -> Floats:
        """Return the growth per hour since the reading before; NaN for the first one."""
        values, times = piece.values, piece.times
        before, at = self.latest or (np.nan, times[0] - 1)
        self.latest = [float(values[-1]), int(times[-1])]
        return np.asarray(np.diff(values, prepend=before) / (np.diff(times, prepend=int(at)) / 3.6e9))

    def _step(self, kind: str, piece: Piece, values: Floats, low: Floats, high: Floats) -> FlaggedRuns:
        state = self.outside[kind]
        is_outside = outside(values, low, high)
        begins = first_of_run(is_outside, state.cutter)
        details = [
            *state.details,
            *(
                f"{value:.5g} {self.unit}, usual was {least:.5g} to {most:.5g}"
                for value, least, most in zip(values[begins], low[begins], high[begins], strict=True)
            ),
        ]
        ended = state.cutter.cut(is_outside, begins, piece.readings)
        state.details = details[len(ended) :]
        return FlaggedRuns(kind, ended, details[: len(ended)])


def bounds(values: Floats, kinds: Collection[str], before: Floats = NONE) -> dict[str, tuple[Floats, Floats]]:
    """Return, for each kind of flag, the lowest and highest value that are usual at each place.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One sensor of one asset, in time order; missing values are skipped.
    kinds : collection of str
        ``iqr`` and ``hampel``; see `iqr_bounds` and `hampel_bounds`.
    before : ndarray of shape (n_before,), optional
        The values before these, of which the newest `ROWS` count; none may be missing.

    Returns
    -------
    dict of str to (low, high), each of shape (n,)
        NaN where fewer than `LEAST` values came before, or these have no range.
    """
    order = _trailing_order(values, before[-ROWS:])
    compute = {"iqr": iqr_bounds, "hampel": hampel_bounds}
    return {kind: compute[kind](order) for kind in kinds}


def iqr_bounds(order: Floats) -> tuple[Floats, Floats]:
    """Return bounds `REACH` interquartile ranges beyond the quartiles of the values before; NaN if these are equal.

    Parameters
    ----------
    order : ndarray of shape (4, n)
        Lower quartile, median, upper quartile and median deviation of the values before each value.

    References
    ----------
    .. [1] J. W. Tukey, "Exploratory Data Analysis", 1977, chapter 2: the fences.
    """
    lower, _, upper, _ = order
    width = np.where(upper > lower, upper - lower, np.nan)
    return lower - REACH * width, upper + REACH * width


def hampel_bounds(order: Floats) -> tuple[Floats, Floats]:
    """Return bounds `DEVIATIONS` standard deviations from the median of the values before.

    Median and median deviation hardly move for a few wild values, so several spikes in a row are all outside. On a
    steady slope the median lags behind. The bounds are NaN where more than half of the values before are equal.

    Parameters
    ----------
    order : ndarray of shape (4, n)
        Lower quartile, median, upper quartile and median deviation of the values before each value. (Hampel's own
        filter uses later values as well.)

    References
    ----------
    .. [1] R. K. Pearson et al., "Generalized Hampel Filters", EURASIP J. Adv. Signal Process. 2016,
       doi:10.1186/s13634-016-0383-6
    """
    _, median, _, deviation = order
    width = DEVIATIONS * NORMAL * np.where(deviation > 0, deviation, np.nan)
    return median - width, median + width


def outside(values: Floats, low: Floats, high: Floats) -> Flags:
    """Return which values lie outside their bounds; a missing value never does."""
    return np.asarray((values < low) | (values > high), dtype=bool)


def _trailing_order(values: Floats, before: Floats) -> Floats:
    """Return quartiles and median deviation of the given values before each, of shape (4, n); see `trailing_order`."""
    is_present = ~np.isnan(values)
    present = np.append(before, values[is_present])
    order = np.full((4, len(values)), np.nan)
    if len(present) > FEW:
        from wheeltapper.readings.health.trailing import trailing_order

        order[:, is_present] = trailing_order(present, ROWS, LEAST)[:, len(before) :]
    else:
        order[:, is_present] = _order_of_few(present, len(before))
    return order


def _order_of_few(values: Floats, first: int) -> Floats:
    """Return what `trailing_order` returns from a place on, to the last bit, without compiled code.

    To load compiled code takes longer than an hour's readings need.
    """
    order = np.full((4, len(values) - first), np.nan)
    for place in range(max(first, LEAST), min(len(values), ROWS)):
        order[:, place - first] = _order_of(values[None, :place])[:, 0]
    if len(values) > ROWS:
        full = max(first, ROWS)
        windows = np.lib.stride_tricks.sliding_window_view(values[:-1], ROWS)
        order[:, full - first :] = _order_of(windows[full - ROWS :])
    return order


def _order_of(windows: Floats) -> Floats:
    """Return quartiles and median absolute deviation of each row, shape (4, n_rows)."""
    n_values = windows.shape[1]
    ordered = np.sort(windows, axis=1)
    order = np.empty((4, len(windows)))
    for which in range(3):
        at = 0.25 * (which + 1) * (n_values - 1)
        below = int(at)
        above = min(below + 1, n_values - 1)
        order[which] = ordered[:, below] + (at - below) * (ordered[:, above] - ordered[:, below])
    deviations = np.sort(np.abs(windows - order[1][:, None]), axis=1)
    middle = deviations[:, n_values // 2]
    order[3] = middle if n_values % 2 else 0.5 * (deviations[:, n_values // 2 - 1] + middle)
    return order
