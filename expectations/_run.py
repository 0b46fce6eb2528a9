"""Checking promises: the only module that uses Great Expectations (GX).

A suite is a list of `Promise`. This module lets GX check them, sorts the broken ones by severity, and writes the Data
Docs. Each run has a context of its own in memory: nothing is written to the disk but the requested pages.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import pandas as pd

from expectations import _details
from expectations._pages import Line, write_pages
from wheeltapper.checks import Findings

Severity = Literal["critical", "warning", "info"]

CONSEQUENCES: Mapping[Severity, str] = {
    "critical": "stops the batch",
    "warning": "puts the row aside",
    "info": "is noted",
}
"""Severity → consequence of a broken promise, as the Data Docs show it."""

_COMPLETE = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
_ONE_AT_A_TIME = RLock()
"""GX keeps its current context in a global variable."""


@dataclass(frozen=True)
class Promise:
    """One thing that a table promises, as a sentence for people and as a GX expectation."""

    name: str
    """Its name in the quarantine, such as ``pressure_within_limits``."""
    says: str
    """The promise as a sentence with units, as the Data Docs show it."""
    severity: Severity
    """``critical`` stops the batch, ``warning`` puts the rows aside, ``info`` is noted."""
    kind: str
    """Class of `great_expectations.expectations`."""
    arguments: dict[str, Any] = field(default_factory=dict)
    explain: Callable[[pd.DataFrame], Iterable[str]] | None = None
    """Returns a reason for each of the rows that broke it."""
    summarise: Callable[[pd.DataFrame], str] | None = None
    """Returns one sentence about all rows that broke it; without it the first row's reason stands for all."""
    hint: str = ""
    """Advice for the case that it is broken; shown in the Data Docs."""
    table: str = ""
    """The computed table that it is about; empty for the checked table itself."""

    def __post_init__(self) -> None:
        """Refuse a promise that cannot be kept: rows of a computed table cannot be put aside."""
        if self.table and self.severity == "warning":
            raise ValueError(
                f"promise {self.name} is about the table '{self.table}', whose rows cannot be put aside; make it "
                "critical or info."
            )

    def columns(self) -> list[str]:
        """List the columns that it is about."""
        named = [self.arguments[key] for key in ("column", "column_A", "column_B") if key in self.arguments]
        return named + list(self.arguments.get("column_list", []))


def exists(column: str, means: str) -> Promise:
    """Promise that a column is there at all."""
    says = f"Column {column} ({means}) is there."
    return Promise(f"{column}_exists", says, "critical", "ExpectColumnToExist", {"column": column})


def has_rows(what: str) -> Promise:
    """Promise at least one row: an empty table keeps every promise about its values."""
    says = f"There is at least one {what}."
    return Promise("has_rows", says, "critical", "ExpectTableRowCountToBeBetween", {"min_value": 1})


def is_float(column: str) -> Promise:
    """Promise float64: text in a column of numbers would escape every limit."""
    arguments = {"column": column, "type_": "float64"}
    return Promise(
        f"{column}_is_number",
        f"{column} holds numbers (float64).",
        "critical",
        "ExpectColumnValuesToBeOfType",
        arguments,
    )


def is_time(column: str) -> Promise:
    """Promise timestamps with a time zone: GX calls only those Timestamp, naive ones datetime64."""
    arguments = {"column": column, "type_": "Timestamp"}
    says = f"{column} holds instants with a time zone."
    return Promise(f"{column}_is_time", says, "critical", "ExpectColumnValuesToBeOfType", arguments)


def is_given(column: str, what: str, severity: Severity = "critical") -> Promise:
    """Promise that no row lacks a value; ``what`` ends the sentence *Every row has …*."""
    return Promise(
        f"{column}_given",
        f"Every row has {what}.",
        severity,
        "ExpectColumnValuesToNotBeNull",
        {"column": column},
        explain=lambda rows: [f"the row has no {column}"] * len(rows),
    )


