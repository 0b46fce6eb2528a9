"""The tables: columns, dtypes and units, and the check of every table that is stored.

Timestamps are UTC with microseconds everywhere; only sources and printed texts know a site's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from wheeltapper.errors import DataError

Kind = Literal["time", "number", "text", "flag", "count"]

DTYPES: dict[Kind, str] = {
    "time": "datetime64[us, UTC]",
    "number": "float64",
    "text": "str",
    "flag": "bool",
    "count": "int64",
}


@dataclass(frozen=True)
class Column:
    """One column: its name, what kind of values it holds, and what they mean."""

    name: str
    kind: Kind
    means: str
    optional: bool = False
    """May hold missing values."""


@dataclass(frozen=True)
class Table:
    """One table of the store."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    time: str | None = None
    """The column that decides into which day or month a row belongs; None keeps the table in one piece."""
    more: Kind | None = None
    """The kind of further columns (sensors, features), which differ from plant to plant; None allows none."""
    volatile: tuple[str, ...] = ()
    """Columns of when or by whom a row was written: two rows that differ only here are the same."""

    def names(self) -> list[str]:
        """List the fixed columns."""
        return [column.name for column in self.columns]

    def empty(self) -> pd.DataFrame:
        """Return the table without rows."""
        return pd.DataFrame({c.name: pd.Series([], dtype=DTYPES[c.kind]) for c in self.columns})

    def check(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with fixed columns first, exact dtypes and a fresh index.

        Raises
        ------
        DataError
            If a column is missing, unknown, of another kind, or empty where it must not be, or if two rows
            have the same key.
        """
        repeated = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
        if repeated:
            raise DataError(
                f"table {self.name}: the rows have column {repeated} more than once; name each column once."
            )
        missing = [name for name in self.names() if name not in frame]
        if missing:
            raise DataError(f"table {self.name} needs column {missing}; the rows have {list(frame.columns)}")
        extra = [name for name in frame.columns if name not in self.names()]
        if extra and self.more is None:
            raise DataError(f"table {self.name} has no column {extra}; it has {self.names()}")
        frame = frame[self.names() + extra].reset_index(drop=True)
        kinds: dict[str, Kind] = {c.name: c.kind for c in self.columns}
        kinds.update(dict.fromkeys(extra, self.more or "number"))
        for name, kind in kinds.items():
            frame[name] = self._as_kind(frame[name], kind)
        for column in self.columns:
            if not column.optional and frame[column.name].isna().any():
                raise DataError(f"table {self.name}: column {column.name} ({column.means}) may not be empty")
        is_repeated = frame.duplicated(list(self.key))
        if is_repeated.any():
            first = frame.loc[is_repeated, list(self.key)].iloc[0].to_dict()
            raise DataError(
                f"table {self.name}: {int(is_repeated.sum())} rows repeat the key {self.key}, first {first}"
            )
        return frame

    def lost_keys(self, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
        """Return the keys of the rows of ``before`` that ``after`` has no row for."""
        key = list(self.key)
        both = before[key].merge(after[key], on=key, how="left", indicator=True)
        return both.loc[both["_merge"] == "left_only", key]

    def _as_kind(self, values: pd.Series, kind: Kind) -> pd.Series:
        if kind == "time" and not isinstance(values.dtype, pd.DatetimeTZDtype) and len(values.dropna()):
            raise DataError(
                f"table {self.name}: column {values.name} must be timestamps with a time zone, got {values.dtype}"
            )
        if not _may_become(values, kind):
            raise DataError(
                f"table {self.name}: column {values.name} must be a {kind}, got {values.dtype} such as "
                f"{values.dropna().iloc[0]!r}"
            )
        try:
            return values.astype(DTYPES[kind])  # type: ignore[call-overload,no-any-return]
        except (TypeError, ValueError) as error:
            raise DataError(f"table {self.name}: column {values.name} must be a {kind}: {error}") from error


def _may_become(values: pd.Series, kind: Kind) -> bool:
    """Tell whether values may become a column's kind; pandas alone would turn 'False' into true, and 1.5 into 1."""
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    allowed: dict[Kind, tuple[str, ...]] = {
        "time": ("datetime64", "datetime"),
        "number": ("floating", "integer", "mixed-integer-float", "decimal"),
        "text": ("string",),
        "flag": ("boolean",),
        "count": ("integer",),
    }
    return inferred in allowed[kind] or not values.notna().any()


READINGS = Table(
    name="readings",
    key=("asset_id", "timestamp"),
    time="timestamp",
    more="number",
    volatile=("ingested_at", "batch_id", "origin"),
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("timestamp", "time", "when it was measured"),
        Column("regime", "text", "operating state"),
        Column("batch_id", "text", "its delivery"),
        Column("origin", "text", "its file or query"),
        Column("ingested_at", "time", "when it was stored"),
    ),
)

