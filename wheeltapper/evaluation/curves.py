"""Curves: true and false detections of a candidate at every possible threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wheeltapper.errors import DataError

Floats = NDArray[np.float64]
Curve = tuple[list[float], list[float]]
"""A curve's x values and y values, both from 0 to 1 and of the same length; plain JSON."""
Curves = Mapping[str, Curve]
"""Candidate → curve."""

_DOTS = 400
"""Steps from 0 to 1 that a figure can show."""


def window_curves(is_faulty: NDArray[np.bool_], scores: Floats) -> dict[str, Curve]:
    """Return the ROC and the precision-recall curve of one candidate, thinned to what a figure can show.

    Parameters
    ----------
    is_faulty : ndarray of shape (n_windows,)
        Whether each judged window ends inside a known fault.
    scores : ndarray of shape (n_windows,)
        Higher is more anomalous.

    Returns
    -------
    dict with
        ``roc``: share of normal windows called anomalous, share of fault windows called anomalous;
        ``pr``: share of fault windows called anomalous (recall), share of anomalous windows in a fault (precision)

    Raises
    ------
    DataError
        If there are no faulty or no normal windows: a curve needs both.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    if is_faulty.all() or not is_faulty.any():
        raise DataError(
            f"curves need windows inside and outside faults, got {int(is_faulty.sum())} inside of {len(is_faulty)}. "
            "Leave the curves out and give the reason."
        )
    false_share, found_share, _ = roc_curve(is_faulty, scores)
    precision, recall, _ = precision_recall_curve(is_faulty, scores)
    return {"roc": _thin(false_share, found_share), "pr": _thin(recall, precision)}


def _thin(x: Floats, y: Floats) -> Curve:
    """Drop points that a figure cannot distinguish from both their neighbours."""
    dots = np.round(np.column_stack([x, y]) * _DOTS)
    keep = np.ones(len(x), dtype=bool)
    keep[1:-1] = np.any(dots[1:-1] != dots[:-2], axis=1) | np.any(dots[1:-1] != dots[2:], axis=1)
    return x[keep].tolist(), y[keep].tolist()