def some(names: list[str], most: int = 3) -> str:
    """Name the first few and count the others: ``a, b, c and 2 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def run(
    frame: pd.DataFrame,
    promises: tuple[Promise, ...],
    *,
    suite: str,
    title: str,
    docs: Path | None,
    beside: Mapping[str, pd.DataFrame] | None = None,
) -> Findings:
    """Check a table, and what was computed from it, against a suite.

    Parameters
    ----------
    frame : DataFrame
        Any index; rows are named by their column ``row`` if there is one, otherwise by their place from 0.
    promises : tuple of Promise
        A promise about a missing column is skipped; that the column exists is a promise of its own.
    suite, title : str
        Names of the suite and of this run in the Data Docs.
    docs : Path or None
        Folder for the Data Docs; None writes none.
    beside : mapping of DataFrame, optional
        Computed tables by their name (`Promise.table`), such as one with a row for each sensor of each asset.
        Their index names the rows in the Data Docs and is unique.

    Returns
    -------
    Findings
    """
    # If the index has a name, GX names rows by it as well.
    others = {name: table.rename_axis(None) for name, table in (beside or {}).items()}
    tables = {"": frame.reset_index(drop=True), **others}
    checked = tuple(promise for promise in promises if promise.table in tables and _is_about(promise, tables))
    with _ONE_AT_A_TIME, _quiet():
        results, details = _validate(tables, checked, suite, title, docs is not None)
    failures: list[str] = []
    unchecked: list[str] = []
    notes: list[str] = []
    rejected: list[pd.DataFrame] = []
    for promise, result in zip(checked, results, strict=True):
        frame = tables[promise.table]
        problem = _exception(result)
        places = sorted(set(result["result"].get("unexpected_index_list") or []))
        if problem:
            unchecked.append(f"{promise.name} could not be checked: {problem}")
        elif promise.severity == "warning" and places:
            rejected.append(_reject(frame, promise, places))
        elif not result["success"] and promise.severity != "info":
            failures.append(_sentence(frame, promise, result, places))
        elif not result["success"] and (places or result["result"].get("observed_value") is not None):
            notes.append(_sentence(frame, promise, result, places))
    # A promise mostly cannot be checked because of a missing or mistyped column; that failure says more.
    failures = failures or unchecked
    findings = Findings(not failures, tuple(failures), _one_line_a_row(rejected), tuple(notes))
    if docs is None:
        return findings
    lines = [_line(tables[promise.table], promise, result) for promise, result in zip(checked, results, strict=True)]
    write_pages(docs, suite=suite, title=title, lines=lines, details=details)
    return replace(findings, docs=docs / "index.html")


def _is_about(promise: Promise, tables: Mapping[str, pd.DataFrame]) -> bool:
    """Tell whether the promise's columns are there; that one is missing is a broken promise of its own."""
    return promise.kind == "ExpectColumnToExist" or set(promise.columns()) <= set(tables[promise.table].columns)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let GX neither warn nor log: its results are in the findings."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _validate(
    tables: Mapping[str, pd.DataFrame], promises: tuple[Promise, ...], suite: str, title: str, with_pages: bool
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run GX in a context of its own; return a result for each promise, in their order, and the pages of details."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_pandas("wheeltapper")
    by_name: dict[str, dict[str, Any]] = {}
    pages: dict[str, str] = {}
    for table, frame in tables.items():
        about_table = [promise for promise in promises if promise.table == table]
        if not about_table:
            continue
        name = f"{suite}_{table}" if table else suite
        checked = gx.ExpectationSuite(name, [_expectation(promise) for promise in about_table])
        everything = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        shown = frame.copy(deep=False)
        result = everything.get_batch({"dataframe": shown}).validate(checked, result_format=_COMPLETE)
        by_name |= {each.expectation_config.meta["name"]: each.to_json_dict() for each in result.results}
        if with_pages:
            pages |= _details.pages(checked, result, title, _last_instant(tables[""]))
        # GX's objects refer to each other, and would keep the table until Python looks for garbage.
        shown.drop(columns=list(shown.columns), inplace=True)
    return [by_name[promise.name] for promise in promises], pages