QUARANTINE = Table(
    name="quarantine",
    key=("batch_id", "row", "measured_at"),
    time="measured_at",
    volatile=("ingested_at", "measured_at"),
    columns=(
        Column("batch_id", "text", "its delivery"),
        Column("row", "count", "its place in that delivery, from 0"),
        Column("origin", "text", "its file or query"),
        Column("asset_id", "text", "the machine", optional=True),
        Column("timestamp", "text", "the time, as delivered", optional=True),
        Column("content", "text", "the row as delivered, as JSON"),
        Column("expectation", "text", "the promise that it broke"),
        Column("reason", "text", "the same as a sentence"),
        Column("ingested_at", "time", "when it was put aside"),
        Column("measured_at", "time", "the same time as an instant; 1970-01-01 if it cannot be read"),
    ),
)

CORRECTIONS = Table(
    name="corrections",
    # A reading that was replaced, once for each time that it arrived, whatever interrupts and repeats the delivery.
    key=("asset_id", "timestamp", "arrived_at", "arrival"),
    time="timestamp",
    volatile=("arrived_at", "batch_id", "replaced_at", "by_batch"),
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("timestamp", "time", "when it was measured"),
        Column("arrived_at", "time", "when the replaced reading was stored, or came in the same delivery"),
        Column("arrival", "text", "hash of its origin, operating state and values"),
        Column("replaced_at", "time", "when a later arrival replaced it"),
        Column("regime", "text", "the replaced operating state"),
        Column("content", "text", "the replaced values of the sensors, as JSON"),
        Column("origin", "text", "file or query of the replaced reading"),
        Column("batch_id", "text", "delivery of the replaced reading"),
        Column("by_origin", "text", "file or query of the reading that replaced it"),
        Column("by_batch", "text", "delivery of the reading that replaced it"),
    ),
)
"""Readings that a later arrival replaced. No retention touches this table."""

MISSING = Table(
    name="missing",
    key=("asset_id", "sensor", "timestamp"),
    time="timestamp",
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("sensor", "text", "the sensor or category without a value"),
        Column("timestamp", "time", "when it should have been measured"),
        Column("why", "text", "not_measured, unreadable, status or agreed_code"),
        Column("detail", "text", "what was delivered in place of a value, as a sentence"),
    ),
)
"""Why cells of readings have no value. An empty cell was not measured, which is not stored: it is the usual reason."""

DELIVERIES = Table(
    name="deliveries",
    key=("source",),
    volatile=("delivered_at",),
    columns=(
        Column("source", "text", "the kind of source"),
        Column("settings", "text", "hash of the settings that it was read with"),
        Column("cursor", "text", "up to where it was read, as JSON"),
        Column("delivered_at", "time", "when that was stored"),
    ),
)
"""Up to where the source was read; written after the readings, so that nothing is passed over."""

FEATURES = Table(
    name="features",
    key=("asset_id", "window_end"),
    time="window_end",
    more="number",
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("window_end", "time", "timestamp of the window's last reading"),
        Column("window_start", "time", "timestamp of its first"),
        Column("regime", "text", "operating state of the whole window, 'transition' where it changes inside"),
        Column("usable", "flag", "whether it may be learnt from and scored"),
        Column("why_not", "text", "the reason if it may not, else empty"),
        Column("plan", "text", "hash of the feature plan"),
    ),
)

FAULTS = Table(
    name="faults",
    key=("asset_id", "start", "kind"),
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("start", "time", "onset"),
        Column("end", "time", "end"),
        Column("kind", "text", "what went wrong"),
        Column("severity", "number", "how badly, 0 to 1"),
        Column("origin", "text", "simulated, imported or person"),
    ),
)

