"""Flags in a file of their own: one line for each row of another file, saying whether it lies inside a fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from wheeltapper.errors import SourceError
from wheeltapper.sources._cells import flags


class FlagFile:
    """The flags of one file of readings."""

    def __init__(self, path: Path, encoding: str, decimal: str) -> None:
        try:
            with pa.input_stream(str(path), compression="detect") as stream:
                lines = stream.read().decode(encoding).split("\n")
        except (OSError, UnicodeError) as error:
            raise SourceError(f"the flags of a file should be in {path}: {error}. Change fault_flags.") from error
        while lines and not lines[-1].strip():
            lines.pop()  # the last line's end, and blank lines after it
        self._path = path
        self._inside: NDArray[np.bool_] = flags(
            pd.Series(lines, dtype="str"), "(its only one)", path.name, decimal
        ).to_numpy(dtype=bool)

    def of(self, first: int, count: int) -> NDArray[np.bool_]:
        """Return the flags of ``count`` rows; `require_end` counts rows without one."""
        flags_here = self._inside[first : first + count]
        return np.pad(flags_here, (0, count - len(flags_here)))

    def require_end(self, rows: int, shown: str) -> None:
        """Refuse flags that are more or fewer than the rows: it is not clear which belongs to which.

        Raises
        ------
        SourceError
            With both numbers.
        """
        if rows != len(self._inside):
            raise SourceError(f"{shown} has {rows} rows, but {self._path.name} has {len(self._inside)} flags.")
