"""Faults from a list beside the readings: a JSON or CSV file that says which asset was faulty from when to when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from wheeltapper import tables
from wheeltapper.errors import SourceError
from wheeltapper.sources._times import read_times

_ADVICE = (
    'Write JSON such as {"pump-07": [["2026-01-05 06:00", "2026-01-05 09:30"]]}, '
    "or CSV with the columns asset, start, end and, if known, kind."
)


def read_list(path: Path, *, kind: str, form: str | None, zone: str | None) -> pd.DataFrame:
    """Read a list of faults: one line for each fault, with the name that the list gives its asset.

    Parameters
    ----------
    path : Path
        JSON (name → pairs of start and end, or triples with the kind) or CSV (asset, start, end, kind).
    kind : str
        Kind of the faults for which the list names none.
    form, zone : str or None
        How times are written, and the zone of those that name none; see `read_times`.

    Returns
    -------
    DataFrame with the columns of `tables.FAULTS`

    Raises
    ------
    SourceError
        If the file is not such a list, a time cannot be read, or a fault ends before it starts.
    """
    entries = pd.DataFrame(list(_entries(path)), columns=["asset_id", "start", "end", "kind"], dtype="str")
    if entries.empty:
        return tables.FAULTS.empty()
    times = {}
    for column in ("start", "end"):
        times[column], unclear = read_times(entries[column], form=form, zone=zone)
        lost = times[column].isna()
        if lost.any():
            first = entries[lost].iloc[0]
            why = unclear[lost].iloc[0] or f"the time {first[column]!r} cannot be read"
            raise SourceError(f"{path.name}: {first['asset_id']}: {why}. Set time_zone or time_format in the source.")
    backwards = times["end"] < times["start"]
    if backwards.any():
        first = entries[backwards].iloc[0]
        raise SourceError(
            f"{path.name}: {first['asset_id']}: the fault from {first['start']} ends before it starts, {first['end']}."
        )
    kinds = entries["kind"].fillna("").str.strip().replace("", kind)
    listed = entries.assign(**times, kind=kinds, severity=1.0, origin="imported")[tables.FAULTS.names()]
    # Somebody may have listed one fault twice; the longer entry is the fault.
    listed = listed.sort_values(["asset_id", "start", "end"], kind="stable")
    return tables.FAULTS.check(listed.drop_duplicates(["asset_id", "start", "kind"], keep="last"))


def _entries(path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield name, start, end and kind, as they are written."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise SourceError(f"fault_file {path} cannot be read: {error}") from error
    if path.suffix.lower() == ".json":
        yield from _from_json(text, path)
    else:
        yield from _from_csv(text, path)


def _from_json(text: str, path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SourceError(f"fault_file {path.name} is no JSON: {error}. {_ADVICE}") from error
    if not isinstance(content, dict):
        raise SourceError(
            f"fault_file {path.name} maps no names to faults, it is a {type(content).__name__}. {_ADVICE}"
        )
    for name, spans in content.items():
        for span in spans if isinstance(spans, list) else [spans]:
            if not _is_span(span):
                raise SourceError(f"fault_file {path.name}: {name}: expected [start, end], got {span!r}. {_ADVICE}")
            start, end, *kind = span
            yield name, start, end, kind[0] if kind else None


def _is_span(span: Any) -> bool:
    return isinstance(span, list) and len(span) in (2, 3) and all(isinstance(time, str) for time in span)


def _from_csv(text: str, path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    import csv

    rows = csv.DictReader(text.splitlines())
    has = [str(name).strip() for name in rows.fieldnames or ()]
    rows.fieldnames = has
    if not {"asset", "start", "end"} <= set(has):
        raise SourceError(f"fault_file {path.name} has the columns {', '.join(has) or 'none'}. {_ADVICE}")
    for row in rows:
        yield row["asset"], row["start"], row["end"], row.get("kind")


class ListedFaults:
    """Hands out the listed faults of each asset and file once, when its first readings come."""

    def __init__(self, listed: pd.DataFrame, name: str) -> None:
        self._listed = listed
        self._name = name
        self._seen: set[tuple[str, str]] = set()
        self._matched = False

    def of(self, assets: Iterable[str], file: str) -> pd.DataFrame:
        """Return the faults of the assets whose first readings of this file have come.

        The list may also name an asset by its file: ``file`` is its path below the source's folder, empty where one
        file holds several assets; in the list it may have more folders before it, or none.
        """
        parts = []
        for asset in assets:
            if (asset, file) not in self._seen:
                self._seen.add((asset, file))
                asset_faults = self._listed[[_means(name, asset, file) for name in self._listed["asset_id"]]]
                parts.append(asset_faults.assign(asset_id=asset))
        matching = [part for part in parts if len(part)]
        if not matching:
            return tables.FAULTS.empty()
        self._matched = True
        # Two of its names may list the same fault.
        return pd.concat(matching, ignore_index=True).drop_duplicates(list(tables.FAULTS.key), keep="last")

    def require_match(self) -> None:
        """Refuse a list that names none of the assets: every label would be lost silently.

        Raises
        ------
        SourceError
            Naming both sides.
        """
        if len(self._listed) and not self._matched:
            names = sorted(self._listed["asset_id"].unique())
            raise SourceError(
                f"fault_file {self._name} names {', '.join(names[:5])}{' …' if len(names) > 5 else ''}, but the "
                f"assets are {', '.join(sorted({asset for asset, _ in self._seen})[:5])}. Name them alike, or "
                "by their files."
            )


def _means(name: str, asset: str, file: str) -> bool:
    """Tell whether a name in the list is this asset, or its file with more or fewer folders before it."""
    is_file = file != "" and (name == file or name.endswith(f"/{file}") or file.endswith(f"/{name}"))
    return name == asset or is_file