FLAGS = Table(
    name="flags",
    key=("asset_id", "sensor", "kind", "start"),
    time="start",
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("sensor", "text", "the sensor"),
        Column(
            "kind", "text", "iqr or hampel for unusual values; flat, dropout, clipped, jump_in_scale, counter_reset"
        ),
        Column("start", "time", "timestamp of the first flagged reading"),
        Column("end", "time", "timestamp of the last"),
        Column("count", "count", "flagged readings"),
        Column("detail", "text", "the same as a sentence"),
    ),
)

SCORES = Table(
    name="scores",
    key=("asset_id", "window_end", "bundle"),
    time="window_end",
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("window_end", "time", "end of the window"),
        Column("bundle", "text", "hash of the bundle that scored it"),
        Column("score", "number", "unitless, 0 is typical, higher is more anomalous"),
        Column("threshold", "number", "the score above which the window is anomalous"),
        Column("severity", "number", "score ÷ threshold"),
        Column("regime", "text", "operating state"),
        Column("top_sensors", "text", "what stands out, as JSON; empty for a normal window"),
        Column("role", "text", "champion or challenger"),
    ),
)

ALARMS = Table(
    name="alarms",
    key=("alarm_id",),
    columns=(
        Column("alarm_id", "text", "hash of asset, opening time and bundle when it was first raised; it never changes"),
        Column("asset_id", "text", "the machine"),
        Column("opened_at", "time", "end of the window that opened it"),
        Column("closed_at", "time", "end of the last anomalous window; empty while open", optional=True),
        Column("last_at", "time", "end of the last anomalous window so far"),
        Column("peak_severity", "number", "highest severity inside"),
        Column("regime", "text", "operating state at the peak"),
        Column("tier", "text", "critical, high or medium"),
        Column("state", "text", "open, closed, or withdrawn: readings that came late no longer show it"),
        Column("explanation", "text", "one sentence for people"),
        Column("sensors", "text", "ranked sensors with what changed, as JSON"),
        Column("bundle", "text", "hash of the bundle that raised it"),
    ),
)

FOLLOWED = Table(
    name="followed",
    key=("step", "table"),
    columns=(
        Column("step", "text", "what follows the table, such as the scores of one bundle"),
        Column("table", "text", "the table that is followed"),
        Column("version", "count", "version of it that was taken in last"),
        Column("settings", "text", "hash of the settings that it was taken in with"),
    ),
)

WITHHELD = Table(
    name="withheld",
    key=("asset_id", "reason", "start"),
    columns=(
        Column("asset_id", "text", "the machine"),
        Column("reason", "text", "why nothing is learnt from this time"),
        Column("start", "time", "first instant of the span"),
        Column("end", "time", "last instant of the span"),
        Column("detail", "text", "the alarms or the decision that withhold it"),
    ),
)

LEDGER = Table(
    name="ledger",
    key=("sequence",),
    # The hashes cover the time, so they differ where it differs: a run that was interrupted and resumed later
    # decides the same and must have the same digest. `wheeltapper.decisions.ledger.verify` watches over all three.
    volatile=("time", "previous", "hash"),
    columns=(
        Column("sequence", "count", "0, 1, 2, …"),
        Column("time", "time", "when it was decided"),
        Column("actor", "text", "pipeline, or the person who decided"),
        Column("objective", "text", "the question"),
        Column(
            "verdict", "text", "promote, keep, challenge, refuse, roll back; confirm, dismiss, rebaseline, take back"
        ),
        Column("bundle", "text", "hash of the bundle that is live afterwards; empty for none"),
        Column("version", "text", "its version in the registry; empty for none"),
        Column("run", "text", "key of the training run: what it was decided on"),
        Column("data", "text", "table versions, as JSON"),
        Column("gates", "text", "every gate with its figure, as JSON"),
        Column("reason", "text", "as a sentence"),
        Column("previous", "text", "hash of the entry before; empty for the first"),
        Column("hash", "text", "SHA-256 over all of the above"),
    ),
)

TABLES = {
    t.name: t
    for t in (
        *(READINGS, CORRECTIONS, MISSING, QUARANTINE, DELIVERIES),
        *(FEATURES, FAULTS, FLAGS, SCORES, ALARMS, FOLLOWED, WITHHELD, LEDGER),
    )
}


def microseconds(times: pd.Series | pd.DatetimeIndex) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return UTC times as whole microseconds since 1970, shape (n,): exact, and quick to compare."""
    return pd.DatetimeIndex(times).as_unit("us").asi8
