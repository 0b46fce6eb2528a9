"""Units: values in the unit that a source delivers become values in the asset type's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def convert(values: Floats, came: str, meant: str) -> Floats:
    """Return values in another unit of the same kind; 212 °F are 100 °C.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        In the unit ``came``; a missing one stays missing.
    came, meant : str
        Units as `wheeltapper.config.Sensor` knows them. `wheeltapper.config.require_conversion` has seen to it, when
        the plant was read, that one can be converted into the other.
    """
    import pint

    converted = pint.application_registry.Quantity(values, came).to(meant).magnitude
    return np.asarray(converted, dtype=np.float64)
