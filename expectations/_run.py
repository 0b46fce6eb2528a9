"""Keeping promises: the one place that talks to Great Expectations (GX).

A suite is a list of `Promise`; this module has GX check them, sorts what was broken by severity, and writes the
Data Docs. Each run has a context of its own in memory: nothing is left on disk but the pages asked for.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import pandas as pd

from expectations._pages import Line, write_pages

Severity = Literal["critical", "warning", "info"]

_ONE_AT_A_TIME = RLock()
"""GX keeps its current context in a global variable."""


@dataclass(frozen=True)
class Promise:
    """One thing that a table promises, in words for people and as a GX expectation."""

    name: str
    """What quarantine calls it, such as ``pressure_within_limits``."""
    says: str
    """The promise as a sentence with units, as the Data Docs show it."""
    severity: Severity
    """``critical`` stops the batch, ``warning`` puts the rows aside, ``info`` is noted."""
    kind: str
    """Class of `great_expectations.expectations`."""
    arguments: dict[str, Any] = field(default_factory=dict)
    explain: Callable[[pd.DataFrame], Iterable[str]] | None = None
    """Says for each of the rows that broke it what is wrong there."""
    hint: str = ""
    """What to look at when it is broken; shown in the Data Docs."""

    def columns(self) -> list[str]:
        """List the columns that it is about."""
        named = [self.arguments[key] for key in ("column", "column_A", "column_B") if key in self.arguments]
        return named + list(self.arguments.get("column_list", []))


@dataclass(frozen=True)
class Findings:
    """Which promises a table broke."""

    ok: bool
    """Whether every critical promise was kept; if not, the batch must not go on."""
    failures: tuple[str, ...]
    """The critical promises that were broken, in words."""
    rejected: pd.DataFrame
    """Rows to put aside, one line each: row, expectation (the first broken promise), reason (all of them)."""
    notes: tuple[str, ...]
    """What is worth knowing, in words."""
    docs: Path | None = None
    """Start page of the Data Docs, if they were asked for."""


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


def run(frame: pd.DataFrame, promises: tuple[Promise, ...], *, suite: str, title: str, docs: Path | None) -> Findings:
    """Check a table against a suite.

    Parameters
    ----------
    frame : DataFrame
        Any index; rows are named by their column ``row`` if there is one, otherwise by their place from 0.
    promises : tuple of Promise
        A promise about a column that is not there is passed over; that the column exists is a promise of its own.
    suite, title : str
        What the Data Docs call the suite and this run.
    docs : Path or None
        Folder for the Data Docs; None writes none.

    Returns
    -------
    Findings
    """
    frame = frame.reset_index(drop=True)
    asked = tuple(p for p in promises if p.kind == "ExpectColumnToExist" or set(p.columns()) <= set(frame.columns))
    with _ONE_AT_A_TIME, _quiet():
        results = _validate(frame, asked, suite, title, docs)
    failures: list[str] = []
    unchecked: list[str] = []
    notes: list[str] = []
    rejected: list[pd.DataFrame] = []
    for promise, result in zip(asked, results, strict=True):
        problem = _exception(result)
        places = sorted(set(result["result"].get("unexpected_index_list") or []))
        if problem:
            unchecked.append(f"{promise.name} could not be checked: {problem}")
        elif promise.severity == "warning" and places:
            rejected.append(_reject(frame, promise, places))
        elif not result["success"] and promise.severity != "info":
            failures.append(_in_words(frame, promise, result, places))
        elif not result["success"] and (places or result["result"].get("observed_value") is not None):
            notes.append(_in_words(frame, promise, result, places))
    # What cannot be checked mostly follows from a missing or mistyped column, which says more.
    failures = failures or unchecked
    findings = Findings(not failures, tuple(failures), _one_line_a_row(rejected), tuple(notes))
    if docs is None:
        return findings
    lines = [_line(promise, result, len(frame)) for promise, result in zip(asked, results, strict=True)]
    write_pages(docs, suite=suite, title=title, lines=lines)
    return replace(findings, docs=docs / "index.html")


@contextmanager
def _quiet() -> Iterator[None]:
    """Let GX neither warn nor log: what it finds is in the findings."""
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
    frame: pd.DataFrame, promises: tuple[Promise, ...], suite: str, title: str, docs: Path | None
) -> list[dict[str, Any]]:
    """Run GX in a context of its own and return one result a promise, in their order."""
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    table = context.data_sources.add_pandas("wheeltapper").add_dataframe_asset(suite)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=suite,
            data=table.add_batch_definition_whole_dataframe("all"),
            suite=context.suites.add(gx.ExpectationSuite(suite, [_expectation(promise) for promise in promises])),
        )
    )
    actions = []
    if docs is not None:
        context.add_data_docs_site("docs", _site(docs))
        actions = [UpdateDataDocsAction(name="docs", site_names=["docs"])]
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=suite,
            validation_definitions=[definition],
            actions=actions,
            result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
        )
    )
    identity = gx.RunIdentifier(run_name=title, run_time=_last_instant(frame))
    (outcome,) = checkpoint.run(batch_parameters={"dataframe": frame}, run_id=identity).run_results.values()
    by_name = {result.expectation_config.meta["name"]: result.to_json_dict() for result in outcome.results}
    return [by_name[promise.name] for promise in promises]


def _expectation(promise: Promise) -> Any:
    import great_expectations.expectations as kinds

    return getattr(kinds, promise.kind)(
        **promise.arguments,
        severity=promise.severity,
        description=f"{promise.says} [{promise.severity}]",
        notes=promise.hint or None,
        meta={"name": promise.name},
    )


def _site(docs: Path) -> dict[str, Any]:
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    builder = {"class_name": "DefaultSiteIndexBuilder"}
    return {
        "class_name": "SiteBuilder",
        "store_backend": store,
        "site_index_builder": builder,
        "show_how_to_buttons": False,
    }


def _last_instant(frame: pd.DataFrame) -> datetime:
    """Name a run by its data's last instant, so that the same data gives the same pages."""
    times = frame.select_dtypes("datetimetz")
    last = times.max().max() if len(times.columns) else pd.NaT
    return datetime.fromtimestamp(0, UTC) if pd.isna(last) else last.to_pydatetime()