def _expectation(promise: Promise) -> Any:
    import great_expectations.expectations as kinds

    return getattr(kinds, promise.kind)(
        **promise.arguments,
        severity=promise.severity,
        description=f"{promise.says} [if not: {CONSEQUENCES[promise.severity]}]",
        notes=promise.hint or None,
        meta={"name": promise.name},
    )


def _last_instant(frame: pd.DataFrame) -> datetime:
    """Name a run by its data's last instant, so that the same data gives the same pages."""
    times = frame.select_dtypes("datetimetz")
    last = times.max().max() if len(times.columns) else pd.NaT
    return datetime.fromtimestamp(0, UTC) if pd.isna(last) else last.to_pydatetime()


def _exception(result: dict[str, Any]) -> str:
    """Return why a promise could not be checked; GX reports it flat, or by metric."""
    info = result.get("exception_info") or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry.get("exception_message") for entry in entries if entry.get("raised_exception")]
    return str(raised[0]).replace("\n", " ") if raised else ""


def _line(frame: pd.DataFrame, promise: Promise, result: dict[str, Any]) -> Line:
    """Return the line of the start page for a promise."""
    places = sorted(set(result["result"].get("unexpected_index_list") or []))
    consequence = CONSEQUENCES[promise.severity]
    if _exception(result):
        return promise.says, consequence, "broken", "could not be checked"
    if result["success"] and not (places and promise.severity == "warning"):
        return promise.says, consequence, "kept", "kept"
    state = "noted" if promise.severity == "info" else "broken"
    if not places:
        return promise.says, consequence, state, f"not so.{_observed(result)}"
    if promise.summarise:
        return promise.says, consequence, state, promise.summarise(frame.loc[places])
    example = next(iter(_reject(frame, promise, places[:1])["reason"]))
    share = "" if len(frame) == 1 else f"not so for {len(places):,} of {len(frame):,} rows, the first: "
    return promise.says, consequence, state, share + example


def _sentence(frame: pd.DataFrame, promise: Promise, result: dict[str, Any], places: list[Any]) -> str:
    """Return a sentence about a broken promise: what was promised and what was observed."""
    if places and promise.summarise:
        return promise.summarise(frame.loc[places])
    if places:
        example = next(iter(_reject(frame, promise, places[:1])["reason"]))
        return f"{promise.says} Not so for {len(places)} of {len(frame)} rows, the first: {example}"
    return f"Not so: {promise.says}{_observed(result)}"


def _observed(result: dict[str, Any]) -> str:
    """Return the observed value of an aggregate as a sentence."""
    observed = result["result"].get("observed_value")
    if isinstance(observed, float):
        observed = f"{observed:.4g}"
    return "" if observed is None else f" It is {observed}."


def _reject(frame: pd.DataFrame, promise: Promise, places: list[Any]) -> pd.DataFrame:
    """Return the rows that broke a promise, each with its reason."""
    rows = frame.loc[places]
    reasons = list(promise.explain(rows)) if promise.explain else [f"not so: {promise.says}"] * len(rows)
    names = rows["row"].to_numpy() if "row" in frame else rows.index.to_numpy()
    return pd.DataFrame({"row": names, "expectation": promise.name, "reason": reasons}).astype({"row": "int64"})


def _one_line_a_row(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join all reasons of a row into one line."""
    if not parts:
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "expectation": "", "reason": ""}).head(0)
    together = pd.concat(parts, ignore_index=True)
    if not together["row"].duplicated().any():
        return together.sort_values("row", ignore_index=True)
    joined = together.groupby("row").agg(expectation=("expectation", "first"), reason=("reason", "; ".join))
    return joined.reset_index()
