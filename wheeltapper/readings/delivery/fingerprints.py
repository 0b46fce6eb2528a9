"""Fingerprints: the same content has the same number or name, in every process."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def row_hashes(rows: pd.DataFrame) -> NDArray[np.uint64]:
    """Return a number for each row, shape (n_rows,)."""
    return np.asarray(pd.util.hash_pandas_object(rows, index=False), dtype=np.uint64)


def digest(*texts: str) -> str:
    """Return a short name for texts in this order."""
    return hashlib.sha256("|".join(texts).encode()).hexdigest()[:16]