def _exception(result: dict[str, Any]) -> str:
    """Return why a promise could not be checked; GX tells it flat, or by metric."""
    info = result.get("exception_info") or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry.get("exception_message") for entry in entries if entry.get("raised_exception")]
    return str(raised[0]).replace("\n", " ") if raised else ""


def _line(promise: Promise, result: dict[str, Any], rows: int) -> Line:
    """Say for the start page what came of a promise."""
    count = result["result"].get("unexpected_count") or 0
    if _exception(result):
        return promise.says, promise.severity, "broken", "could not be checked"
    if result["success"] and not (count and promise.severity == "warning"):
        return promise.says, promise.severity, "kept", "kept"
    state = "noted" if promise.severity == "info" else "broken"
    outcome = f"not so for {count} of {rows} rows" if count else f"not so.{_observed(result)}"
    return promise.says, promise.severity, state, outcome


def _in_words(frame: pd.DataFrame, promise: Promise, result: dict[str, Any], places: list[int]) -> str:
    """Say what was promised and what came."""
    if places:
        example = next(iter(_reject(frame, promise, places[:1])["reason"]))
        return f"{promise.says} Not so for {len(places)} of {len(frame)} rows, the first: {example}"
    return f"Not so: {promise.says}{_observed(result)}"


def _observed(result: dict[str, Any]) -> str:
    """Say what an aggregate came to."""
    observed = result["result"].get("observed_value")
    if isinstance(observed, float):
        observed = f"{observed:.4g}"
    return "" if observed is None else f" It is {observed}."


def _reject(frame: pd.DataFrame, promise: Promise, places: list[int]) -> pd.DataFrame:
    """Name the rows that broke a promise, with the reason."""
    rows = frame.loc[places]
    reasons = list(promise.explain(rows)) if promise.explain else [f"not so: {promise.says}"] * len(rows)
    names = rows["row"].to_numpy() if "row" in frame else rows.index.to_numpy()
    return pd.DataFrame({"row": names, "expectation": promise.name, "reason": reasons}).astype({"row": "int64"})


def _one_line_a_row(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join what is wrong with a row into one line."""
    if not parts:
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "expectation": "", "reason": ""}).head(0)
    together = pd.concat(parts, ignore_index=True)
    if not together["row"].duplicated().any():
        return together.sort_values("row", ignore_index=True)
    joined = together.groupby("row").agg(expectation=("expectation", "first"), reason=("reason", "; ".join))
    return joined.reset_index()
