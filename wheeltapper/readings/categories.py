"""Categories: a text column becomes one sensor of 0 and 1 for each value that the plant lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import category_sensor
from wheeltapper.readings.columns import MISSING_WORDS, text
from wheeltapper.readings.problems import short

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OneHot:
    """A category as sensors."""

    sensors: dict[str, Floats]
    """Sensor → 0 or 1, of shape (n_rows,); never missing."""
    notes: pd.Series[str]
    """Remark on each row, of shape (n_rows,); empty for most."""
    unreadable: pd.Series[str]
    """The same where a word is not listed; empty also where it is missing."""


def one_hot(values: pd.Series[Any], category: str, allowed: tuple[str, ...]) -> OneHot:
    """Turn a column of words into one sensor for each word that the plant lists.

    A word that is missing or not listed is 0 in all of them, and the row gets a remark. It is not a missing number:
    that would make every window round it useless for all sensors, although only a label is unknown.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        Words, or whole numbers that stand for words; blanks round them do not count, capitals do.
    category : str
        Its name, such as ``product``.
    allowed : tuple of str
        The words that the plant lists.
    """
    words = text(_whole(values))
    missing_words = set(MISSING_WORDS) - {word.lower() for word in allowed}
    missing = (words.isna() | words.str.lower().isin(missing_words)).to_numpy(dtype=bool)
    strange = ~missing & ~words.isin(allowed).to_numpy(dtype=bool)
    listed = ", ".join(allowed)
    remarks = {word: f"{category} {short(word)} is none of {listed}" for word in words[strange].unique()}
    unreadable = pd.Series("", index=words.index, dtype="str").mask(strange, words.map(remarks))
    return OneHot(
        {category_sensor(category, word): np.asarray(words == word, dtype=np.float64) for word in allowed},
        unreadable.mask(missing, f"{category} is missing"),
        unreadable,
    )


def _whole(values: pd.Series[Any]) -> pd.Series[Any]:
    """Write whole numbers without decimals: a column with a gap in it arrives as 1.0, 2.0 and missing."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return values
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = [f"{n:.0f}" if np.isfinite(n) and n == round(n) else None if np.isnan(n) else str(n) for n in numbers]
    return pd.Series(texts, index=values.index, dtype="str")
