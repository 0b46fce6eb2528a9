"""Categories: a text column becomes one sensor of 0 and 1 for each value that the plant knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import category_sensor
from wheeltapper.readings.columns import MISSING_WORDS, text
from wheeltapper.readings.findings import short

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OneHot:
    """A category as sensors."""

    sensors: dict[str, Floats]
    """Sensor → 0 or 1, of shape (n_rows,); never missing."""
    notes: pd.Series[str]
    """What is odd about each row, of shape (n_rows,); empty where nothing is."""


def one_hot(values: pd.Series[Any], category: str, known: tuple[str, ...]) -> OneHot:
    """Turn a column of words into one sensor for each known word.

    An unknown or missing word is 0 in all of them and noted. It is no missing number: that would make every window
    round it useless for all sensors, although only a label is unknown.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        Words, or whole numbers that stand for words; blanks round them do not count, capitals do.
    category : str
        Its name, such as ``product``.
    known : tuple of str
        The words that the plant knows.
    """
    words = text(_whole(values))
    lost = (words.isna() | words.str.lower().isin(set(MISSING_WORDS) - {w.lower() for w in known})).to_numpy(dtype=bool)
    strange = ~lost & ~words.isin(known).to_numpy(dtype=bool)
    notes = pd.Series("", index=words.index, dtype="str").mask(lost, f"{category} is missing")
    allowed = ", ".join(known)
    said = {word: f"{category} {short(word)} is none of {allowed}" for word in words[strange].unique()}
    notes = notes.mask(strange, words.map(said))
    return OneHot(
        {category_sensor(category, word): np.asarray(words == word, dtype=np.float64) for word in known}, notes
    )


def _whole(values: pd.Series[Any]) -> pd.Series[Any]:
    """Write whole numbers as such: a column with a gap in it comes as 1.0, 2.0 and missing."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return values
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    shown = [f"{n:.0f}" if np.isfinite(n) and n == round(n) else None if np.isnan(n) else str(n) for n in numbers]
    return pd.Series(shown, index=values.index, dtype="str")
