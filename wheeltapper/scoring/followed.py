"""How far a step has followed a table: the version that it has taken in, so that the next run looks at what is newer.

The mark is moved after the step's own tables are written. A run that is killed between takes the same rows in again,
and equal rows change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from wheeltapper import tables
from wheeltapper.store import Store
from wheeltapper.tables import Table


@dataclass(frozen=True)
class Mark:
    """The place that a step has reached in the table that it follows."""

    store: Store
    step: str
    """Names the step, such as ``scores of 0123abc as champion``."""
    table: Table
    settings: str = ""
    """Hash of the settings that decide the result: with other settings everything is to be taken in again."""

    def version_taken_in(self) -> int | None:
        """Return the version that was taken in last with these settings; None if there is none."""
        rows = self.store.read(tables.FOLLOWED)
        rows = rows[(rows["step"] == self.step) & (rows["table"] == self.table.name)]
        rows = rows[rows["settings"] == self.settings]
        return int(rows["version"].iloc[0]) if len(rows) else None

    def move(self, version: int) -> None:
        """Record that a version was taken in."""
        row = {"step": self.step, "table": self.table.name, "version": version, "settings": self.settings}
        after = self.store.version(tables.FOLLOWED)
        self.store.upsert(tables.FOLLOWED, pd.DataFrame([row]), txn=f"followed:{self.step}:{version}:after {after}")
