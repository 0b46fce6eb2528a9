"""Units: values in the unit that a source delivers become values in the asset type's unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def convert(values: Floats, delivered: str, target: str) -> Floats:
    """Return values in another unit of the same kind: 212 °F are 100 °C.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        In the unit ``delivered``; a missing one stays missing.
    delivered, target : str
        Units as `wheeltapper.config.Sensor` names them. When the plant was read,
        `wheeltapper.config.require_conversion` has made sure that one can be converted into the other.
    """
    import pint

    converted = pint.application_registry.Quantity(values, delivered).to(target).magnitude
    return np.asarray(converted, dtype=np.float64)
